"""What another view knows at the places that a view sees."""

import cv2
import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera


def looked_up(
    camera: Camera, points_world: Float[np.ndarray, "height width 3"], *depths: Float[np.ndarray, "_ _"]
) -> tuple[Float[np.ndarray, "height width"], ...]:
    """Return how far points are along a camera's -z, and that camera's depths where it sees them.

    Args:
        camera: with the field of view of ``depths``.
        points_world: of a view's pixels.
        depths: of the camera, each of any size, 0 where unknown.

    Returns:
        Depth of the points, and of the nearest pixel in each of ``depths``: 0 out of the picture or behind the camera.
    """
    shape = points_world.shape[:2]
    places, along = camera.project(points_world.reshape(-1, 3))
    found = []
    for depth in depths:
        scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
        # As ``remap`` counts: the first pixel's centre is 0. What is behind the camera is put outside its picture.
        pixels = np.where(along[:, None] > 0, places * scale - 0.5, -2.0).astype(np.float32).reshape(*shape, 2)
        # As large as the view: OpenCV takes no side of 32767 or more.
        nearest = cv2.remap(depth.astype(np.float32), *np.moveaxis(pixels, -1, 0), cv2.INTER_NEAREST, borderValue=0.0)
        found.append(nearest)
    return np.maximum(along, 1e-9).reshape(shape), *found
