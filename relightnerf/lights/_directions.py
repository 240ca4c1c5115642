"""Light directions as unit vectors from the scene towards the light, and as azimuth and elevation."""

from typing import Literal

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError

LightFrame = Literal["world", "camera"]
_Z_UP = (0.0, 0.0, 1.0)
"""Up in the frame that azimuth and elevation are defined in."""


def normalized_direction(direction: Float[np.ndarray, "3"], name: str = "light") -> Float[np.ndarray, "3"]:
    """Scale a direction to unit length.

    Raises:
        InputError: the vector is not three finite numbers, or has no length.
    """
    try:
        vector = np.asarray(direction, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (3,) or not np.isfinite(vector).all():
        raise InputError(f"{name}: direction {direction!r} is not three finite numbers", "give it as [x, y, z]")
    length = np.linalg.norm(vector)
    if length < 1e-6:
        raise InputError(f"{name}: direction {vector.tolist()} has no length", "give a longer vector")
    return vector / length


def spread_directions(count: int, lowest_z: float = -1.0) -> Float[np.ndarray, "count 3"]:
    """Return unit vectors spread evenly over the part of the sphere with z above ``lowest_z`` (a Fibonacci lattice)."""
    # Equal steps of z are bands of equal area (Archimedes), and the golden angle pi (3 - sqrt 5) sets each point apart
    # from those of the bands nearby.
    index = np.arange(count) + 0.5
    z, azimuth = 1.0 - (1.0 - lowest_z) * index / count, np.pi * (3.0 - np.sqrt(5.0)) * index
    flat = np.sqrt(1.0 - z * z)
    return np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=-1)


def directions_around(direction: Float[np.ndarray, "3"], step_deg: float) -> Float[np.ndarray, "7 3"]:
    """Return a unit vector, and six around it that are ``step_deg`` away."""
    turns = np.arange(6) * np.pi / 3.0
    # The coordinate axis that is least aligned with the vector: their cross product is far from 0.
    side = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
    side /= np.linalg.norm(side)
    ring = np.cos(turns)[:, None] * side + np.sin(turns)[:, None] * np.cross(direction, side)
    # A step of tan(angle) in the tangent plane, put back on the sphere, has turned by exactly that angle.
    around = direction + np.tan(np.radians(step_deg)) * ring
    return np.concatenate([direction[None], around / np.linalg.norm(around, axis=-1, keepdims=True)])


def rotation_between(source: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Return the smallest rotation that turns one unit vector into another (Rodrigues' formula)."""
    axis, cosine = np.cross(source, target), float(np.dot(source, target))
    if cosine < -1.0 + 1e-9:  # opposite: half a turn about any perpendicular axis
        perpendicular = np.cross(source, np.eye(3)[np.argmin(np.abs(source))])
        perpendicular /= np.linalg.norm(perpendicular)
        return 2.0 * np.outer(perpendicular, perpendicular) - np.eye(3)
    # R = I + K + K^2 (1 - cos) / sin^2 with K v = axis x v, for |axis| = sin; (1 - cos) / sin^2 = 1 / (1 + cos).
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1.0 + cosine)


def direction_from_angles(
    azimuth_deg: float,
    elevation_deg: float,
    frame: LightFrame = "world",
    world_up: tuple[float, float, float] = _Z_UP,
) -> Float[np.ndarray, "3"]:
    """Return the unit vector towards a light.

    In the world frame, (0, 0) is the +x axis, azimuth turns towards +y (counter-clockwise seen from above) and
    elevation rises to ``world_up``; for another up than +z, the axes are turned by the smallest rotation from +z to it.
    In the camera frame (OpenGL), (0, 0) is a light behind the camera, positive azimuth is to the right in the picture
    and positive elevation is above it.
    """
    azimuth, elevation = np.radians([azimuth_deg, elevation_deg])
    forward, sideways = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)
    # Camera axes: x right, y up, z towards the viewer, where a light at (0, 0) is.
    if frame == "camera":
        return np.array([sideways, np.sin(elevation), forward])
    return rotation_between(np.array(_Z_UP), np.array(world_up)) @ [forward, sideways, np.sin(elevation)]


def angles_from_direction(
    direction: Float[np.ndarray, "3"],
    frame: LightFrame = "world",
    world_up: tuple[float, float, float] = _Z_UP,
) -> tuple[float, float]:
    """Undo ``direction_from_angles``: (azimuth_deg, elevation_deg) of a unit vector, azimuth in (-180, 180]."""
    if frame == "camera":
        forward, sideways, upward = direction[2], direction[0], direction[1]
    else:
        # The turn from up back to +z is the inverse of that from +z to up.
        forward, sideways, upward = rotation_between(np.array(world_up), np.array(_Z_UP)) @ direction
    # asin wants [-1, 1], which rounding may exceed. At the zenith every azimuth is right; atan2 gives one.
    azimuth = np.degrees(np.arctan2(sideways, forward))
    return float(azimuth), float(np.degrees(np.arcsin(np.clip(upward, -1.0, 1.0))))
