"""Moving lights for videos: one light per frame, in the capture's world."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Cameras
from relightnerf.lights import Lighting, LightSet

_SWING_DEG = 80.0
"""How far a swinging light goes to each side, degrees: nearly grazing, where shadows are longest, and not behind."""
_HALF_TURN_DEG = 180.0
_PARALLEL = 1e-6
"""Angles (radians) and sines below this are taken for 0: what is across them is rounding."""


@dataclass(frozen=True)
class Blend:
    """The capture's own light and others at once; light adds linearly.

    Attributes:
        capture: factor on the capture's own light, from 0 to 1.
        others: in the capture's world.
    """

    capture: float
    others: Lighting


def circle(frames: int) -> Float[np.ndarray, " frames"]:
    """Return how far (degrees) a light has turned that goes once around; the last is one step before the first."""
    return 360.0 * np.arange(frames) / frames


def swing(frames: int) -> Float[np.ndarray, " frames"]:
    """Return how far (degrees) a light has turned that goes to one side, to the other, and back."""
    return _SWING_DEG * np.sin(2.0 * np.pi * np.arange(frames) / frames)


def over_the_top(elevation_deg: float, frames: int) -> Float[np.ndarray, " frames"]:
    """Return elevations (degrees) that rise over the zenith to the same height on the other side.

    Beyond 90 they go down at the opposite azimuth, as ``direction_from_angles`` has it.
    """
    return np.linspace(elevation_deg, _HALF_TURN_DEG - elevation_deg, frames)


def passing(
    lights: Sequence[Lighting | None], frames: int, up: tuple[float, float, float]
) -> list[Lighting | Blend | None]:
    """Return lights that pass the given ones evenly in time, from the first to the last; None: the capture's own.

    Args:
        lights: at least one; as many as frames are taken as they are.
        frames: how many to return.
        up: unit vector; a light that goes to the opposite side passes here.
    """
    times = np.linspace(0.0, len(lights) - 1.0, frames)
    # Segment and share of it: the last frame is the end of the last segment, not the start of one beyond.
    starts = np.minimum(times.astype(int), max(len(lights) - 2, 0))
    ends = np.minimum(starts + 1, len(lights) - 1)
    return [
        between(lights[start], lights[end], float(time - start), up)
        for start, end, time in zip(starts, ends, times, strict=True)
    ]


def listed(lights: LightSet, cameras: Cameras, up: tuple[float, float, float]) -> list[Lighting | Blend | None]:
    """Return lights that pass those of a set, one for each camera; those in the camera frame stay in each camera's."""
    camera_up = (0.0, 1.0, 0.0)
    in_frame = passing(
        [Lighting.directional(direction) for direction in lights.directions],
        len(cameras),
        up if lights.frame == "world" else camera_up,
    )
    if lights.frame == "world":
        return in_frame
    # Each pose's rotation takes the camera's axes to the world's.
    return [
        light.turned(pose[:3, :3]) if isinstance(light, Lighting) else light
        for light, pose in zip(in_frame, cameras.camera_to_world, strict=True)
    ]


def between(
    start: Lighting | None, end: Lighting | None, share: float, up: tuple[float, float, float]
) -> Lighting | Blend | None:
    """Return the light at a share of the way from one to another; None is the capture's own.

    As many directional and point lights on both sides move, in order: on great circles, and on straight lines,
    with colours that change linearly. Otherwise, one side fades as the other comes.

    Args:
        start: the light at 0.
        end: the light at 1.
        share: from 0 to 1.
        up: unit vector; a directional light that goes to the opposite side passes here.
    """
    if share in (0.0, 1.0) or start is end:
        return end if share == 1.0 else start
    # The capture's own light is known by its look alone, not as a ``Lighting``: it can only be faded.
    if start is None or end is None:
        rest = (start or end or Lighting()).scaled(share if start is None else 1.0 - share)
        return Blend(1.0 - share if start is None else share, rest)
    if (len(start.directions), len(start.positions)) != (len(end.directions), len(end.positions)):
        return start.scaled(1.0 - share) + end.scaled(share)
    mixed = _mixer(share)
    turned = [_on_great_circle(a, b, share, up) for a, b in zip(start.directions, end.directions, strict=True)]
    return Lighting(
        np.reshape(turned, (-1, 3)),
        mixed(start.colors, end.colors),
        mixed(start.positions, end.positions),
        mixed(start.position_colors, end.position_colors),
        mixed(start.ambient, end.ambient),
    )


def _mixer(share: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    return lambda start, end: (1.0 - share) * start + share * end


def _on_great_circle(
    start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], share: float, up: tuple[float, float, float]
) -> Float[np.ndarray, "3"]:
    # Slerp (Shoemake 1985): cos(s angle) start + sin(s angle) e, where e is the unit tangent at start towards end. The
    # angle comes from atan2, exact near 0 and 180 degrees, where the cosine is flat.
    angle = np.arctan2(np.linalg.norm(np.cross(start, end)), start @ end)
    across = end - (end @ start) * start  # Gram and Schmidt: length sin(angle).
    if np.pi - angle < _PARALLEL:  # opposite: any great circle would do
        across = np.array(up) - (start @ np.array(up)) * start
    # Nothing is left across: start and end are equal, or opposite and both along up.
    if np.linalg.norm(across) < _PARALLEL:
        if angle < _PARALLEL:
            return start
        across = np.cross(start, np.eye(3)[np.argmin(np.abs(start))])
    return np.cos(share * angle) * start + np.sin(share * angle) * across / np.linalg.norm(across)
