"""The scene folder, and the stages that write into it: complete ones are skipped, stopped ones continue."""

from relightnerf.scene._folder import FORMAT, SWEEP, NewerScene, Scene

__all__ = ["FORMAT", "SWEEP", "NewerScene", "Scene"]
