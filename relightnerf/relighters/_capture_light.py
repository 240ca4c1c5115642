"""The light that a capture was taken under, found from photos and geometry.

Two pixels of one surface colour differ only by how they are lit. So over many pairs of nearby pixels of like
chromaticity, the difference of their log radiance must be that of their log shading, and a light is the better the
more pairs it explains; shadow edges, which the mesh's ray-cast shadows reproduce only for the right direction, say
most. The shading is a non-negative sum per channel: the disc's cosine times its visibility, ambient light (ambient
visibility times six lobes along the axes, so that a sky and a ground may differ), and light off surfaces nearby.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import ndimage, optimize

from relightnerf.color import LUMINANCE, srgb_to_linear
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.lights import IRRADIANCE

SHADINGS = 8
"""Terms of the shading: the disc, six ambient lobes, and bounced light."""
_PAIRS = 24000
_DARKEST, _BRIGHTEST = 0.004, 0.93
_NEAREST, _FURTHEST = 0.01, 0.3
_CHROMA_SPREAD = 0.12
_SPREAD = 0.12
_CANDIDATES = 300
_KEPT = 6
_AMBIENT_PARTS = (0.05, 0.12, 0.25, 0.5, 1.0)
_STEPS_DEG = (6.0, 3.0, 1.5)
_LEAST_SHADING = 1e-3
_PRIOR = 2e-3


@dataclass(frozen=True)
class CaptureLight:
    """A disc of 10 degrees radius, ambient light from six sides, and light bounced off surfaces nearby.

    Attributes:
        direction_world: unit vector towards the disc.
        amounts: of the ``SHADINGS`` terms in each linear channel, not negative; up to one common factor.
        misfit: the pairs' mean robust residual, 0 (all explained) to 1.
        misfit_ambient: the misfit of ambient light alone.
    """

    direction_world: Float[np.ndarray, "3"]
    amounts: Float[np.ndarray, "8 3"]
    misfit: float
    misfit_ambient: float


@dataclass(frozen=True)
class _Pairs:
    """Points (pairs, 2, ...) of surfaces, two by two."""

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    ambient: np.ndarray

    @property
    def ambient_terms(self) -> np.ndarray:
        return _ambient_terms(self.normals, self.ambient)

    def every(self, step: int) -> "_Pairs":
        return _Pairs(self.points[::step], self.normals[::step], self.colours[::step], self.ambient[::step])


def estimate_capture_light(views: Sequence[View], rays: RayScene) -> CaptureLight:
    """Find the light under which the views were photographed; deterministic.

    Args:
        views: of one scene, photographed under one light.
        rays: the scene's mesh.
    """
    pairs = _sampled_pairs(views, rays)
    coarse, fine = _Misfit(pairs.every(4), rays, samples=1), _Misfit(pairs.every(2), rays, samples=3)
    candidates = _sphere(_CANDIDATES)
    order = np.argsort([coarse(direction) for direction in candidates], kind="stable")
    best = [_refined(candidates[index], fine) for index in order[:_KEPT]]
    direction = min(best, key=lambda found: found[1])[0]
    terms = np.concatenate([_disc_term(pairs, rays, direction, 4)[..., None], pairs.ambient_terms], axis=-1)
    return _with_amounts(direction, terms, pairs.colours)


class _Misfit:
    """How badly a disc in a direction, with the best part of even ambient light, explains the pairs' luminance."""

    def __init__(self, pairs: _Pairs, rays: RayScene, samples: int) -> None:
        self._pairs, self._rays, self._samples = pairs, rays, samples
        self._weights = _alike(pairs.colours)
        grey = np.maximum(pairs.colours @ LUMINANCE, 1e-6)
        self._log_ratio = np.log(grey[:, 0] / grey[:, 1])

    def __call__(self, direction: Float[np.ndarray, "3"]) -> float:
        disc = _disc_term(self._pairs, self._rays, direction, self._samples)
        return min(self._residual(disc + part * self._pairs.ambient) for part in _AMBIENT_PARTS)

    def _residual(self, shading: np.ndarray) -> float:
        shading = np.maximum(shading, _LEAST_SHADING)
        residual = self._log_ratio - np.log(shading[:, 0] / shading[:, 1])
        return float(_robust(residual)[0] @ self._weights / max(self._weights.sum(), 1e-12))


