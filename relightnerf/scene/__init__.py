"""The scene folder, and the stages that write into it: complete ones are skipped, stopped ones continue."""

from relightnerf.scene._folder import FORMAT, Scene

__all__ = ["FORMAT", "Scene"]
