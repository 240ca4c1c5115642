"""Pinhole cameras of a capture, and camera paths for videos (``paths``), in the capture's world frame."""

from relightnerf.cameras._pinhole import (
    Camera,
    Cameras,
    cameras_from_content,
    content_of_cameras,
    load_cameras,
    save_cameras,
)

__all__ = ["Camera", "Cameras", "cameras_from_content", "content_of_cameras", "load_cameras", "save_cameras"]
