"""Contact sheets: many small pictures in one, each with its name above it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

_GAP = 4
"""Between pictures and around them, pixels."""
_BAR = 16
"""Height of the bar above each picture that its label stands in, pixels."""
_FONT_SIZE = 11
"""Of the labels, pixels: what the bar has room for."""
_BACKGROUND = (24, 24, 24)
_INK = (235, 235, 235)


def contact_sheet(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    labels: Sequence[str],
    columns: int,
    insets: Sequence[UInt8[np.ndarray, "_ _ 3"] | None] | None = None,
) -> UInt8[np.ndarray, "height width 3"]:
    """Lay pictures out in rows, each below its label.

    Args:
        images: 8-bit sRGB pictures, at least one; smaller ones sit at the top left of their cell.
        labels: one short text a picture; cut off where it is wider than its picture.
        columns: pictures in a row; fewer when there are fewer pictures.
        insets: a small picture, or None, for the lower right corner of each picture.

    Raises:
        ValueError: there are no pictures, or not as many labels (or insets) as pictures.
    """
    if not images or len(images) != len(labels):
        raise ValueError(f"{len(images)} pictures with {len(labels)} labels")
    if insets is not None:
        pairs = zip(images, insets, strict=True)
        images = [image if inset is None else with_inset(image, inset) for image, inset in pairs]
    columns = min(columns, len(images))
    cell_height = max(image.shape[0] for image in images) + _BAR
    cell_width = max(image.shape[1] for image in images)
    rows = -(-len(images) // columns)
    size = (columns * (cell_width + _GAP) + _GAP, rows * (cell_height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _BACKGROUND)
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        row, column = divmod(index, columns)
        cell = _cell(image, label, cell_width, cell_height)
        sheet.paste(cell, (_GAP + column * (cell_width + _GAP), _GAP + row * (cell_height + _GAP)))
    return np.asarray(sheet)


def with_inset(
    image: UInt8[np.ndarray, "height width 3"], inset: UInt8[np.ndarray, "_ _ 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a copy of a picture with another one in its lower right corner, cut off where it is larger."""
    height, width = (min(have, need) for have, need in zip(image.shape, inset.shape[:2], strict=False))
    result = image.copy()
    result[image.shape[0] - height :, image.shape[1] - width :] = inset[:height, :width]
    return result


def _cell(image: UInt8[np.ndarray, "_ _ 3"], label: str, width: int, height: int) -> Image.Image:
    cell = Image.new("RGB", (width, height), _BACKGROUND)
    ImageDraw.Draw(cell).text((2, 1), label, fill=_INK, font=ImageFont.load_default(_FONT_SIZE))
    cell.paste(Image.fromarray(image), (0, _BAR))
    return cell
