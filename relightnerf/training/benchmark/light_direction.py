"""Where the light of a picture comes from, by the shading of what it shows, and by its shadows."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.geometry.raycast import RayScene
from relightnerf.imaging.color import LUMINANCE, srgb_to_linear
from relightnerf.lights import directions_around, spread_directions

_TO_CAMERA = np.array([0.0, 0.0, 1.0])
"""Direction in the camera's frame: what is returned where nothing is told."""


@dataclass(frozen=True)
class RobustSettings:
    """Which pixels count, and how outliers are told from noise."""

    saturated: float = 0.995
    """sRGB from which on a channel may have been clipped: 254 of 255."""
    darkest_albedo: float = 0.02
    """Linear; the picture is divided by it, and 8-bit albedo and photo are too coarse below."""
    least_normal: float = 0.5
    """Length from which on a normal counts as known: they are 1 or 0, but for what resizing mixed."""
    outlier: float = 2.0
    """Residual, in each fit's own standard deviations, at which a pixel's weight is one half. Cauchy's loss is 95 % as
    good as least squares on normal noise at 2.385 (Holland and Welsch 1977); less, as here, heeds shadows less, which
    may be a third of the picture."""


@dataclass(frozen=True)
class DirectionFitSettings:
    """How ``fitted_direction`` searches."""

    most_pixels: int = 4000
    """Pixels that are fitted to, evenly spread: time grows with them, and four unknowns need no more."""
    starts: int = 8
    """First guesses, fitted side by side. The lit side of a surface depends on the light, so there are local minima; 8
    are 55 degrees apart, near enough to one that the steps below lead to the best."""
    lowest_start: float = -0.3
    """z of the lowest first guess: on the camera's side of the sphere and a little beyond, as lights further behind
    what is seen reach hardly anything."""
    steps: int = 15
    """Solutions from each first guess; lit pixels and weights have mostly settled by then."""
    ridge: float = 1e-6
    """Pull towards 0, as a part of the weights' sum: only keeps equations solvable where all normals lie in a plane."""
    no_shading: float = 1e-4
    """Length of the light's vector over the mean shading below which a picture has none, and the ratio is rounding."""


@dataclass(frozen=True)
class LightFinderSettings:
    """How ``LightFinder`` searches."""

    most_points: int = 1500
    """Pixels that count, evenly spread: a ray to each candidate is cast from each of them."""
    candidates: int = 500
    """Directions all around that are compared first, 9 degrees apart; half as many are 12 apart, and a sharp shadow may
    match in none of them."""
    best: int = 4
    """Directions that are refined each time: with one, a close second that would become the best is lost."""
    finer_deg: tuple[float, ...] = (5.0, 2.5, 1.2)
    """Steps of the refinements, degrees, each half of the one before; the last is as fine as pictures tell."""
    robust_steps: int = 5
    """Solutions for each direction, whose weights come from the one before."""


_ROBUST, _FIT, _FINDER = RobustSettings(), DirectionFitSettings(), LightFinderSettings()


