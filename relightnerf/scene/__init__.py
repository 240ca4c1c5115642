"""The scene folder, and the stages that write into it: what is done is skipped, what was stopped goes on."""

from relightnerf.scene._folder import FORMAT, SWEEP, Scene

__all__ = ["FORMAT", "SWEEP", "Scene"]
