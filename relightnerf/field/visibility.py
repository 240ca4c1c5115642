"""How much of a light arrives at a place: transmittance marched through the density grid."""

import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.field.sampling import CONTRACTED_RADIUS, contract
from relightnerf.field.settings import SHADOW


def visibility(
    points: Float[Tensor, "rays 3"],
    lights: Float[Tensor, "*rays lights 3"],
    reach: Float[Tensor, "*rays lights"],
    density: Float[Tensor, "side side side"],
) -> Float[Tensor, "rays lights"]:
    """Return which share of each light arrives at points, in [0, 1]; not differentiable.

    Steps grow from the point on: shadows of what is near are sharp, those of what is far are soft.

    Args:
        points: in the field's frame, a little above the surface that they belong to.
        lights: unit vectors towards lights, which all points share, or each point's own.
        reach: distances to the lights, as many; what is behind a light casts no shadow.
        density: per length, by nearest cell, on [-1, 1]^3 (contracted space, scaled), x along the last axis.
    """
    ratios = torch.arange(SHADOW.steps + 1, device=points.device) / SHADOW.steps
    ends = SHADOW.first_end * (SHADOW.last_end / SHADOW.first_end) ** ratios
    if points.device.type == "cpu":
        from relightnerf.field import kernels

        return kernels.visibility(points, lights, reach, density, ends)
    return marched_visibility(points, lights, reach, density, ends)


@torch.no_grad()
def marched_visibility(points: Tensor, lights: Tensor, reach: Tensor, density: Tensor, ends: Tensor) -> Tensor:
    """Compute ``visibility`` in plain torch, on any device, with steps that end at the distances ``ends``."""
    middles, side = 0.5 * (ends[1:] + ends[:-1]), density.shape[0]
    along = points[:, None, None] + lights[..., None, :] * middles[:, None]
    scaled = contract(along) / CONTRACTED_RADIUS
    lengths = ends.diff() * scaled.norm(dim=-1) / along.norm(dim=-1) * (ends[1:] <= reach[..., None])
    x, y, z = ((scaled + 1.0) * (0.5 * side)).long().clamp_(0, side - 1).unbind(-1)
    return torch.exp(-(torch.take(density, (z * side + y) * side + x) * lengths).sum(dim=-1))
