"""The light that a capture was taken under, found from photos and geometry.

Two places of one surface colour differ only by how they are lit. So over many pairs of places near one another, the
difference of their log radiance must be that of their log shading, and a light is the better the more pairs it
explains; shadow edges, which the mesh's ray-cast shadows reproduce only for the right direction, say most. A place is a
small patch of one surface, and both its radiance and its shading are means over it: texture averages out, and so do the
bumps of inexact geometry, which would make the disc look weaker than it is (as noise in a regression's variables does).
A disc's direction can be judged only together with the ambient light that goes with it best, so that is fitted for
every direction tried. The shading is a non-negative sum per channel: the disc's cosine times its visibility, ambient
light (ambient visibility times six lobes along the axes, so that a sky and a ground may differ), and light off surfaces
nearby.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor

from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import srgb_to_linear
from relightnerf.lights import (
    IRRADIANCE,
    SHADINGS,
    ambient_terms,
    directions_around,
    shading_terms,
    spread_directions,
)

_PAIRS = 16000
_DARKEST, _BRIGHTEST = 0.004, 0.93
_NEAREST, _FURTHEST = 0.02, 0.3
_PATCH, _LEAST_PATCH, _PLACES, _OFF_PLANE, _ALIKE = 0.025, 1.5, 8, 0.02, 0.6
_AMBIENT_SAMPLES = 12
_GOLDEN = 0.618034
_SPREAD, _CHROMA_SPREAD = 0.18, 0.12
_CANDIDATES = 300
_PEAKS, _KEPT = 20, 3
_AT_ONCE = 50
_APART = np.cos(np.radians(18.0))
_STARTS = np.log([[0.3, *[1.0] * (SHADINGS - 1)], [1.0, *[0.1] * (SHADINGS - 1)]])
_MOST = 4.0
_DAMPING = 3e-3
_EVEN, _GREY = 2e-3, 1e-4
_LOBES_APART = np.zeros((SHADINGS, SHADINGS))
_LOBES_APART[1:7, 1:7] = np.eye(6) - 1.0 / 6.0
_STEPS_DEG = (6.0, 3.0, 1.5)
_LEAST_SHADING = 1e-3


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


@dataclass(frozen=True)
class _Pairs:
    """Patches of surfaces, two by two: points, normals and ambient visibility of their places, mean linear colours."""

    points: Float[np.ndarray, "pairs 2 places 3"]
    normals: Float[np.ndarray, "pairs 2 places 3"]
    colours: Float[np.ndarray, "pairs 2 3"]
    ambient: Float[np.ndarray, "pairs 2 places"]

    @property
    def ambient_terms(self) -> Float[np.ndarray, "pairs 2 7"]:
        return ambient_terms(self.normals, self.ambient).mean(axis=-2)

    def every(self, step: int) -> "_Pairs":
        return _Pairs(self.points[::step], self.normals[::step], self.colours[::step], self.ambient[::step])


def estimate_capture_light(views: Sequence[View], rays: RayScene) -> CaptureLight:
    """Find the light under which the views were photographed; deterministic.

    Args:
        views: of one scene, photographed under one light.
        rays: the scene's mesh.
    """
    pairs = _sampled_pairs(views, rays)
    found = _peaks(_searched(spread_directions(_CANDIDATES), _Misfit(pairs.every(16), rays, samples=1)), _PEAKS)
    fine = _Misfit(pairs.every(4), rays, samples=3)
    found = _peaks(fine(found.directions, found.logs, steps=5), _KEPT)
    for step_deg in _STEPS_DEG:
        found = _refined(found, fine, step_deg)
    best = found[found.misfits.argsort()[:1]]
    best = _Misfit(pairs, rays, samples=4)(best.directions, best.logs, steps=10)
    return CaptureLight(best.directions[0], np.exp(best.logs[0].T), float(best.misfits[0]))


@dataclass(frozen=True)
class _Found:
    """Directions (n, 3), the logarithms of the amounts (n, 3, 8) that suit each best, and its misfits (n)."""

    directions: np.ndarray
    logs: np.ndarray
    misfits: np.ndarray

    def __getitem__(self, index: np.ndarray) -> "_Found":
        return _Found(self.directions[index], self.logs[index], self.misfits[index])


class _Linearized(NamedTuple):
    """Misfits, and the normal equations of the reweighted residuals in the logarithms of the amounts."""

    misfit: Float[Tensor, "many"]
    curvature: Float[Tensor, "many 3 8 8"]
    gradient: Float[Tensor, "many 3 8"]


class _Misfit:
    """How badly a disc, with the ambient and bounced light that suits it best, explains the pairs.

    A pair's residual has three channels; it is small only if luminance and chroma are explained together, and pairs of
    different colours end up as outliers of the robust loss (Geman and McClure 1985). The amounts are found by Levenberg
    and Marquardt's method on their logarithms, reweighted for that loss (Black and Rangarajan 1996), for many
    directions at once. What the pairs leave open is taken to be grey, and even ambient light.
    """

    def __init__(self, pairs: _Pairs, rays: RayScene, samples: int) -> None:
        self._pairs, self._rays, self._samples = pairs, rays, samples
        logs = np.log(np.maximum(pairs.colours, 1e-6))
        self._log_ratio = _tensor((logs[:, 0] - logs[:, 1]).T)
        self._ambient = [_tensor(terms) for terms in np.moveaxis(pairs.ambient_terms, 1, 0)]

    def __call__(
        self, directions: Float[np.ndarray, "many 3"], logs: Float[np.ndarray, "many 3 8"], steps: int
    ) -> _Found:
        discs = [_disc_term(self._pairs, self._rays, direction, self._samples) for direction in directions]
        parts = [
            self._fitted(_tensor(np.stack(discs[i : i + _AT_ONCE])), _tensor(logs[i : i + _AT_ONCE]), steps)
            for i in range(0, len(discs), _AT_ONCE)
        ]
        logs, misfits = (torch.cat(part).numpy().astype(float) for part in zip(*parts, strict=True))
        return _Found(directions, logs, misfits)

    def _fitted(
        self, discs: Float[Tensor, "many pairs 2"], logs: Float[Tensor, "many 3 8"], steps: int
    ) -> tuple[Float[Tensor, "many 3 8"], Float[Tensor, "many"]]:
        """Levenberg and Marquardt's method: a step that does not pay is tried again with more damping."""
        best = self._linearized(discs, logs)
        damping = torch.full((len(discs), 1, 1, 1), _DAMPING)
        for _ in range(steps):
            system = best.curvature + damping * torch.eye(SHADINGS)
            change = torch.linalg.solve(system, best.gradient).clamp(-1.0, 1.0)
            tried = (logs + change).clamp(max=_MOST)
            new = self._linearized(discs, tried)
            better = new.misfit < best.misfit
            best = _Linearized(*(torch.where(_like(better, n), n, b) for n, b in zip(new, best, strict=True)))
            logs = torch.where(_like(better, logs), tried, logs)
            damping = torch.where(_like(better, damping), damping / 4.0, damping * 8.0)
        return logs, best.misfit

    def _linearized(self, discs: Float[Tensor, "many pairs 2"], logs: Float[Tensor, "many 3 8"]) -> "_Linearized":
        amounts = logs.exp()
        shadings = [self._shading(discs, amounts, end) for end in (0, 1)]
        residual = self._log_ratio - (shadings[0] / shadings[1]).log()
        mean = residual.mean(dim=1, keepdim=True)
        # the residual's square in spreads, and half its slope: luminance and chroma count by spreads of their own
        pull = mean / _SPREAD**2 + (residual - mean) / _CHROMA_SPREAD**2
        square = (residual * pull).mean(dim=1, keepdim=True)
        pairs = max(self._log_ratio.shape[-1], 1)
        weight = 1.0 / (pairs * (1.0 + square) ** 2)
        slope = self._terms(discs, 0) / shadings[0][..., None] - self._terms(discs, 1) / shadings[1][..., None]
        slope *= amounts[:, :, None]
        misfit = (square / (1.0 + square)).sum(dim=-1)[:, 0] / pairs
        prior = _tensor(_EVEN * _LOBES_APART)
        grey = logs - logs.mean(dim=1, keepdim=True)
        misfit = misfit + torch.einsum("ncj,jk,nck->n", logs, prior, logs) + _GREY * grey.square().sum((1, 2))
        # curvature of each channel by itself, which damping makes up for
        own = (1.0 / _SPREAD**2 + 2.0 / _CHROMA_SPREAD**2) / 9.0
        return _Linearized(
            misfit,
            (slope * (own * weight)[..., None]).mT @ slope + prior + _GREY * torch.eye(SHADINGS),
            (slope.mT @ (weight * pull / 3.0)[..., None])[..., 0] - logs @ prior - _GREY * grey,
        )

    def _shading(
        self, discs: Float[Tensor, "many pairs 2"], amounts: Float[Tensor, "many 3 8"], end: int
    ) -> Float[Tensor, "many 3 pairs"]:
        shading = discs[:, None, :, end] * amounts[..., :1] + amounts[..., 1:] @ self._ambient[end].T
        return shading.clamp(min=_LEAST_SHADING)

    def _terms(self, discs: Float[Tensor, "many pairs 2"], end: int) -> Float[Tensor, "many 1 pairs 8"]:
        return torch.cat([discs[..., end, None], self._ambient[end].expand(len(discs), -1, -1)], dim=-1)[:, None]


