"""Which way is up in a capture."""

import numpy as np
from jaxtyping import Float

_SNAP_COSINE = np.cos(np.radians(10.0))
_RIDGE = 0.005
_TILT = 0.3


def estimate_up(camera_to_world: Float[np.ndarray, "cameras 4 4"]) -> Float[np.ndarray, "3"]:
    """Return the unit vector that points up in the world of the cameras.

    A result within 10 degrees of +z is taken for +z, the convention of most datasets.
    """
    up = estimate_up_unsnapped(camera_to_world)
    return np.array([0.0, 0.0, 1.0]) if up[2] > _SNAP_COSINE else up


def estimate_up_unsnapped(camera_to_world: Float[np.ndarray, "cameras 4 4"]) -> Float[np.ndarray, "3"]:
    """Return the direction that the cameras' photographer held them level to, as a unit vector.

    People hold cameras level, whether they look up, ahead or down: up is the direction that is orthogonal to all
    cameras' x axes, and where these leave it open (all look the same way), the mean of the y axes. Both in one: the u
    that minimises mean((u . x)^2) + 0.005 |u - mean(y)|^2. Outliers (a camera that was turned to portrait) are weighted
    down once.
    """
    x, y = camera_to_world[:, :3, 0], camera_to_world[:, :3, 1]
    up = _ridge(x, y, np.ones(len(x)))
    return _ridge(x, y, 1.0 / (1.0 + ((x @ up) / _TILT) ** 2) ** 2)


def _ridge(
    x: Float[np.ndarray, "cameras 3"], y: Float[np.ndarray, "cameras 3"], weights: Float[np.ndarray, " cameras"]
) -> Float[np.ndarray, "3"]:
    weights = weights / weights.sum()
    up = np.linalg.solve((x * weights[:, None]).T @ x + _RIDGE * np.eye(3), weights @ y)
    length = float(np.linalg.norm(up))
    return up / length if length > 0 else np.array([0.0, 0.0, 1.0])
