"""The scene folder, and the stages that write into it: complete ones are skipped, stopped ones continue."""

from relightnerf.scene._folder import FORMAT, MUCH_UNSURE, SWEEP, NewerScene, Scene, place_of_help

__all__ = ["FORMAT", "MUCH_UNSURE", "SWEEP", "NewerScene", "Scene", "place_of_help"]
