"""Overlays on pictures: grids, splits, labels, and gray balls under the light."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from relightnerf.imaging.color import to_float, to_uint8
from relightnerf.lights import Lighting, lit_ball

_GAP = 4
"""Pixels between the pictures of a grid."""
BALL_SHARE = 0.22
"""Diameter of the gray ball as a share of the picture's shorter side."""
_SMALLEST_BALL = 2
"""Pixels of a ball's diameter; a smaller one is left out."""
_MARGIN = 0.02
"""Between the ball and the picture's edges, over the shorter side."""
_TEXT = 0.06
"""Height of a text over the picture's shorter side."""
_SMALLEST_FONT = 9
"""Pixels of a text's height that can still be read."""
_INK, _OUTLINE = (255, 255, 255), (0, 0, 0)
"""Colours of a text and of the line around it, 8-bit sRGB: it can be read on any picture."""


def grid(
    pictures: Sequence[Shaped[np.ndarray, "height width 3"]], columns: int | None = None
) -> Shaped[np.ndarray, "_ _ 3"]:
    """Lay pictures out in rows on black, with a narrow gap between them; one picture stays as it is.

    Args:
        pictures: of one size, at least one; 8-bit sRGB or linear.
        columns: pictures in a row; by default as many as rows, or one more.
    """
    height, width = pictures[0].shape[:2]
    columns = min(columns or math.ceil(math.sqrt(len(pictures))), len(pictures))
    rows = -(-len(pictures) // columns)
    shape = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3)
    sheet = np.zeros(shape, pictures[0].dtype)
    for index, picture in enumerate(pictures):
        top, left = (index // columns) * (height + _GAP), (index % columns) * (width + _GAP)
        sheet[top : top + height, left : left + width] = picture
    return sheet


def labelled(picture: UInt8[np.ndarray, "height width 3"], text: str) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture with a text at its top left, cut off where it is wider than the picture."""
    height, width = picture.shape[:2]
    size = max(_SMALLEST_FONT, round(_TEXT * min(height, width)))
    margin, stroke = max(1, size // 4), max(1, size // 12)
    image = Image.fromarray(picture)
    ImageDraw.Draw(image).text(
        (margin + stroke, margin),
        text,
        fill=_INK,
        font=ImageFont.load_default(size),
        stroke_width=stroke,
        stroke_fill=_OUTLINE,
    )
    return np.asarray(image)


def with_ball(
    picture: Shaped[np.ndarray, "height width 3"],
    lighting: Lighting,
    camera_to_world: Float[np.ndarray, "4 4"],
    center_world: Float[np.ndarray, "3"] | None = None,
    opacity: float = 1.0,
    share: float = BALL_SHARE,
) -> Shaped[np.ndarray, "height width 3"]:
    """Return a picture with a gray ball at its lower right that shows where its light comes from.

    Args:
        picture: 8-bit sRGB, or sRGB in [0, 1].
        lighting: of the picture, in the capture's world.
        camera_to_world: the picture's camera; the ball is seen along its axis.
        center_world: where the ball is for point lights; None: they are left out.
        opacity: of the ball, from 0 to 1.
        share: of the picture's shorter side that is the ball's diameter; a ball of less than two pixels is left out.
    """
    height, width = picture.shape[:2]
    size, margin = (round(part * min(height, width)) for part in (share, _MARGIN))
    if size < _SMALLEST_BALL:
        return picture
    ball, covered = lit_ball(_from_center(lighting, center_world).turned(camera_to_world[:3, :3].T), size)
    rows, columns = slice(height - margin - size, height - margin), slice(width - margin - size, width - margin)
    result, is_8_bit = picture.copy(), picture.dtype == np.uint8
    below = to_float(picture[rows, columns]) if is_8_bit else picture[rows, columns]
    mixed = below + opacity * covered[..., None] * (ball - below)
    result[rows, columns] = to_uint8(mixed) if is_8_bit else mixed
    return result


def split(
    left: Float[np.ndarray, "height width 3"], right: Float[np.ndarray, "height width 3"], share: float
) -> Float[np.ndarray, "height width 3"]:
    """Return the left part of one picture beside the right part of another, with a white line between them.

    Args:
        left: sRGB in [0, 1].
        right: of the same size.
        share: of the width that goes to the left picture.
    """
    column = round(share * right.shape[1])
    result = np.concatenate([left[:, :column], right[:, column:]], axis=1)
    if 0 < column < right.shape[1]:
        result[:, column] = 1.0
    return result


def _from_center(lighting: Lighting, center_world: Float[np.ndarray, "3"] | None) -> Lighting:
    """Return the lighting at a place with its point lights as directional ones."""
    directional = Lighting(lighting.directions, lighting.colors, ambient=lighting.ambient)
    if center_world is None:
        return directional
    towards = lighting.positions - center_world
    directions = towards / np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), np.finfo(float).tiny)
    return directional + Lighting(directions, lighting.position_colors)
