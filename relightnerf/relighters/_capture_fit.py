"""The amounts of light that suit a direction of the disc best, fitted to pairs of patches.

The model. A Lambertian surface of albedo rho has in channel c the radiance

    I_c = rho_c S_c,    S_c = sum_j a_cj T_j,

with the terms T of ``shading_terms`` (they follow from geometry and the disc's direction) and the amounts a >= 0 that
are wanted. Means over a patch of one albedo keep this form, as S is linear in T. In a pair of patches of one albedo the
albedo cancels, so the residual

    r_c = log(I_c1 / I_c2) - log(S_c1 / S_c2)

is 0 for the right light. It is one of logarithms because texture and exposure are factors. Amounts are a = exp(u):
they stay positive without a constraint, and a step has a meaning at any exposure.

The loss. Texture changes the brightness of a surface more than its colour, so with m the mean of r over the channels

    q = m^2 / s^2 + mean_c (r_c - m)^2 / t^2,    s, t the spreads of luminance and chroma.

Many pairs are of two materials, and must not matter: the loss is the mean of q / (1 + q) (Geman and McClure 1985),
which tends to 1. Two weak priors are added, on u: that the six ambient lobes are even, and that light is grey. They
decide what the pairs leave open, e.g. the lobe of a side that no visible surface faces.

The step. Let J_cj = d log(S_c1 / S_c2) / d u_cj = a_cj (T_j1 / S_c1 - T_j2 / S_c2) = -d r_c / d u_cj. As the derivative
of q / (1 + q) is w = 1 / (1 + q)^2, the loss has the slope of a least squares problem whose pairs are weighted by w
(Black and Rangarajan 1996). With p_c = m / s^2 + (r_c - m) / t^2, which makes q = mean_c r_c p_c, half of its negative
slope and half of its curvature, w held fixed (Gauss and Newton), are sums over pairs

    g_cj = sum w p_c J_cj / 3,    H_cjk = sum w J_cj J_ck (1 / s^2 + 2 / t^2) / 9.

H leaves out what one channel's step does to the others', (1 / s^2 - 1 / t^2) / 9 or under a quarter of the diagonal, so
that each channel has 8 equations of its own instead of 24 for all. The step solves (H + damping I) du = g.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.geometry.raycast import RayScene
from relightnerf.lights import SHADINGS
from relightnerf.relighters._capture_patches import Pairs
from relightnerf.relighters._capture_settings import FitSettings

# Terms in the order of ``shading_terms``: 0 is the disc, 1 to 6 are the lobes, 7 is bounced light. The matrix
# I - 1 1^T / 6 takes the mean off the six, and is its own square.
_LOBES_APART = np.zeros((SHADINGS, SHADINGS))
_LOBES_APART[1:7, 1:7] = np.eye(6) - 1.0 / 6.0
"""u @ this @ u is the sum of the squared differences of the six lobes from their mean."""


class Fits(NamedTuple):
    """What suits each of n directions best."""

    logs: Float[np.ndarray, "n 3 8"]
    misfits: Float[np.ndarray, " n"]


class _Linearized(NamedTuple):
    """Misfits, and the normal equations of the reweighted residuals in the logarithms of the amounts."""

    misfit: Float[Tensor, "many"]
    curvature: Float[Tensor, "many 3 8 8"]
    gradient: Float[Tensor, "many 3 8"]


class Misfit:
    """How badly a disc, with the ambient and bounced light that suits it best, explains the pairs.

    A pair's residual has three channels; it is small only if luminance and chroma are explained together, and pairs of
    different colours end up as outliers of the robust loss (Geman and McClure 1985). The amounts are found by Levenberg
    and Marquardt's method on their logarithms, reweighted for that loss (Black and Rangarajan 1996), for many
    directions at once. What the pairs leave open is taken to be grey, and even ambient light.

    Args:
        pairs: of patches.
        rays: the scene's mesh.
        samples: shadow rays a place.
        settings: of the fit.
    """

    def __init__(self, pairs: Pairs, rays: RayScene, samples: int, settings: FitSettings) -> None:
        self._pairs, self._rays, self._samples, self._settings = pairs, rays, samples, settings
        # log(I_c1 / I_c2), (3, pairs): no light that is tried changes it. The bound keeps black patches finite.
        logs = np.log(np.maximum(pairs.colours, 1e-6))
        self._log_ratio = _tensor((logs[:, 0] - logs[:, 1]).T)
        # Seven terms of either end, (pairs, 7): only the disc's term depends on the direction.
        self._ambient = [_tensor(terms) for terms in np.moveaxis(pairs.ambient_terms, 1, 0)]

    def fits(self, directions: Float[np.ndarray, "many 3"], logs: Float[np.ndarray, "many 3 8"], steps: int) -> Fits:
        """Return the logarithms of the amounts that suit each direction best, and the misfits that are left.

        Args:
            directions: towards the disc, unit, world.
            logs: of the amounts to start from.
            steps: of the fit.
        """
        # Shadow rays are the costly part. They depend on the direction alone, so they are cast once, before all steps.
        discs = [self._pairs.disc_term(self._rays, direction, self._samples) for direction in directions]
        size = self._settings.directions_at_once
        parts = [
            self._fitted(_tensor(np.stack(discs[i : i + size])), _tensor(logs[i : i + size]), steps)
            for i in range(0, len(discs), size)
        ]
        return Fits(*(torch.cat(part).numpy().astype(float) for part in zip(*parts, strict=True)))

    def _fitted(
        self, discs: Float[Tensor, "many pairs 2"], logs: Float[Tensor, "many 3 8"], steps: int
    ) -> tuple[Float[Tensor, "many 3 8"], Float[Tensor, "many"]]:
        """Levenberg and Marquardt's method: a step that does not pay is tried again with more damping.

        Damping is added as it is (Levenberg 1944), not in proportion to the diagonal (Marquardt 1963): a term whose
        amount is near 0 has next to no curvature, and would take a step of any size.
        """
        settings = self._settings
        best = self._linearized(discs, logs)
        damping = torch.full((len(discs), 1, 1, 1), settings.damping)
        for _ in range(steps):
            # (H + damping I) du = g: an 8 x 8 system for each direction and channel, all in one batch.
            system = best.curvature + damping * torch.eye(SHADINGS)
            change = torch.linalg.solve(system, best.gradient).clamp(-settings.most_change, settings.most_change)
            # A logarithm needs no lower bound: the amount of a term that is absent fades to 0.
            tried = (logs + change).clamp(max=settings.most_log_amount)
            new = self._linearized(discs, tried)
            # each direction by itself keeps its step or not
            better = new.misfit < best.misfit
            best = _Linearized(*(torch.where(_like(better, n), n, b) for n, b in zip(new, best, strict=True)))
            logs = torch.where(_like(better, logs), tried, logs)
            easier, harder = damping / settings.damping_down, damping * settings.damping_up
            damping = torch.where(_like(better, damping), easier, harder)
        return logs, best.misfit

    def _linearized(self, discs: Float[Tensor, "many pairs 2"], logs: Float[Tensor, "many 3 8"]) -> "_Linearized":
        """Return the misfit, half its curvature and half its negative slope; see the module for the formulas."""
        settings = self._settings
        amounts = logs.exp()
        shadings = [self._shading(discs, amounts, end) for end in (0, 1)]
        # r of the module's text, (many, 3, pairs), and m, its mean over channels.
        residual = self._log_ratio - (shadings[0] / shadings[1]).log()
        mean = residual.mean(dim=1, keepdim=True)
        # p and q: luminance and chroma count by spreads of their own
        pull = mean / settings.luminance_spread**2 + (residual - mean) / settings.chroma_spread**2
        square = (residual * pull).mean(dim=1, keepdim=True)
        pairs = max(self._log_ratio.shape[-1], 1)
        # 1 / (1 + q)^2 from the robust loss, and 1 / pairs as the loss is a mean.
        weight = 1.0 / (pairs * (1.0 + square) ** 2)
        # J, in place as it is the largest tensor
        slope = self._terms(discs, 0) / shadings[0][..., None] - self._terms(discs, 1) / shadings[1][..., None]
        slope *= amounts[:, :, None]
        # The residuals' part of the loss; the two priors on u = log a are added below.
        misfit = (square / (1.0 + square)).sum(dim=-1)[:, 0] / pairs
        prior = _tensor(settings.evenness * _LOBES_APART)
        grey = logs - logs.mean(dim=1, keepdim=True)
        misfit = (
            misfit + torch.einsum("ncj,jk,nck->n", logs, prior, logs) + settings.greyness * grey.square().sum((1, 2))
        )
        # Half of the grey prior's curvature over the channels is I - 1 1^T / 3. I bounds it from above and does not mix
        # channels, so it replaces it: steps come out shorter, and the minimum stays where it is.
        # curvature of each channel by itself, which damping makes up for
        own = (1.0 / settings.luminance_spread**2 + 2.0 / settings.chroma_spread**2) / 9.0
        return _Linearized(
            misfit,
            (slope * (own * weight)[..., None]).mT @ slope + prior + settings.greyness * torch.eye(SHADINGS),
            (slope.mT @ (weight * pull / 3.0)[..., None])[..., 0] - logs @ prior - settings.greyness * grey,
        )

    def _shading(
        self, discs: Float[Tensor, "many pairs 2"], amounts: Float[Tensor, "many 3 8"], end: int
    ) -> Float[Tensor, "many 3 pairs"]:
        # S = T a, at one end of all pairs: (many, 1, pairs) (many, 3, 1) + (many, 3, 7) (7, pairs).
        shading = discs[:, None, :, end] * amounts[..., :1] + amounts[..., 1:] @ self._ambient[end].T
        return shading.clamp(min=self._settings.least_shading)

    def _terms(self, discs: Float[Tensor, "many pairs 2"], end: int) -> Float[Tensor, "many 1 pairs 8"]:
        return torch.cat([discs[..., end, None], self._ambient[end].expand(len(discs), -1, -1)], dim=-1)[:, None]


def _like(flags: Tensor, values: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (values.ndim - 1))


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))
