"""Corrections of cells, brought to all pixels of the pictures along the edges of photo and geometry."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.consistency._maps import OFFSET
from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear


@dataclass(frozen=True)
class ApplySettings:
    """What tells surfaces apart where corrections of cells are brought to pixels.

    Each sigma is the difference at which a cell's weight for a pixel has fallen to exp(-1/2). Half of it lets noise
    and texture decide which cells count, twice as much lets corrections bleed over edges.
    """

    sigma_photo: float = 0.1
    """Standard deviation of the photo's sRGB values in [0, 1]."""
    sigma_depth: float = 0.1
    """Of the natural logarithm of depth: 10 % of the depth."""
    sigma_normal: float = 0.3
    """Of the normals, as unit vectors: 17 degrees."""
    sigma_known: float = 0.1
    """Of what is 1 where there is geometry and 0 where there is none: the two never mix (10 standard deviations)."""
    least_trust: float = 0.02
    """Trust, in [0, 1], that pulls a pixel's correction to 0: where only cells of less trust than that are near, less
    than half of what they say is believed."""


_SETTINGS = ApplySettings()


def corrected_pictures(
    pictures: Float[np.ndarray, "lights height width 3"],
    correction: Float[np.ndarray, "lights low_height low_width 3"],
    trust: Float[np.ndarray, "low_height low_width"],
    view: View,
    side: int,
) -> Float[np.ndarray, "lights height width 3"]:
    """Multiply the exponential of a correction onto pictures in linear light; they keep their own detail.

    A pixel takes the mean of the corrections of trusted cells around it that look like it in photo, depth and normal
    (joint bilateral upsampling, Kopf et al. 2007). Where the geometry is unknown nothing changes.

    Args:
        pictures: relit pictures, sRGB in [0, 1].
        correction: what to add to the log ratio of each cell.
        trust: of the cells, in [0, 1].
        view: the photo of these pictures and its geometry.
        side: of a cell, pixels.

    Returns:
        sRGB in [0, 1].
    """
    # picture + OFFSET is what the log ratio is of, so that is what is multiplied, and OFFSET taken off again
    # (t + o) e^c - o = t + (t + o) (e^c - 1): written so, a correction of 0 changes nothing.
    gains = np.exp(_upsampled(correction, trust, view, side)) - 1.0
    gains *= view.known[..., None]
    result = np.empty(pictures.shape, np.float32)
    for light, gain in enumerate(gains):
        linear = srgb_to_linear(pictures[light])
        changed = linear_to_srgb(linear + (linear + OFFSET) * gain)
        # To the last bit: sRGB to linear and back would round.
        result[light] = np.where(gain == 0, pictures[light], changed)
    return result


def _upsampled(correction: np.ndarray, trust: np.ndarray, view: View, side: int) -> np.ndarray:
    import torch

    from relightnerf.imaging.joint_bilateral import Kernel, upsampled_chunks

    lights, low_height, low_width, _ = correction.shape
    height, width = view.depth.shape
    # One small map for each light and channel of trust times correction, and a last one of trust.
    weighted = np.moveaxis(correction * trust[..., None], -1, 1).reshape(-1, low_height, low_width)
    values = np.concatenate([weighted, trust[None]]).astype(np.float32)
    # the sum of trust times correction over the sum of trust, both upsampled as maps of one kind
    guide = np.pad(_guide(view), [(0, 0), (0, -height % side), (0, -width % side)], mode="edge")
    chunks = upsampled_chunks(torch.from_numpy(values)[None], [torch.from_numpy(guide)[None]], Kernel())
    full = torch.cat(list(chunks), dim=2)[0, :, :height, :width].numpy()
    # ``least_trust`` is a value of 0 with that much trust: it pulls the mean to no correction.
    means = (full[:-1] / (full[-1] + _SETTINGS.least_trust)).reshape(lights, 3, height, width)
    return np.moveaxis(means, 1, -1)


def _guide(view: View) -> Float[np.ndarray, "8 height width"]:
    # In standard deviations, so that all squared differences add up. Of depth the logarithm: its differences are
    # relative, whatever the world's unit.
    depth = np.log(view.depth, out=np.zeros_like(view.depth), where=view.known)
    channels = [
        view.image / _SETTINGS.sigma_photo,
        view.normal_camera / _SETTINGS.sigma_normal,
        depth[..., None] / _SETTINGS.sigma_depth,
        view.known[..., None] / _SETTINGS.sigma_known,
    ]
    return np.ascontiguousarray(np.moveaxis(np.concatenate(channels, axis=-1), -1, 0), dtype=np.float32)
