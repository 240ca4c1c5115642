"""What another view knows at the places that a view sees."""

import cv2
import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera


def looked_up(
    camera: Camera, points_world: Float[np.ndarray, "height width 3"], depth: Float[np.ndarray, "rows columns"]
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Return how far points are along a camera's -z, and that camera's depth where it sees them.

    Args:
        camera: with the field of view of ``depth``.
        points_world: of a view's pixels.
        depth: of the camera, of any size, 0 where unknown.

    Returns:
        Depth of the points, and that of the nearest pixel: 0 out of the picture or behind the camera.
    """
    shape = points_world.shape[:2]
    places, along = camera.project(points_world.reshape(-1, 3))
    scale = np.array([depth.shape[1] / camera.width, depth.shape[0] / camera.height])
    # As ``remap`` counts: the first pixel's centre is 0. What is behind the camera is put outside its picture.
    places = np.where(along[:, None] > 0, places * scale - 0.5, -2.0).astype(np.float32)
    columns, rows = places.reshape(*shape, 2)[..., 0], places.reshape(*shape, 2)[..., 1]
    # As large as the view: OpenCV takes no side of 32767 or more.
    found = cv2.remap(depth.astype(np.float32), columns, rows, cv2.INTER_NEAREST, borderValue=0.0)
    return np.maximum(along, 1e-9).reshape(shape), found
