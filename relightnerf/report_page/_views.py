"""The views that the page shows, and how they are placed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from relightnerf.cameras import Cameras
from relightnerf.cameras.paths import central_view


@dataclass(frozen=True)
class SharedSurfaceSettings:
    """How it is measured what views see together."""

    samples: int = 12
    """Points to a side of a view's picture: 144, so that its share is known to 4 %; time grows with their square, and
    with that of the number of views."""
    same_surface: float = 0.05
    """Difference of distance, relative, up to which two views see the same place. Fitted depth errs by less than 1 % as
    a rule; far more than 5 % is another surface behind or before it."""


_SHARED = SharedSurfaceSettings()


def spread_views(
    cameras: Cameras, world_up: tuple[float, float, float], count: int, preferred: Sequence[str] = ()
) -> list[str]:
    """Return views that look from different sides: each next is the farthest from those that are chosen already.

    Args:
        cameras: to choose from.
        world_up: unit vector that points up.
        count: how many, at most.
        preferred: views that are all chosen before any other.
    """
    places = cameras.camera_to_world[:, :3, 3]
    first = [name for name in cameras.names if name in preferred]
    start = cameras.subset(first) if first else cameras
    chosen = [central_view(start, world_up).name]
    for candidates in (first, cameras.names):
        left = [i for i, name in enumerate(cameras.names) if name in candidates and name not in chosen]
        while left and len(chosen) < count:
            taken = places[[cameras.names.index(name) for name in chosen]]
            nearest = np.linalg.norm(places[left][:, None] - taken, axis=-1).min(axis=1)
            chosen.append(cameras.names[left.pop(int(nearest.argmax()))])
    return chosen


def shared_surface(
    cameras: Cameras, depths: Sequence[Float[np.ndarray, "height width"]], others: int = 2
) -> Float[np.ndarray, " views"]:
    """Return the share of each view's surface that at least so many other views see, 0 where no depth is known.

    A view sees a point that falls into its picture and whose distance is its own depth there, up to 5 percent.

    Args:
        cameras: the views.
        depths: along each camera's -z in world units, 0 unknown.
        others: by how many other views a point has to be seen.
    """
    shares = np.zeros(len(cameras))
    for index, depth in enumerate(depths):
        points = _points(cameras, index, depth)
        seen = sum(
            (_sees(cameras, other, depths[other], points) for other in range(len(cameras)) if other != index),
            np.zeros(len(points), int),
        )
        shares[index] = (seen >= others).mean() if len(points) else 0.0
    return shares


def _points(cameras: Cameras, index: int, depth: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "points 3"]:
    rows, columns = (np.linspace(0, n - 1, _SHARED.samples).round().astype(int) for n in depth.shape)
    grid = np.ix_(rows, columns)
    return cameras[index].points_world(depth)[grid][depth[grid] > 0]


def _sees(
    cameras: Cameras, index: int, depth: Float[np.ndarray, "height width"], points: Float[np.ndarray, "points 3"]
) -> Int[np.ndarray, " points"]:
    camera = cameras[index]
    local = (points - camera.position) @ camera.camera_to_world[:3, :3]
    distance = np.maximum(-local[:, 2], 1e-9)
    fx, fy, cx, cy = camera.intrinsics
    column = np.floor(fx * local[:, 0] / distance + cx)
    row = np.floor(cy - fy * local[:, 1] / distance)
    inside = (local[:, 2] < 0) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    found = depth[np.where(inside, row, 0).astype(int), np.where(inside, column, 0).astype(int)]
    return (inside & (np.abs(found - distance) < _SHARED.same_surface * distance)).astype(int)
