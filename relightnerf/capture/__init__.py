"""From what people have (photos, a video, a COLMAP model, a nerfstudio dataset) to the prepared photos of a scene."""

from relightnerf.capture._prepared import POINTS, prepared_cameras, write_prepared
from relightnerf.capture._sfm import FULL, QUICK, Effort
from relightnerf.capture._sources import open_capture
from relightnerf.capture._types import Capture, Lens, Photo, Points, Source, SourceOptions
from relightnerf.capture._world_up import estimate_up

__all__ = [
    "FULL",
    "POINTS",
    "QUICK",
    "Capture",
    "Effort",
    "Lens",
    "Photo",
    "Points",
    "Source",
    "SourceOptions",
    "estimate_up",
    "open_capture",
    "prepared_cameras",
    "write_prepared",
]
