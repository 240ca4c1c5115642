"""A network that makes the normals of inexact geometry more exact, told by the photo where edges and planes are."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.diffusion.conditions import normalized_depth
from relightnerf.diffusion.folded_unet import FoldedUNet
from relightnerf.diffusion.hub import named_model_errors
from relightnerf.diffusion.sizes import planes, resized, working_size
from relightnerf.geometry.views import View
from relightnerf.imaging.joint_bilateral import Kernel, upsampled_chunks


@dataclass(frozen=True)
class NormalInputSettings:
    """How inputs are brought to about unit scale. Trained weights are good for these numbers only."""

    most_log_depth: float = 2.0
    """Natural logarithm of depth over its mean that is not exceeded to either side: a factor of 7.4. Beyond it lies
    the background of open scenes, which would be far out of the range that the network has learned."""
    slope_scale: float = 2.0
    """Factor on the rays' slopes, which reach 0.5 to a side with a field of view of 53 degrees."""


@dataclass(frozen=True)
class CorrectionSettings:
    """How a view's normals are corrected."""

    most_pixels: int = 256 * 192
    """Pixels of the view that the network sees. Time grows with them; the network was trained on parts of pictures of
    128x128, so its surroundings grow strange to it in much larger ones."""
    sigma_guide: float = 0.1
    """Difference in sRGB, or of normalised depth, at which a neighbour's weight falls to 0.61 when a correction is
    brought to the photo's size, as ``RatioSettings.sigma_photo``: larger ones blur it across edges, smaller ones leave
    steps in it where the photo is noisy."""
    radius: int = 1
    """Neighbours to each side that a pixel's correction is a mean of: 3x3, since corrections are smooth between edges
    and two to a side are 25 neighbours instead of 9."""


_INPUT_SCALES, _CORRECTION = NormalInputSettings(), CorrectionSettings()


class NormalUNet(FoldedUNet):
    """A convolutional UNet that corrects the normals of a view.

    A fitted field rounds edges off, smears the ground into what stands on it, and is noise where few photos look; the
    photo shows which it is. The network adds a correction to the normals that it is given, at their own size. Before
    training it corrects nothing.
    """

    inputs = 9
    """Channels that the network is shown: photo 3, depth 1, normals 3, slopes 2."""
    outputs = 3
    """Of the correction."""

    def forward(
        self,
        photo: Float[Tensor, "batch 3 height width"],
        depth: Float[Tensor, "batch 1 height width"],
        normal: Float[Tensor, "batch 3 height width"],
        slopes: Float[Tensor, "batch 2 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return unit normals, float32 in the camera's frame, 0 where those given are.

        Args:
            photo: sRGB in [0, 1].
            depth: along the camera's -z in any unit, 0 where unknown.
            normal: unit, camera frame, 0 where unknown.
            slopes: x/-z and y/-z of each pixel's ray.
        """
        known = normal.any(dim=1, keepdim=True)
        correction = self.answer([2.0 * photo - 1.0, _relative_log(depth), normal, _INPUT_SCALES.slope_scale * slopes])
        return nn.functional.normalize(normal.float() + correction, dim=1) * known


def _relative_log(depth: Float[Tensor, "batch 1 height width"]) -> Float[Tensor, "batch 1 height width"]:
    """Return the logarithm of depth over its geometric mean, within 2, and 0 where it is unknown."""
    known = depth > 0
    logs = torch.where(known, depth, 1.0).log()
    mean = logs.sum((-2, -1), keepdim=True) / known.sum((-2, -1), keepdim=True).clamp(min=1)
    most = _INPUT_SCALES.most_log_depth
    return torch.where(known, logs - mean, 0.0).clamp(-most, most)


def load_normals(folder: Path) -> NormalUNet:
    """Read a network that was saved, in single precision.

    Raises:
        InputError: it is absent or broken.
    """
    with named_model_errors(folder):
        return NormalUNet.from_pretrained(folder).float()


@torch.no_grad()
def corrected_normals(network: NormalUNet, view: View) -> Float[np.ndarray, "height width 3"]:
    """Return a view's normals, corrected: unit, camera frame, 0 where the view's are.

    Large photos are seen at 256x192 pixels or so; what is finer in the view's normals stays as it is.

    Args:
        network: on any device.
        view: photo and inexact geometry.
    """
    image, far, given, rays = map(
        planes, (view.image, view.depth[..., None], view.normal_camera, view.camera.rays_camera())
    )
    height, width = view.camera.height, view.camera.width
    small = working_size(height, width, min(height * width, _CORRECTION.most_pixels), network.granularity)
    photo, normal, slopes = (resized(value, small) for value in (image, given, rays[:, :2]))
    depth = nn.functional.interpolate(far, small, mode="nearest-exact")
    normal = nn.functional.normalize(normal, dim=1) * (depth > 0)
    corrected = network(*(value.to(network.device) for value in (photo, depth, normal, slopes))).cpu()
    correction = corrected - normal
    if small != given.shape[-2:]:
        guide = torch.cat([image, normalized_depth(far[0, 0])[None, None]], dim=1) / _CORRECTION.sigma_guide
        correction = torch.cat(list(upsampled_chunks(correction, [guide], Kernel(_CORRECTION.radius))), dim=2)
    result = nn.functional.normalize(given + correction, dim=1) * given.any(dim=1, keepdim=True)
    return result[0].movedim(0, -1).numpy()
