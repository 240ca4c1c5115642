"""LAB colour transfer: relit pictures get the mean and standard deviation of the photo's LAB values."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

MatchMode = Literal["joint", "image", "off"]


@dataclass(frozen=True)
class MatchSettings:
    """What tunes the match of a relit picture's LAB values."""

    greatest_gain: float = 3.0
    """Largest factor on a channel's spread, and its reciprocal the smallest: a nearly grey picture would get its noise
    and blocks of its codec blown up to the photo's colours."""
    least_spread: float = 1e-3
    """A channel whose standard deviation is less, in LAB units (L to 100), is flat: it is shifted only."""


_SETTINGS = MatchSettings()


def match_images(
    relit: Float[np.ndarray, "lights height width 3"],
    photo: Float[np.ndarray, "height width 3"],
    mode: MatchMode = "joint",
    mask: Bool[np.ndarray, "height width"] | None = None,
) -> Float[np.ndarray, "lights height width 3"]:
    """Shift and scale each LAB channel to the mean and standard deviation of the photo (Reinhard et al. 2001).

    Matching twice changes nothing, up to values that leave the sRGB gamut and are clipped.

    Args:
        relit: one view under its lights, sRGB in [0, 1].
        photo: the same view as it was taken, sRGB in [0, 1].
        mode: ``joint`` takes the statistics over all lights together, so that one light's picture stays brighter than
            another's; ``image`` takes each picture's own; ``off`` returns the pictures as they are.
        mask: True where pixels count in the statistics; None: everywhere.

    Returns:
        float32 sRGB in [0, 1].
    """
    if mode == "off":
        return relit.astype(np.float32)
    count = np.ones(photo.shape[:2], bool) if mask is None or not mask.any() else mask
    target = _lab(photo[None])[0]
    matched = _lab(relit)
    # One shift and scale a group: lights of one group keep their differences in brightness and colour.
    groups = [slice(None)] if mode == "joint" else [slice(i, i + 1) for i in range(len(relit))]
    for group in groups:
        matched[group] = _matched(matched[group], matched[group][:, count], target[count])
    return _srgb(matched)


def _matched(values: np.ndarray, counted: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Apply the shift and scale that take the ``counted`` values' statistics to the ``target``'s."""
    # Over lights and counted pixels, (lights, pixels, 3): one mean and spread for each of L, a and b.
    mean, spread = counted.mean(axis=(0, 1)), counted.std(axis=(0, 1))
    least, greatest = _SETTINGS.least_spread, _SETTINGS.greatest_gain
    gain = target.std(axis=0) / np.maximum(spread, least)
    # Nothing in a flat channel tells how to scale it.
    gain = np.where(spread < least, 1.0, np.clip(gain, 1.0 / greatest, greatest))
    return (values - mean) * gain + target.mean(axis=0)


def _lab(srgb: np.ndarray) -> np.ndarray:
    import torch
    from kornia.color import rgb_to_lab

    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(srgb, -1, 1), dtype=np.float32))
    return np.moveaxis(rgb_to_lab(planes).numpy(), 1, -1).astype(np.float64)


def _srgb(lab: np.ndarray) -> np.ndarray:
    import torch
    from kornia.color import lab_to_rgb

    planes = torch.from_numpy(np.ascontiguousarray(np.moveaxis(lab, -1, 1), dtype=np.float32))
    # Values outside of the sRGB gamut are clipped to [0, 1] by default.
    return np.moveaxis(lab_to_rgb(planes).numpy(), 1, -1)
