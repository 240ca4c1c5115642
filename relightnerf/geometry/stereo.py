"""Views as stereo compares them, and which of them see a place from beside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from relightnerf.cameras import Camera


@dataclass(frozen=True)
class StereoSettings:
    """What tunes which views are compared, and at what size."""

    most_pixels: int = 400 * 400
    """Pixels of the working size. Time grows in proportion to it."""
    neighbours: int = 6
    """Other views that a view is compared with, as far as there are any. Half of them decide (others may not see a
    place), and 3 correlations outvote one chance fit; more take more time, at worse angles."""
    best_angle_deg: float = 15.0
    """Best angle at the subject between two views. At half of it, depth is half as exact; at twice it, windows look
    unlike each other and more is hidden."""
    widest_angle_deg: float = 60.0
    """Views further apart than this do not take part: beyond, most surfaces that one sees face away from the other or
    are too foreshortened to correlate."""


_SETTINGS = StereoSettings()


@dataclass(frozen=True)
class StereoView:
    """One view as stereo works on it.

    Attributes:
        camera: at the working size.
        image: 8-bit sRGB at that size.
        depth: what is known so far, along the camera's -z, world units, 0 where unknown.
    """

    camera: Camera
    image: UInt8[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]


def working_camera(camera: Camera, settings: StereoSettings = _SETTINGS) -> Camera:
    """Return the camera at the size that stereo works at: its own, or about 400x400 pixels if it is larger."""
    # Of one side: the number of pixels goes with its square.
    scale = min(1.0, math.sqrt(settings.most_pixels / (camera.width * camera.height)))
    return camera.resampled(max(round(scale * camera.width), 1), max(round(scale * camera.height), 1))


def neighbours(views: Sequence[StereoView], index: int, settings: StereoSettings = _SETTINGS) -> list[int]:
    """Return the views that see what is in the middle of a view from beside, best angles first.

    An angle is as good as its ratio to the best one: depth is exact in proportion to it, and windows become unlike each
    other in proportion to it.
    """
    depth, camera = views[index].depth, views[index].camera
    if not (depth > 0).any():
        return []
    # The place at the median depth along the optical axis, which is -z.
    middle = camera.position - camera.camera_to_world[:3, 2] * np.median(depth[depth > 0])
    rated = []
    for other, view in enumerate(views):
        (place,), (along,) = view.camera.project(middle[None])
        size = view.camera.width, view.camera.height
        if other == index or along <= 0 or not (0.0 < place[0] < size[0] and 0.0 < place[1] < size[1]):
            continue
        # The angle between the two cameras, seen from that place.
        first, second = (position - middle for position in (camera.position, view.camera.position))
        cosine = first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)
        angle = max(math.degrees(math.acos(np.clip(cosine, -1.0, 1.0))), 0.1)
        if angle < settings.widest_angle_deg:
            # Half the best angle is as bad as twice it.
            rated.append((abs(math.log(angle / settings.best_angle_deg)), other))
    return [other for _, other in sorted(rated)[: settings.neighbours]]
