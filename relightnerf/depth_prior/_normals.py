"""Normals of one view with inexact depth: what its photo tells about edges and planes."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float
from scipy import ndimage
from torch import Tensor, nn

from relightnerf.depth_prior._estimate import estimate_view
from relightnerf.depth_prior._network import DepthUNet
from relightnerf.diffusion.sizes import working_size
from relightnerf.geometry.stereo import StereoView
from relightnerf.geometry.views import View
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.joint_bilateral import Kernel, upsampled_chunks


@dataclass(frozen=True)
class PhotoNormalSettings:
    """How a view's normals are estimated."""

    reach: float = 0.06
    """How wrong the depth may be, natural logarithm: what the network believes of it depends on that."""
    most_pixels: int = 256 * 192
    """Pixels of the view that the network sees; its surroundings grow strange to it in much larger ones."""
    sigma_guide: float = 0.1
    """Difference in sRGB at which a neighbour's weight falls to 0.61 when normals are brought to the photo's size."""
    radius: int = 1
    """Neighbours to each side that a pixel's normal is a mean of."""


_SETTINGS = PhotoNormalSettings()


def photo_normals(
    network: DepthUNet, view: View, settings: PhotoNormalSettings = _SETTINGS
) -> Float[np.ndarray, "height width 3"]:
    """Return a view's normals as its photo and its inexact depth tell them: unit, camera frame, 0 where unknown.

    Args:
        network: on any device.
        view: photo and inexact depth.
        settings: how to estimate.
    """
    known = view.depth > 0
    if not known.any():
        return np.zeros_like(view.normal_camera)
    height, width = view.camera.height, view.camera.width
    small = working_size(height, width, min(height * width, settings.most_pixels), network.granularity)
    size = small[::-1]
    # The network wants depth everywhere: the unknown takes that of the nearest pixel.
    rows, columns = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    depth = cv2.resize(view.depth[rows, columns], size, interpolation=cv2.INTER_NEAREST)
    photo = cv2.resize(to_uint8(view.image), size, interpolation=cv2.INTER_AREA)
    seen = StereoView(view.camera.resampled(*size), photo, depth)
    normals = _planes(estimate_view(network, seen, settings.reach, None).normal)
    if small != (height, width):
        guide = _planes(view.image) / settings.sigma_guide
        normals = torch.cat(list(upsampled_chunks(normals, [guide], Kernel(settings.radius))), dim=2)
    return nn.functional.normalize(normals, dim=1)[0].movedim(0, -1).numpy() * known[..., None]


def _planes(values: Float[np.ndarray, "height width channels"]) -> Float[Tensor, "1 channels height width"]:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)[None], np.float32))
