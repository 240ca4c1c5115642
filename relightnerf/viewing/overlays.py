"""What is drawn over a picture in the viewer: a second picture beside it, and a gray ball under its light."""

import numpy as np
from jaxtyping import Float

from relightnerf.lights import Lighting, lit_ball

_BALL_SHARE = 0.16
_MARGIN_SHARE = 0.02
_LINE = np.array([1.0, 1.0, 1.0], np.float32)


def split(
    left: Float[np.ndarray, "height width 3"], right: Float[np.ndarray, "height width 3"], share: float
) -> Float[np.ndarray, "height width 3"]:
    """Return the left part of one picture beside the right part of another, with a line between them.

    Args:
        left: sRGB in [0, 1].
        right: of the same size.
        share: of the width that goes to the left picture.
    """
    column = round(share * right.shape[1])
    result = np.concatenate([left[:, :column], right[:, column:]], axis=1)
    if 0 < column < right.shape[1]:
        result[:, column] = _LINE
    return result


def with_ball(
    picture: Float[np.ndarray, "height width 3"],
    lighting: Lighting,
    camera_to_world: Float[np.ndarray, "4 4"],
) -> Float[np.ndarray, "height width 3"]:
    """Return a picture with a gray ball under its far lights in the bottom right corner.

    Args:
        picture: sRGB in [0, 1].
        lighting: in the capture's world; near lights are left out.
        camera_to_world: the picture's camera, whose rotation turns the lights.
    """
    height, width = picture.shape[:2]
    size = round(_BALL_SHARE * min(height, width))
    if size < 2:  # noqa: PLR2004
        return picture
    shade, covered = lit_ball(lighting.turned(camera_to_world[:3, :3].T), size)
    margin = round(_MARGIN_SHARE * min(height, width))
    rows, columns = slice(height - margin - size, height - margin), slice(width - margin - size, width - margin)
    result = picture.copy()
    result[rows, columns] += covered[..., None] * (shade - result[rows, columns])
    return result
