"""The depth network: matching costs, a photo and a start give depth, normals and how sure they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.depth_prior._costs import COST_STEPS, search_offsets
from relightnerf.diffusion.arguments import with_parents_arguments
from relightnerf.diffusion.folded_unet import FoldedUNet
from relightnerf.diffusion.hub import named_model_errors


@dataclass(frozen=True)
class DepthInputSettings:
    """How inputs are brought to about unit scale. Trained weights are good for these numbers only."""

    most_log_depth: float = 2.0
    """Natural logarithm of the start over its mean that is not exceeded to either side."""
    slope_scale: float = 2.0
    """Factor on the rays' slopes, which reach 0.5 to a side with a field of view of 53 degrees."""
    most_start_slope: float = 3.0
    """Change of log depth over the ray's slope that is not exceeded: 3 is a plane at 72 degrees from facing."""
    middle_log_reach: float = -1.5
    """Natural logarithm of the reach in the middle of those that are trained (0.025 to 1.1)."""
    most_scale: float = 8.0
    """Expected error, in units of the reach, that is not exceeded: the truth may lie far outside of the search."""
    first_gain: float = 4.0
    """What a perfect fit adds to a depth's logit before training; it is learned."""


_SETTINGS = DepthInputSettings()
_SHIPPED = Path(__file__).parents[1] / "weights" / "depth"


class DepthEstimate(NamedTuple):
    """What the network says about each pixel.

    Attributes:
        offset: log depth over the start's.
        logits: of the depths that were tried.
        scale: expected error of log depth (Laplace's scale).
        normal: unit, camera frame (OpenGL).
        surface: logit of whether there is a surface; sky and empty space have none.
    """

    offset: Float[Tensor, "batch 1 height width"]
    logits: Float[Tensor, "batch steps height width"]
    scale: Float[Tensor, "batch 1 height width"]
    normal: Float[Tensor, "batch 3 height width"]
    surface: Float[Tensor, "batch 1 height width"]


@with_parents_arguments
class DepthUNet(FoldedUNet):
    """A convolutional UNet that searches depth about a start, by matching costs and by what the photo shows.

    The costs of all depths tried are channels of a 2D network (SimpleRecon, Sayed et al., ECCV 2022). It answers with a
    distribution over these depths, which begins as that of the costs alone; depth is its mean. Without costs, the photo
    alone decides.
    """

    inputs = COST_STEPS + 14
    """Channels that the network is shown: costs, photo 3, slopes of rays 2, start 1, its slopes 2, reach 1, whether
    there are costs 1, up 3, and how steeply the rays rise 1."""
    outputs = COST_STEPS + 5
    """Channels that it answers with: a logit for each depth, normal 3, log scale of the error 1, logit of "surface"
    1."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make one with random weights; the arguments are those of ``FoldedUNet``."""
        super().__init__(*args, **kwargs)
        self.gain = nn.Parameter(torch.tensor(_SETTINGS.first_gain))

    def forward(
        self,
        photo: Float[Tensor, "batch 3 height width"],
        slopes: Float[Tensor, "batch 2 height width"],
        start: Float[Tensor, "batch 1 height width"],
        reach: Float[Tensor, " batch"],
        costs: Float[Tensor, "batch steps height width"],
        has_costs: Float[Tensor, " batch"],
        up: Float[Tensor, "batch 3"],
    ) -> DepthEstimate:
        """Estimate depth between ``start * exp(-reach)`` and ``start * exp(reach)``.

        Args:
            photo: sRGB in [0, 1].
            slopes: x/-z and y/-z of each pixel's ray.
            start: depth along the camera's -z in any unit, known everywhere.
            reach: of the search, natural logarithm of depth.
            costs: of ``matching_costs``; anything where there are none.
            has_costs: 1 or 0.
            up: unit, camera frame, against gravity; 0 where unknown. Floors face it, and their depth is one unknown
                height over what the rays fall.
        """
        fit = (1.0 - costs) * has_costs[:, None, None, None]
        logs = start.clamp(min=1e-12).log()
        relative = (logs - logs.mean((-2, -1), keepdim=True)).clamp(-_SETTINGS.most_log_depth, _SETTINGS.most_log_depth)
        ones = torch.ones_like(start)
        known = [
            2.0 * photo - 1.0,
            _SETTINGS.slope_scale * slopes,
            relative,
            _start_slopes(logs, slopes),
            (reach.log() - _SETTINGS.middle_log_reach)[:, None, None, None] * ones,
            has_costs[:, None, None, None] * ones,
            up[:, :, None, None] * ones,
            # A ray is (x, y, -1); its product with up is its rise for a unit of depth.
            (up[:, :2, None, None] * slopes).sum(1, keepdim=True) - up[:, 2:, None, None],
        ]
        answer = self.answer([fit, *known])
        more, normal, scale, surface = answer.split((COST_STEPS, 3, 1, 1), dim=1)
        logits = more + self.gain * fit
        steps = torch.from_numpy(search_offsets(1.0)).to(logits)
        offset = torch.einsum("bshw,s->bhw", logits.softmax(dim=1), steps)[:, None]
        span = reach[:, None, None, None]
        error = (scale - 1.5).exp().clamp(1e-3, _SETTINGS.most_scale) * span
        facing = torch.tensor([0.0, 0.0, 1.0], device=normal.device)[None, :, None, None]
        unit = nn.functional.normalize(normal + facing, dim=1)
        return DepthEstimate(offset * span, logits, error, unit, surface)


def load_depth_network(folder: Path) -> DepthUNet:
    """Read a network that was saved, in single precision.

    Raises:
        InputError: it is absent or broken.
    """
    with named_model_errors(folder):
        return DepthUNet.from_pretrained(folder).float()


def shipped_network(device: str) -> DepthUNet:
    """Return the network whose weights come with the package."""
    return load_depth_network(_SHIPPED).eval().to(device, memory_format=torch.channels_last)


def _start_slopes(
    logs: Float[Tensor, "batch 1 height width"], slopes: Float[Tensor, "batch 2 height width"]
) -> Float[Tensor, "batch 2 height width"]:
    """Change of log depth over that of the ray's slope, along the rows and up the columns."""
    across = torch.gradient(logs, dim=3)[0] / torch.gradient(slopes[:, :1], dim=3)[0]
    up = torch.gradient(logs, dim=2)[0] / torch.gradient(slopes[:, 1:], dim=2)[0]
    return torch.cat([across, up], dim=1).clamp(-_SETTINGS.most_start_slope, _SETTINGS.most_start_slope)
