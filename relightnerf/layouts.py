"""Pictures side by side or in a grid, with names on them and gray balls under their lights."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw, ImageFont

from relightnerf.color import to_float, to_uint8
from relightnerf.lights import Lighting, lit_ball

_GAP = 4
_BALL = 0.22
_MARGIN = 0.02
_TEXT = 0.06
_SMALLEST_FONT = 9
_INK = (255, 255, 255)
_OUTLINE = (0, 0, 0)


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
    picture: UInt8[np.ndarray, "height width 3"],
    lighting: Lighting,
    camera_to_world: Float[np.ndarray, "4 4"],
    center_world: Float[np.ndarray, "3"],
    opacity: float = 1.0,
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a picture with a gray ball at its lower right that shows where its light comes from.

    Args:
        picture: 8-bit sRGB.
        lighting: of the picture, in the capture's world.
        camera_to_world: the picture's camera; the ball is seen along its axis.
        center_world: where the ball is for near lights.
        opacity: of the ball, from 0 to 1.
    """
    height, width = picture.shape[:2]
    size = max(1, round(_BALL * min(height, width)))
    margin = round(_MARGIN * min(height, width))
    towards = lighting.positions - center_world
    directions = towards / np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), np.finfo(float).tiny)
    near_as_far = Lighting(directions, lighting.position_colors)
    far = Lighting(lighting.directions, lighting.colors, ambient=lighting.ambient)
    ball, covered = lit_ball((far + near_as_far).turned(camera_to_world[:3, :3].T), size)
    rows, columns = slice(height - margin - size, height - margin), slice(width - margin - size, width - margin)
    result = picture.copy()
    below = to_float(picture[rows, columns])
    result[rows, columns] = to_uint8(below + opacity * covered[..., None] * (ball - below))
    return result