def shading_terms(
    disc: Float[np.ndarray, "*pixels"],
    normals_world: Float[np.ndarray, "*pixels 3"],
    ambient: Float[np.ndarray, "*pixels"],
) -> Float[np.ndarray, "*pixels 8"]:
    """Return the terms that ``CaptureLight.amounts`` belong to.

    Args:
        disc: cosine times visibility of the light's disc.
        normals_world: unit normals.
        ambient: ambient visibility.
    """
    return np.concatenate([IRRADIANCE / np.pi * disc[..., None], _ambient_terms(normals_world, ambient)], axis=-1)


def capture_shading(light: CaptureLight, view: View, cues: ViewCues) -> Float[np.ndarray, "height width 3"]:
    """Return the linear radiance of the view painted white under the capture's own light, up to one common factor."""
    disc = cues.direct(light.direction_world[None])[0]
    return shading_terms(disc, view.normal_world, cues.ambient) @ light.amounts


def _ambient_terms(normals: np.ndarray, ambient: np.ndarray) -> np.ndarray:
    lobes = np.concatenate([1.0 + normals, 1.0 - normals], axis=-1) / 2.0
    return np.concatenate([ambient[..., None] * lobes, 1.0 - ambient[..., None]], axis=-1)


def _disc_term(pairs: _Pairs, rays: RayScene, direction: np.ndarray, samples: int) -> np.ndarray:
    points, normals = pairs.points.reshape(-1, 3), pairs.normals.reshape(-1, 3)
    seen = rays.light_visibility(points, normals, direction[None], samples)[0]
    return (IRRADIANCE / np.pi * np.maximum(normals @ direction, 0.0) * seen).reshape(-1, 2)


