"""The movement of a handle on a dome when it is dragged over the picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass
class DomeDrag:
    """A handle on the upper half of a ball about the origin, z up, that follows the pointer.

    It stays on the side of the ball, near or far, where it is. Beyond the ball's outline it slides along it, and coming
    back from there it is on the other side: it has been dragged over the edge.

    Attributes:
        radius: of the ball.
        direction: unit vector to where the handle is.
    """

    radius: float
    direction: Float[np.ndarray, "3"]
    _is_far: bool | None = None
    _is_outside: bool = False

    def place(self, direction: Float[np.ndarray, "3"]) -> None:
        """Put the handle somewhere; the next drag starts from there."""
        self.direction, self._is_far, self._is_outside = direction, None, False

    def drag(self, eye: Float[np.ndarray, "3"], point: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
        """Return the new direction of the handle.

        Args:
            eye: where the camera is.
            point: on the ray from the eye through the pointer.
        """
        # the ball's normal at the handle is its direction: it faces the eye on the near side
        if self._is_far is None:
            self._is_far = float(self.direction @ (eye - self.radius * self.direction)) < 0.0
        # The ball is about the origin: for a unit ray, |eye + t ray|^2 = r^2 gives t = along -+ half, with along =
        # -eye . ray (where the ray is closest to the middle) and half^2 = r^2 - |closest|^2, by Pythagoras. If that is
        # negative, the ray misses, and the direction of the closest point is that of the outline's nearest point.
        ray = (point - eye) / np.linalg.norm(point - eye)
        along = -float(eye @ ray)
        closest = eye + along * ray
        half_squared = self.radius**2 - float(closest @ closest)
        is_outside = half_squared <= 0.0
        if is_outside and not self._is_outside:
            self._is_far = not self._is_far
        self._is_outside = is_outside
        half = np.sqrt(max(half_squared, 0.0))
        is_far = self._is_far or along <= half  # from inside the ball only its far side is seen
        self.direction = _raised(closest + (half if is_far else -half) * ray, self.direction)
        return self.direction


def _raised(place: Float[np.ndarray, "3"], last: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """Return the direction to a place, or to the horizon above it; ``last`` for a place that has none."""
    upper = np.array([place[0], place[1], max(place[2], 0.0)])
    length = np.linalg.norm(upper)
    return upper / length if length > 1e-6 else last  # noqa: PLR2004
