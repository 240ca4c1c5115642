"""Sizes that networks work at."""

from jaxtyping import Float
from torch import Tensor, nn


def working_size(height: int, width: int, pixels: int, block: int) -> tuple[int, int]:
    """Return the (height, width) of about so many pixels in a picture's shape, in whole blocks, at least one."""
    scale = (pixels / (height * width)) ** 0.5
    rounded = [max(1, round(side * scale / block)) * block for side in (height, width)]
    return rounded[0], rounded[1]


def resized(
    image: Float[Tensor, "batch channels height width"], size: tuple[int, int]
) -> Float[Tensor, "batch channels tall wide"]:
    """Resize by bilinear interpolation, averaging what falls into a pixel when it shrinks."""
    return nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
