"""The world frame of captures that have none of their own."""

import dataclasses

import numpy as np
from jaxtyping import Float

from relightnerf.capture._types import Capture, Points
from relightnerf.capture._world_up import estimate_up_unsnapped


def in_upright_frame(capture: Capture) -> Capture:
    """Return a capture in a world that people can use: z up, centred, of size one.

    The origin is the median of the points, the median distance of the cameras to it is 1, z is up as estimated from the
    cameras, and the first photo was taken from the side of +x (so that a light at azimuth 0 comes from its camera).
    """
    poses = np.stack([photo.camera_to_world for photo in capture.photos])
    center = np.median(capture.points.positions, axis=0) if len(capture.points) else poses[:, :3, 3].mean(axis=0)
    scale = 1.0 / max(float(np.median(np.linalg.norm(poses[:, :3, 3] - center, axis=1))), 1e-12)
    rotation = _upright(estimate_up_unsnapped(poses), poses[0, :3, 3] - center)
    photos = []
    for photo, pose in zip(capture.photos, poses, strict=True):
        moved = np.eye(4)
        moved[:3, :3] = rotation @ pose[:3, :3]
        moved[:3, 3] = scale * (rotation @ (pose[:3, 3] - center))
        photos.append(dataclasses.replace(photo, camera_to_world=moved))
    positions = scale * (capture.points.positions - center) @ rotation.T
    return Capture(tuple(photos), Points(positions, capture.points.colors))


def _upright(up: Float[np.ndarray, "3"], towards_first: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Return the rotation that turns ``up`` into +z and ``towards_first`` into the half-plane of +x and z."""
    x = towards_first - up * (towards_first @ up)
    if np.linalg.norm(x) < 1e-9 * max(float(np.linalg.norm(towards_first)), 1e-12):
        x = np.cross(up, np.eye(3)[np.argmin(np.abs(up))])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up])