def _searched(directions: Float[np.ndarray, "many 3"], misfit: _Misfit) -> _Found:
    """Return the fits of the best directions; each starts from mostly ambient light, or from mostly the disc."""
    fits = [misfit(directions, np.tile(start, (len(directions), 3, 1)), steps=2) for start in _STARTS]
    better = fits[1].misfits < fits[0].misfits
    logs = np.where(better[:, None, None], fits[1].logs, fits[0].logs)
    best = np.minimum(fits[0].misfits, fits[1].misfits).argsort(kind="stable")[: len(directions) // 3]
    return misfit(directions[best], logs[best], steps=4)


def _like(flags: Tensor, values: Tensor) -> Tensor:
    return flags.reshape(-1, *[1] * (values.ndim - 1))


def _peaks(found: _Found, most: int) -> _Found:
    """Return the best directions that are far from one another."""
    left = np.argsort(found.misfits, kind="stable")
    kept: list[int] = []
    while len(left) and len(kept) < most:
        kept.append(left[0])
        left = left[found.directions[left] @ found.directions[left[0]] < _APART]
    return found[np.array(kept)]


def _refined(found: _Found, misfit: _Misfit, step_deg: float) -> _Found:
    """Return each direction, or the one of six around it, a step away, that fits better."""
    directions = np.concatenate([directions_around(direction, step_deg) for direction in found.directions])
    fitted = misfit(directions, np.repeat(found.logs, 7, axis=0), steps=3)
    best = fitted.misfits.reshape(-1, 7).argmin(axis=-1)
    return fitted[7 * np.arange(len(best)) + best]


def capture_shading(light: CaptureLight, view: View, cues: ViewCues) -> Float[np.ndarray, "height width 3"]:
    """Return the linear radiance of the view painted white under the capture's own light, up to one common factor."""
    disc = cues.direct(light.direction_world[None])[0]
    return shading_terms(disc, view.normal_world, cues.ambient) @ light.amounts


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def _disc_term(pairs: _Pairs, rays: RayScene, direction: np.ndarray, samples: int) -> Float[np.ndarray, "pairs 2"]:
    points, normals = pairs.points.reshape(-1, 3), pairs.normals.reshape(-1, 3)
    seen = rays.light_visibility(points, normals, direction[None], samples)[0]
    lit = IRRADIANCE / np.pi * np.maximum(normals @ direction, 0.0) * seen
    return lit.reshape(pairs.points.shape[:-1]).mean(axis=-1)


def _sampled_pairs(views: Sequence[View], rays: RayScene) -> _Pairs:
    count = -(-_PAIRS // len(views))
    found = [_pairs_of_view(view, rays, count, np.random.default_rng([i, 7])) for i, view in enumerate(views)]
    points, normals, colours = (np.concatenate(parts) for parts in zip(*found, strict=True))
    seen = rays.ambient_visibility(points.reshape(-1, 3), normals.reshape(-1, 3), _AMBIENT_SAMPLES)
    return _Pairs(points, normals, colours, seen.reshape(points.shape[:-1]))


def _pairs_of_view(view: View, rays: RayScene, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return points and normals (pairs, 2, places, 3), and mean colours (pairs, 2, 3)."""
    linear, depth = srgb_to_linear(view.image), rays.camera_hits(view.camera).depth
    usable = view.known & (np.abs(depth - view.depth) < 0.03 * view.depth)
    usable &= (linear.min(-1) > _DARKEST) & (linear.max(-1) < _BRIGHTEST)
    if view.mask is not None:
        usable &= view.mask
    usable = ndimage.binary_erosion(usable)
    points, normals = view.camera.points_world(depth).astype(np.float32), view.normal_world
    middles = tuple(middle[..., None] for middle in _pairs_of_pixels(usable, count, rng))
    around = _places_around(middles, usable.shape, rng)
    off_plane = np.abs(np.sum((points[around] - points[middles]) * normals[middles], axis=-1))
    alike = np.sum(normals[around] * normals[middles], axis=-1) > _ALIKE
    alike &= usable[around] & (off_plane < _OFF_PLANE * depth[middles])
    at = tuple(np.where(alike, place, middle) for place, middle in zip(around, middles, strict=True))
    return points[at], normals[at], linear[at].mean(axis=-2)


def _pairs_of_pixels(
    usable: Bool[np.ndarray, "height width"], count: int, rng: np.random.Generator
) -> Int[np.ndarray, "2 pairs 2"]:
    """Return rows and columns of two usable pixels each, some way apart."""
    pixels = np.argwhere(usable)
    if not len(pixels):
        return np.zeros((2, 0, 2), int)
    first = pixels[rng.integers(0, len(pixels), 2 * count)]
    reach = np.exp(rng.uniform(np.log(_NEAREST), np.log(_FURTHEST), len(first))) * max(usable.shape)
    angle = rng.uniform(0, 2 * np.pi, len(first))
    way = reach[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    second = np.round(first + way).astype(int)
    inside = np.all((second >= 0) & (second < usable.shape), axis=-1)
    inside[inside] &= usable[tuple(second[inside].T)]
    return np.moveaxis(np.stack([first[inside][:count], second[inside][:count]], axis=1), -1, 0)


def _places_around(
    middles: tuple[np.ndarray, ...], shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Return rows and columns (pairs, 2, places) on a spiral around each pixel (pairs, 2, 1), the pixel first."""
    place = np.arange(_PLACES)
    turn = rng.random(middles[0].shape)
    distance = max(_PATCH * max(shape), _LEAST_PATCH) * np.sqrt(place / _PLACES)
    angle = 2.0 * np.pi * (place * _GOLDEN + turn)
    offsets = distance * np.sin(angle), distance * np.cos(angle)
    return tuple(
        (middle + np.round(offset).astype(int)).clip(0, side - 1)
        for middle, offset, side in zip(middles, offsets, shape, strict=True)
    )
