"""Which way is up in a capture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class UpSettings:
    """What tunes which way is up."""

    snap_deg: float = 10.0
    """An estimate within this angle of +z is taken for +z. Photographers are level to a few degrees, datasets that
    follow the convention exactly; a lesser angle would tilt their worlds by the photographer's error."""
    ridge: float = 0.005
    """Weight of the mean of the y axes, beside the mean square of u . x. Where cameras look in different directions,
    the latter is 0.3 or so off the axis and decides; where all look the same way it is 0 in a plane, and only this is
    left."""
    tilt: float = 0.3
    """Sine of the roll (17 degrees) at which a camera's weight is a quarter. A camera turned to portrait has 1 and
    counts nearly nothing; cameras that are held carelessly have less than half of it."""


_SETTINGS = UpSettings()


def estimate_up(camera_to_world: Float[np.ndarray, "cameras 4 4"]) -> Float[np.ndarray, "3"]:
    """Return the unit vector that points up in the world of the cameras.

    A result within 10 degrees of +z is taken for +z, the convention of most datasets.
    """
    up = estimate_up_unsnapped(camera_to_world)
    return np.array([0.0, 0.0, 1.0]) if up[2] > np.cos(np.radians(_SETTINGS.snap_deg)) else up


def estimate_up_unsnapped(camera_to_world: Float[np.ndarray, "cameras 4 4"]) -> Float[np.ndarray, "3"]:
    """Return the direction that the cameras' photographer held them level to, as a unit vector.

    People hold cameras level, whether they look up, ahead or down: up is the direction that is orthogonal to all
    cameras' x axes, and where these leave it open (all look the same way), the mean of the y axes. Both in one: the u
    that minimises mean((u . x)^2) + 0.005 |u - mean(y)|^2. Outliers (a camera that was turned to portrait) are weighted
    down once.
    """
    # OpenGL cameras: x to the right and y up in the picture, as world vectors (cameras, 3).
    x, y = camera_to_world[:, :3, 0], camera_to_world[:, :3, 1]
    # x . u is the sine of a camera's roll. The weight 1 / (1 + (roll / tilt)^2)^2 is Geman and McClure's, taken once
    # from the unweighted solution.
    up = _ridge(x, y, np.ones(len(x)))
    return _ridge(x, y, 1.0 / (1.0 + ((x @ up) / _SETTINGS.tilt) ** 2) ** 2)


def _ridge(
    x: Float[np.ndarray, "cameras 3"], y: Float[np.ndarray, "cameras 3"], weights: Float[np.ndarray, " cameras"]
) -> Float[np.ndarray, "3"]:
    # the derivative of mean((u . x)^2) + ridge |u - mean(y)|^2 is 0 at (mean(x x^T) + ridge 1) u = ridge mean(y); the
    # factor on the right does not change the direction
    # Means become weighted sums; a 3 x 3 system.
    weights = weights / weights.sum()
    up = np.linalg.solve((x * weights[:, None]).T @ x + _SETTINGS.ridge * np.eye(3), weights @ y)
    # Opposite y axes may cancel, and then nothing tells up.
    length = float(np.linalg.norm(up))
    return up / length if length > 0 else np.array([0.0, 0.0, 1.0])