def _sampled_pairs(views: Sequence[View], rays: RayScene) -> _Pairs:
    count = -(-_PAIRS // len(views))
    found = [_pairs_of_view(view, rays, count, np.random.default_rng([i, 7])) for i, view in enumerate(views)]
    points, normals, colours = (np.concatenate(parts) for parts in zip(*found, strict=True))
    ambient = rays.ambient_visibility(points.reshape(-1, 3), normals.reshape(-1, 3), 24).reshape(-1, 2)
    return _Pairs(points, normals, colours, ambient)


def _pairs_of_view(view: View, rays: RayScene, count: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    linear = srgb_to_linear(view.image)
    depth = rays.camera_hits(view.camera).depth
    usable = view.known & (np.abs(depth - view.depth) < 0.03 * view.depth)
    usable &= (linear.min(-1) > _DARKEST) & (linear.max(-1) < _BRIGHTEST)
    if view.mask is not None:
        usable &= view.mask
    usable = ndimage.binary_erosion(usable)
    smooth = ndimage.gaussian_filter(linear, (0.7, 0.7, 0))
    rows, columns = np.nonzero(usable)
    if not len(rows):
        return np.zeros((0, 2, 3)), np.zeros((0, 2, 3)), np.zeros((0, 2, 3))
    chosen = rng.integers(0, len(rows), 2 * count)
    row, column = rows[chosen], columns[chosen]
    reach = np.exp(rng.uniform(np.log(_NEAREST), np.log(_FURTHEST), len(row))) * max(usable.shape)
    angle = rng.uniform(0, 2 * np.pi, len(row))
    other_row = np.round(row + reach * np.sin(angle)).astype(int)
    other_column = np.round(column + reach * np.cos(angle)).astype(int)
    inside = (other_row >= 0) & (other_row < usable.shape[0]) & (other_column >= 0) & (other_column < usable.shape[1])
    inside[inside] &= usable[other_row[inside], other_column[inside]]
    kept = np.flatnonzero(inside)[:count]
    at = (np.stack([row[kept], other_row[kept]], -1), np.stack([column[kept], other_column[kept]], -1))
    points = view.camera.points_world(depth)[at]
    return points.astype(np.float32), view.normal_world[at], smooth[at]


def _alike(colours: np.ndarray) -> np.ndarray:
    """Weight of each pair: 1 for equal chromaticity, towards 0 the more it differs."""
    log = np.log(np.maximum(colours, 1e-6))
    chroma = log - log.mean(-1, keepdims=True)
    return np.exp(-np.sum((chroma[:, 0] - chroma[:, 1]) ** 2, axis=-1) / (2 * _CHROMA_SPREAD**2))


def _robust(residual: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Geman and McClure's loss in [0, 1), and its derivative."""
    square = (residual / _SPREAD) ** 2
    return square / (1.0 + square), 2.0 * residual / _SPREAD**2 / (1.0 + square) ** 2


def _sphere(count: int) -> np.ndarray:
    """Evenly spread unit vectors (a Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    z, angle = 1.0 - 2.0 * index / count, np.pi * (3.0 - np.sqrt(5.0)) * index
    return np.stack([np.sqrt(1 - z * z) * np.cos(angle), np.sqrt(1 - z * z) * np.sin(angle), z], axis=-1)


def _refined(direction: np.ndarray, misfit: _Misfit) -> tuple[np.ndarray, float]:
    value = misfit(direction)
    for step_deg in _STEPS_DEG:
        side = np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))])
        side /= np.linalg.norm(side)
        above, reach = np.cross(direction, side), np.tan(np.radians(step_deg))
        for angle in np.arange(6) * np.pi / 3:
            tried = direction + reach * (np.cos(angle) * side + np.sin(angle) * above)
            tried /= np.linalg.norm(tried)
            if (tried_value := misfit(tried)) < value:
                direction, value = tried, tried_value
    return direction, value


def _with_amounts(direction: np.ndarray, terms: np.ndarray, colours: np.ndarray) -> CaptureLight:
    amounts, misfit = _fitted_amounts(terms, colours)
    without_disc = terms.copy()
    without_disc[..., 0] = 0.0
    return CaptureLight(direction, amounts, misfit, _fitted_amounts(without_disc, colours)[1])


def _fitted_amounts(terms: np.ndarray, colours: np.ndarray) -> tuple[np.ndarray, float]:
    """Amounts (8, 3) with the least misfit, and the misfit; the pairs' likeness is judged again once lit evenly."""
    log = np.log(np.maximum(colours, 1e-6))
    ratios = log[:, 0] - log[:, 1]
    start = np.log(np.full((SHADINGS, 3), 0.1))
    start[0] = 0.0
    lit = colours
    for _ in range(3):
        weights = _alike(lit)
        result = optimize.minimize(
            _loss,
            start.ravel(),
            (terms, ratios, weights),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-9.0, 4.0)] * start.size,
            options={"maxiter": 60},
        )
        start = result.x.reshape(SHADINGS, 3)
        lit = colours / np.maximum(terms @ np.exp(start), _LEAST_SHADING)
    return np.exp(start), float(result.fun)


def _loss(logs: np.ndarray, terms: np.ndarray, ratios: np.ndarray, weights: np.ndarray) -> tuple[float, np.ndarray]:
    amounts = np.exp(logs.reshape(SHADINGS, 3))
    shading = np.maximum(terms @ amounts, _LEAST_SHADING)
    value, slope = _robust(ratios - np.log(shading[:, 0] / shading[:, 1]))
    total = 3.0 * weights.sum()
    slope *= weights[:, None] / total
    gradient = (
        np.einsum("pk,pc->kc", terms[:, 1], slope / shading[:, 1])
        - np.einsum("pk,pc->kc", terms[:, 0], slope / shading[:, 0])
    ) * amounts
    # colours of the light that the pairs leave open stay near grey
    grey = logs.reshape(SHADINGS, 3) - logs.reshape(SHADINGS, 3).mean(-1, keepdims=True)
    prior = _PRIOR * (grey**2).sum()
    return float((weights @ value).sum() / total + prior), (gradient + 2 * _PRIOR * grey).ravel()
