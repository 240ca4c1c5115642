"""Pictures as networks take them, and sizes that networks work at."""

import numpy as np
import torch
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


def planes(values: Float[np.ndarray, "height width channels"]) -> Float[Tensor, "1 channels height width"]:
    """Return a picture as a batch of one, in single precision."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)[None], np.float32))