def fitted_direction(
    image_srgb: Float[np.ndarray, "height width 3"],
    albedo_linear: Float[np.ndarray, "height width 3"] | None,
    normal_camera: Float[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
    ambient_visibility: Float[np.ndarray, "height width"] | None = None,
) -> Float[np.ndarray, "3"]:
    """Return the direction of the distant light that explains a picture of Lambertian surfaces best.

    The model is ``albedo * (ambient * ambient_visibility + max(normal . light, 0))`` in linear values. Which pixels the
    light reaches, and the ambient and the light's vector, are found in turn, by least squares whose weights fall with
    the residual (Cauchy's), so that shadows count as outliers, from several first guesses; the one with the least mean
    absolute residual is taken.

    Args:
        image_srgb: in [0, 1]; saturated pixels do not count.
        albedo_linear: in [0, 1]; None takes it as one unknown constant, and what differs from it as outliers.
        normal_camera: unit vectors, 0 where unknown.
        mask: pixels that count; with one constant albedo, those of one object.
        ambient_visibility: part of the ambient light that reaches each pixel, in [0, 1]; 1 if not given, which where
            the ambient is a fifth of the light turns the direction by up to 6 degrees towards the open side.

    Returns:
        A unit vector towards the light, in the camera frame of the normals; the mean normal (or the direction to the
        camera) where the picture has no shading.
    """
    normal = normal_camera.astype(np.float64)
    known = mask & (np.linalg.norm(normal, axis=-1) > _ROBUST.least_normal)
    known &= (image_srgb < _ROBUST.saturated).all(axis=-1)
    if albedo_linear is not None:
        known &= albedo_linear.mean(axis=-1) > _ROBUST.darkest_albedo
    if not known.any():
        return _TO_CAMERA
    rows = np.flatnonzero(known)
    rows = rows[:: -(-len(rows) // _FIT.most_pixels)]
    some = normal.reshape(-1, 3)[rows]
    albedo = None if albedo_linear is None else albedo_linear.reshape(-1, 3)[rows].astype(np.float64)
    shading, weight = _shading(srgb_to_linear(image_srgb.reshape(-1, 3)[rows].astype(np.float64)), albedo)
    ambient = np.ones(len(rows)) if ambient_visibility is None else ambient_visibility.reshape(-1)[rows]
    costs, lights = _fits(shading, weight, ambient.astype(np.float64), some)
    light = lights[np.argmin(costs)]
    if np.linalg.norm(light) < _FIT.no_shading * max(np.abs(shading).mean(), _FIT.no_shading):
        light = some.sum(axis=0)
    length = np.linalg.norm(light)
    return light / length if length > 0.0 else _TO_CAMERA


class LightFinder:
    """Finds the distant light of pictures of a scene whose shape and colours are known.

    The model is ``albedo * (ambient * ambient_visibility + strength * visibility * max(normal . light, 0))`` in linear
    values, and each direction that is tried comes with its own ray-cast visibility: in a scene of many parts, where few
    of the pixels that are seen are lit, or all of them face one way, shadows say more than shading. Directions all
    around are compared by the mean absolute residual of robust fits (weights as above) of ambient and strength; the
    best ones are refined.

    Args:
        rays: the scene's mesh; its frame is that of points, normals and the directions found.
        points: where the pixels' surfaces are.
        normal: unit vectors, 0 where unknown.
        albedo_linear: in [0, 1].
        mask: pixels that count.
        ambient_visibility: part of the ambient light that reaches each pixel, in [0, 1]; None: all of it.
        settings: of the search.
    """

    def __init__(
        self,
        rays: RayScene,
        points: Float[np.ndarray, "height width 3"],
        normal: Float[np.ndarray, "height width 3"],
        albedo_linear: Float[np.ndarray, "height width 3"],
        mask: Bool[np.ndarray, "height width"],
        ambient_visibility: Float[np.ndarray, "height width"] | None = None,
        settings: LightFinderSettings = _FINDER,
    ) -> None:
        self._settings = settings
        known = mask & (np.linalg.norm(normal, axis=-1) > _ROBUST.least_normal)
        known &= albedo_linear.mean(axis=-1) > _ROBUST.darkest_albedo
        rows = np.flatnonzero(known)
        self._rows = rows[:: max(-(-len(rows) // settings.most_points), 1)]
        self._rays = rays
        self._points, self._normal, self._albedo = (
            values.reshape(-1, 3)[self._rows].astype(np.float32) for values in (points, normal, albedo_linear)
        )
        ambient = np.ones(mask.shape) if ambient_visibility is None else ambient_visibility
        self._ambient = ambient.reshape(-1)[self._rows].astype(np.float32)

    def direction(self, image_srgb: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "3"]:
        """Return the unit vector towards the light that explains a picture (sRGB in [0, 1]) best.

        Saturated pixels do not count; where no pixel does, it is the direction to the camera.
        """
        pixels = image_srgb.reshape(-1, 3)[self._rows]
        usable = (pixels < _ROBUST.saturated).all(axis=-1)
        if not usable.any():
            return _TO_CAMERA
        shading, weight = _shading(srgb_to_linear(pixels.astype(np.float32)), self._albedo)
        weight = np.where(usable, weight, 0.0).astype(np.float32)
        directions, discs = self._candidates
        for step_deg in (*self._settings.finer_deg, None):
            costs = self._costs(discs, shading, weight)
            best = directions[np.argsort(costs, kind="stable")[: self._settings.best]]
            if step_deg is not None:
                directions = np.concatenate([directions_around(direction, step_deg) for direction in best])
                discs = self._discs(directions)
        return best[0]

    @cached_property
    def _candidates(self) -> tuple[np.ndarray, np.ndarray]:
        directions = spread_directions(self._settings.candidates)
        return directions, self._discs(directions)

    def _discs(self, directions: np.ndarray) -> Float[np.ndarray, "directions points"]:
        """Return the cosine times the visibility of discs of light."""
        cosine = np.maximum(directions @ self._normal.T, 0.0).astype(np.float32)
        return cosine * self._rays.light_visibility(self._points, self._normal, directions)

    def _costs(
        self, discs: Float[np.ndarray, "directions points"], shading: np.ndarray, weight: np.ndarray
    ) -> Float[np.ndarray, " directions"]:
        """Return the mean absolute residual of the best amounts, not negative, of ambient light and disc."""
        # For each direction the minimum of sum w (even a + disc d - t)^2 over even, disc >= 0, for ambient visibility
        # a, disc d and the picture's shading t. Without bounds, Cramer's rule solves the two normal equations
        #     even aa + disc ad = at,   even ad + disc dd = dt   (aa = sum w a a, and so on).
        # The sum is convex: if one amount comes out negative it is 0, and the other is the best one alone. The
        # determinant is 0 or more (Cauchy and Schwarz), and kept from 0 where disc and ambient light look alike.
        ambient, robust = self._ambient, np.ones_like(discs)
        for _ in range(self._settings.robust_steps):
            weighted = weight * robust
            aa, ad, dd = weighted @ ambient**2, (weighted * discs) @ ambient, (weighted * discs**2).sum(axis=-1)
            at, dt = weighted @ (ambient * shading), (weighted * discs) @ shading
            both = np.maximum(aa * dd - ad**2, 1e-9 * aa * dd + 1e-12)
            disc, even = (aa * dt - ad * at) / both, (dd * at - ad * dt) / both
            alone = np.maximum(dt, 0.0) / np.maximum(dd, 1e-12)
            disc = np.where(disc < 0.0, 0.0, np.where(even < 0.0, alone, disc))
            even = np.maximum(at - ad * disc, 0.0) / np.maximum(aa, 1e-12)
            residual = even[:, None] * ambient + disc[:, None] * discs - shading
            robust = _cauchy_weights(residual)
        return np.abs(residual) @ weight / weight.sum()


def direction_error_deg(first: Float[np.ndarray, "*batch 3"], second: Float[np.ndarray, "*batch 3"]) -> np.ndarray:
    """Return the angle between directions (of any length above 0), in degrees, in [0, 180].

    Uses ``2 atan2(|a - b|, |a + b|)``, which is exact for small angles too (Kahan, "How Futile are Mindless
    Assessments of Roundoff", 2006).
    """
    a = first / np.linalg.norm(first, axis=-1, keepdims=True)
    b = second / np.linalg.norm(second, axis=-1, keepdims=True)
    return np.degrees(2.0 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)))


def _shading(linear: np.ndarray, albedo: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return shading and weight of pixels (P, 3): the luminance, or the least squares quotient by the albedo."""
    if albedo is None:
        return linear @ LUMINANCE, np.ones(len(linear))
    # s minimises the sum over channels of (linear - albedo s)^2; its error then counts with the albedo's square
    power = np.sum(albedo**2, axis=-1)
    return np.sum(linear * albedo, axis=-1) / np.maximum(power, 1e-12), power


def _fits(
    shading: np.ndarray, weight: np.ndarray, ambient: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each first guess, the mean absolute residual (S,) and light times strength (S, 3)."""
    # max(n . l, 0) is linear in l once it is known which pixels are lit: those with n . l > 0 for the last l. So each
    # step is least squares in four unknowns, the ambient light and the three components of l.
    starts = _FIT.starts
    lights, robust = spread_directions(starts, _FIT.lowest_start), np.ones((starts, len(normal)))
    ridge = _FIT.ridge * (1.0 + weight.sum()) * np.eye(4)
    columns, residual = np.empty((starts, len(normal), 4)), np.empty_like(robust)
    columns[..., 0] = ambient
    for _ in range(_FIT.steps):
        columns[..., 1:] = (lights @ normal.T > 0.0)[..., None] * normal
        weighted = np.swapaxes(columns * (weight * robust)[..., None], -1, -2)
        solution = np.linalg.solve(weighted @ columns + ridge, weighted @ shading[:, None])
        residual, lights = (columns @ solution)[..., 0] - shading, solution[:, 1:, 0]
        robust = _cauchy_weights(residual)
    return np.abs(residual) @ weight / max(weight.sum(), 1e-12), lights


def _cauchy_weights(residual: Float[np.ndarray, "fits pixels"]) -> Float[np.ndarray, "fits pixels"]:
    """Return weights that fall with the residual, by Cauchy's loss of twice each fit's deviation."""
    # of normal noise, the median absolute value is 1 / 1.4826 standard deviations; outliers hardly move it
    scale = 1.4826 * np.median(np.abs(residual), axis=-1, keepdims=True)
    return 1.0 / (1.0 + (residual / np.maximum(_ROBUST.outlier * scale, 1e-6)) ** 2)
