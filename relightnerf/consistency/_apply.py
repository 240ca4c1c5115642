"""Corrections of cells, brought to all pixels of the pictures along the edges of photo and geometry."""

import numpy as np
from jaxtyping import Float

from relightnerf.consistency._maps import OFFSET
from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear

_SIGMA_PHOTO, _SIGMA_DEPTH, _SIGMA_NORMAL, _SIGMA_KNOWN = 0.1, 0.1, 0.3, 0.1
_LEAST_TRUST = 0.02


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
    gains = np.exp(_upsampled(correction, trust, view, side)) - 1.0
    gains *= view.known[..., None]
    result = np.empty(pictures.shape, np.float32)
    for light, gain in enumerate(gains):
        linear = srgb_to_linear(pictures[light])
        changed = linear_to_srgb(linear + (linear + OFFSET) * gain)
        result[light] = np.where(gain == 0, pictures[light], changed)
    return result


def _upsampled(correction: np.ndarray, trust: np.ndarray, view: View, side: int) -> np.ndarray:
    import torch

    from relightnerf.imaging.joint_bilateral import Kernel, upsampled_chunks

    lights, low_height, low_width, _ = correction.shape
    height, width = view.depth.shape
    weighted = np.moveaxis(correction * trust[..., None], -1, 1).reshape(-1, low_height, low_width)
    values = np.concatenate([weighted, trust[None]]).astype(np.float32)
    guide = np.pad(_guide(view), [(0, 0), (0, -height % side), (0, -width % side)], mode="edge")
    chunks = upsampled_chunks(torch.from_numpy(values)[None], [torch.from_numpy(guide)[None]], Kernel())
    full = torch.cat(list(chunks), dim=2)[0, :, :height, :width].numpy()
    means = (full[:-1] / (full[-1] + _LEAST_TRUST)).reshape(lights, 3, height, width)
    return np.moveaxis(means, 1, -1)


def _guide(view: View) -> Float[np.ndarray, "8 height width"]:
    depth = np.log(view.depth, out=np.zeros_like(view.depth), where=view.known)
    channels = [
        view.image / _SIGMA_PHOTO,
        view.normal_camera / _SIGMA_NORMAL,
        depth[..., None] / _SIGMA_DEPTH,
        view.known[..., None] / _SIGMA_KNOWN,
    ]
    return np.ascontiguousarray(np.moveaxis(np.concatenate(channels, axis=-1), -1, 0), dtype=np.float32)
