"""The light that a capture was taken under, found from photos and geometry.

Two places of one surface colour differ only by how they are lit. So over many pairs of places near one another, the
difference of their log radiance must be that of their log shading, and a light is the better the more pairs it
explains; shadow edges, which the mesh's ray-cast shadows reproduce only for the right direction, say most. A place is a
small patch of one surface, and both its radiance and its shading are means over it: texture averages out, and so do the
bumps of inexact geometry, which would make the disc look weaker than it is (as noise in a regression's variables does).
A disc's direction can be judged only together with the ambient light that goes with it best, so that is fitted for
every direction tried (``_capture_fit`` has the formulas). The shading is a non-negative sum per channel: the disc's
cosine times its visibility, ambient light (ambient visibility times six lobes along the axes, so that a sky and a
ground may differ), and light off surfaces nearby.

The misfit has many local minima over directions, as shadows come and go, so a descent from one start would end in any
of them. Therefore the whole sphere is searched coarsely, with few pairs and one shadow ray a place; the best directions
that are far from one another are fitted again with more pairs; the best few of these are refined by small turns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.lights import SHADINGS, directions_around, shading_terms, spread_directions
from relightnerf.relighters._capture_fit import Misfit
from relightnerf.relighters._capture_patches import sampled_pairs
from relightnerf.relighters._capture_settings import (
    CaptureLightSettings,
    FitSettings,
    PatchSettings,
    SearchSettings,
)

__all__ = [
    "CaptureLight",
    "CaptureLightSettings",
    "FitSettings",
    "PatchSettings",
    "SearchSettings",
    "capture_shading",
    "estimate_capture_light",
]

_SETTINGS = CaptureLightSettings()


@dataclass(frozen=True)
class CaptureLight:
    """A disc of 10 degrees radius, ambient light from six sides, and light bounced off surfaces nearby.

    Attributes:
        direction_world: unit vector towards the disc.
        amounts: of the ``SHADINGS`` terms in each linear channel, not negative; up to one common factor.
        misfit: the pairs' mean robust residual, 0 (all explained) to 1.
    """

    direction_world: Float[np.ndarray, "3"]
    amounts: Float[np.ndarray, "8 3"]
    misfit: float

    def without_bounces(self) -> "CaptureLight":
        """Return the light without what surfaces nearby throw back."""
        return replace(self, amounts=np.concatenate([self.amounts[:-1], np.zeros_like(self.amounts[-1:])]))


def estimate_capture_light(
    views: Sequence[View], rays: RayScene, settings: CaptureLightSettings = _SETTINGS
) -> CaptureLight:
    """Find the light under which the views were photographed; deterministic.

    Args:
        views: of one scene, photographed under one light.
        rays: the scene's mesh.
        settings: how hard to look, and what to believe.
    """
    search, fit = settings.search, settings.fit
    # 1. Coarse: all candidates, few pairs, one shadow ray a place.
    pairs = sampled_pairs(views, rays, settings.patches)
    coarse = Misfit(pairs.every(search.coarse_stride), rays, search.coarse_samples, fit)
    found = _peaks(_searched(coarse, search), search.peaks, search.peaks_apart_deg)
    # 2. The best minima again with more pairs and rays, and the best few of these.
    fine = Misfit(pairs.every(search.fine_stride), rays, search.fine_samples, fit)
    found = _fitted(fine, found.directions, found.logs, search.peak_steps)
    found = _peaks(found, search.refined[0], search.peaks_apart_deg)
    # 3. Descent by turns of 6, 3 and 1.5 degrees, as shadows have no derivative to follow.
    for step_deg, most in zip(search.refinements_deg, search.refined, strict=True):
        found = _refined(found[found.misfits.argsort()[:most]], fine, step_deg, search.refinement_steps)
    # 4. All pairs, for the winner's amounts.
    best = found[found.misfits.argsort()[:1]]
    best = _fitted(Misfit(pairs, rays, search.last_samples, fit), best.directions, best.logs, search.last_steps)
    # Fits hold (channels, terms), the result (terms, channels), so that terms @ amounts is a colour.
    return CaptureLight(best.directions[0], np.exp(best.logs[0].T), float(best.misfits[0]))


def capture_shading(light: CaptureLight, view: View, cues: ViewCues) -> Float[np.ndarray, "height width 3"]:
    """Return the linear radiance of the view painted white under the capture's own light, up to one common factor."""
    disc = cues.direct(light.direction_world[None])[0]
    # (height, width, 8) @ (8, 3): S_c = sum_j T_j a_jc.
    return shading_terms(disc, view.normal_world, cues.ambient) @ light.amounts


@dataclass(frozen=True)
class _Found:
    """Directions (n, 3), the logarithms of the amounts (n, 3, 8) that suit each best, and its misfits (n)."""

    directions: np.ndarray
    logs: np.ndarray
    misfits: np.ndarray

    def __getitem__(self, index: np.ndarray) -> "_Found":
        return _Found(self.directions[index], self.logs[index], self.misfits[index])


def _fitted(misfit: Misfit, directions: np.ndarray, logs: np.ndarray, steps: int) -> _Found:
    return _Found(directions, *misfit.fits(directions, logs, steps))


def _searched(misfit: Misfit, search: SearchSettings) -> _Found:
    """Return the fits of the best directions; each starts from mostly ambient light, or from mostly the disc."""
    directions = spread_directions(search.candidates)
    # Logarithms of the amounts (8) of both starts, the disc first; all three channels start alike, at grey.
    starts = np.log([[disc, *[others] * (SHADINGS - 1)] for disc, others in search.starts])
    first, second = (
        _fitted(misfit, directions, np.tile(start, (len(directions), 3, 1)), search.first_steps) for start in starts
    )
    # Two basins, an overcast and a clear day: each direction keeps the better one.
    better = second.misfits < first.misfits
    logs = np.where(better[:, None, None], second.logs, first.logs)
    ranked = np.minimum(first.misfits, second.misfits).argsort(kind="stable")
    best = ranked[: len(directions) // search.keep_one_in]
    return _fitted(misfit, directions[best], logs[best], search.second_steps)


def _peaks(found: _Found, most: int, apart_deg: float) -> _Found:
    """Return the best directions that are far from one another: each leaves out those around it that are worse."""
    left = np.argsort(found.misfits, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        kept.append(left[0])
        # Greedy suppression of non-maxima on the sphere. The cosine of a direction with itself is 1, so it goes, too.
        left = left[found.directions[left] @ found.directions[left[0]] < np.cos(np.radians(apart_deg))]
    return found[np.array(kept)]


def _refined(found: _Found, misfit: Misfit, step_deg: float, steps: int) -> _Found:
    """Return each direction, or the one of six around it, a step away, that fits better."""
    # Seven directions for each found one, the first of them itself: it stays if no neighbour is better.
    directions = np.concatenate([directions_around(direction, step_deg) for direction in found.directions])
    fitted = _fitted(misfit, directions, np.repeat(found.logs, 7, axis=0), steps)
    best = fitted.misfits.reshape(-1, 7).argmin(axis=-1)
    return fitted[7 * np.arange(len(best)) + best]  # Flat index of the best of each seven.
