"""Where a ray looks: contraction of unbounded space, steps along the ray, and volume rendering weights."""

import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.field.settings import RAYS

CONTRACTED_RADIUS = 2.0
"""Half the side of the cube that ``contract`` maps all of space into."""


def contract(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Map space into the cube [-2, 2]^3; the cube [-1, 1]^3 stays as it is.

    Eq. 10 of "Mip-NeRF 360" (Barron et al. 2022) with the maximum norm, as nerfstudio uses it.
    """
    # In the inner cube r counts as 1, so that (2 - 1 / r) / r is 1. At infinity the product tends to 2.
    radius = points.abs().amax(dim=-1, keepdim=True).clamp_min(1.0)
    return points * ((2.0 - 1.0 / radius) / radius)


def ray_edges(
    unit: Float[Tensor, "*batch edges"], origins: Float[Tensor, "rays 3"], near: float, far: float
) -> Float[Tensor, "rays edges"]:
    """Turn positions in [0, 1] along each ray into distances from its origin.

    The first part (``RaySettings.linear_share``) is spread evenly over the distance up to the far side of the inner
    cube, the rest evenly over inverse distance, which is even in contracted space. Both meet at ``turn``, the distance
    there: with s the share, t(u) = near + (turn - near) u / s for u < s, and 1 / t(u) goes linearly from 1 / turn to
    1 / far for u from s to 1.

    Args:
        unit: increasing positions in [0, 1].
        origins: in the field's frame; they tell how far the inner cube is.
        near: smallest distance.
        far: largest distance.
    """
    # From a camera at distance |o| that looks at the origin, |o| is the way to the centre: (rays, 1).
    turn, share = origins.norm(dim=-1, keepdim=True) + RAYS.past_center, RAYS.linear_share
    linear = near + (turn - near) * (unit / share)
    inverse = 1.0 / turn + (1.0 / far - 1.0 / turn) * ((unit - share) / (1.0 - share))
    # Both branches are computed everywhere; the clamp keeps the second finite where the first is taken.
    return torch.where(unit < share, linear, 1.0 / inverse.clamp(1.0 / far, 1.0 / near))


def render_weights(optical_depths: Float[Tensor, "rays samples"]) -> Float[Tensor, "rays samples"]:
    """Return each interval's share of the ray's colour (Max 1995; NeRF eq. 3), from density times length."""
    # w_i = exp(-sum_(j<i) tau_j) (1 - exp(-tau_i)): the sum over what is in front leaves out the interval itself.
    before = torch.nn.functional.pad(torch.cumsum(optical_depths[:, :-1], dim=-1), (1, 0))
    return torch.exp(-before) * (1.0 - torch.exp(-optical_depths))


def resample_edges(
    edges: Float[Tensor, "rays coarse_edges"],
    weights: Float[Tensor, "rays coarse"],
    unit: Float[Tensor, "rays fine_edges"],
) -> Float[Tensor, "rays fine_edges"]:
    """Place edges where the weights are, by inverting the cumulative weight (NeRF, section 5.2).

    Weights are first widened to their neighbours, so that a surface between two coarse steps is not missed, and a
    small part (``RaySettings.even_share``) is spread evenly.
    """
    # The largest of each weight and its two neighbours; beyond the ends there is none.
    padded = torch.nn.functional.pad(weights, (1, 1))
    widened = torch.maximum(torch.maximum(padded[:, :-2], padded[:, 2:]), weights)
    widened = widened + RAYS.even_share / weights.shape[-1]
    # The cumulative distribution at the coarse edges, from 0 to 1: (rays, coarse + 1).
    cumulative = torch.cumsum(widened, dim=-1)
    cumulative = torch.nn.functional.pad(cumulative / cumulative[:, -1:], (1, 0))
    # The step that holds a wanted share ends at the first edge above it; 1 itself is in the last step.
    index = torch.searchsorted(cumulative, unit.contiguous(), right=True).clamp(1, weights.shape[-1])
    low, high = cumulative.gather(-1, index - 1), cumulative.gather(-1, index)
    start, end = edges.gather(-1, index - 1), edges.gather(-1, index)
    # Weight counts as evenly spread within a step, so its inverse is linear there.
    return start + (end - start) * ((unit - low) / (high - low).clamp_min(1e-9)).clamp(0.0, 1.0)


def place_samples(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    density: Float[Tensor, "side side side"],
    near: float,
    far: float,
    where: Float[Tensor, "rays coarse"],
    fine: Float[Tensor, "rays edges"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place the ends of a ray's intervals where a coarse density is.

    Args:
        origins: in the field's frame.
        directions: unit vectors.
        density: per length, by nearest cell, on [-1, 1]^3 (contracted space, scaled), x along the last axis.
        near: smallest distance.
        far: largest distance.
        where: in [0, 1]: at which place of each coarse step the density is looked up.
        fine: increasing, in [0, 1]: at which shares of the coarse weight the ends are.

    Returns:
        The ends' positions in [0, 1] (``ray_edges``), their distances, and the intervals' middles (rays, intervals, 3)
        and lengths (rays, intervals) in [-1, 1]^3.
    """
    if origins.device.type == "cpu":
        from relightnerf.field import kernels

        return kernels.place_samples(origins, directions, density, near, far, where, fine)
    return placed_samples(origins, directions, density, near, far, where, fine)


def placed_samples(
    origins: Tensor, directions: Tensor, density: Tensor, near: float, far: float, where: Tensor, fine: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute ``place_samples`` in plain torch, on any device."""
    # The coarse steps' ends, contracted and scaled to [-1, 1]^3: (rays, steps + 1, 3).
    coarse = torch.linspace(0.0, 1.0, where.shape[1] + 1, device=origins.device).expand(len(origins), -1)
    points = _scaled(origins, directions, ray_edges(coarse, origins, near, far))
    steps, side = points.diff(dim=1), density.shape[0]
    # (p + 1) / 2 * side, cut off, is the cell that holds p on each axis.
    cells = ((points[:, :-1] + steps * where[..., None] + 1.0) * (0.5 * side)).long().clamp_(0, side - 1)
    x, y, z = cells.unbind(-1)
    # Optical depth of each step: density per contracted length, times the contracted length; x is the fastest axis.
    depths = torch.take(density, (z * side + y) * side + x) * steps.norm(dim=-1)
    unit = resample_edges(coarse, render_weights(depths.clamp_max(RAYS.coarse_depth_limit)), fine)
    edges = ray_edges(unit, origins, near, far)
    points = _scaled(origins, directions, edges)
    return unit, edges, 0.5 * (points[:, 1:] + points[:, :-1]), points.diff(dim=1).norm(dim=-1)


def _scaled(origins: Tensor, directions: Tensor, distances: Tensor) -> Tensor:
    return contract(origins[:, None] + directions[:, None] * distances[..., None]) / CONTRACTED_RADIUS


def distortion_loss(weights: Float[Tensor, "rays samples"], edges: Float[Tensor, "rays edges"]) -> Float[Tensor, ""]:
    """Penalise weight that is spread along a ray (Mip-NeRF 360, eq. 15), in O(samples) by prefix sums (DVGO v2).

    Args:
        weights: of the intervals.
        edges: increasing normalised positions in [0, 1] of the intervals' ends.
    """
    # Eq. 15: sum_ij w_i w_j |m_i - m_j| + 1/3 sum_i w_i^2 d_i with middles m and lengths d.
    # The middles increase, so the first sum is 2 sum_i w_i (m_i W_i - V_i) with W_i = sum_(j<i) w_j and
    # V_i = sum_(j<i) w_j m_j: two prefix sums in place of all pairs.
    middle, length = (edges[:, 1:] + edges[:, :-1]) / 2, edges[:, 1:] - edges[:, :-1]
    weighted = weights * middle
    before, weighted_before = weights.cumsum(-1) - weights, weighted.cumsum(-1) - weighted
    between = 2.0 * (weighted * before - weights * weighted_before)
    # Two places drawn evenly from one interval are a third of its length apart in the mean.
    within = weights.square() * length / 3.0
    return (between + within).sum(dim=-1).mean()


def distance_loss(
    weights: Float[Tensor, "rays samples"], edges: Float[Tensor, "rays edges"], distance: Float[Tensor, " rays"]
) -> Float[Tensor, ""]:
    """Penalise weight away from where a ray is known to end: its mean relative error, up to a limit.

    What passes all intervals counts as an error at the limit. Otherwise an empty field, which has no weight anywhere,
    would have no loss, and training from the start would end there.

    Args:
        weights: of the intervals.
        edges: increasing distances of the intervals' ends.
        distance: where the ray ends, 0 where that is unknown.
    """
    # Where the end is unknown, the division is only kept finite; ``known`` then leaves the ray out.
    known = distance > 0
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    error = (middle / distance.clamp_min(1e-6)[:, None] - 1.0).abs().clamp_max(RAYS.distance_error_limit)
    passed = (1.0 - weights.sum(dim=-1)) * RAYS.distance_error_limit
    return (((weights * error).sum(dim=-1) + passed) * known).sum() / known.sum().clamp_min(1)
