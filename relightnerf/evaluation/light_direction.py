"""Where the light of a picture comes from, by the shading of what it shows."""

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.color import LUMINANCE, srgb_to_linear
from relightnerf.lights import spread_directions

_STARTS = 8
_STEPS = 15
_MOST_PIXELS = 4000
_SATURATED = 0.995
_DARKEST_ALBEDO = 0.02
_RIDGE = 1e-6
_TO_CAMERA = np.array([0.0, 0.0, 1.0])
_NO_SHADING = 1e-4
_LOWEST_START = -0.3  # on the camera's side of the sphere and a little beyond


def fitted_direction(
    image_srgb: Float[np.ndarray, "height width 3"],
    albedo_linear: Float[np.ndarray, "height width 3"] | None,
    normal_camera: Float[np.ndarray, "height width 3"],
    mask: Bool[np.ndarray, "height width"],
    visibility: Float[np.ndarray, "height width"] | None = None,
    ambient_visibility: Float[np.ndarray, "height width"] | None = None,
) -> Float[np.ndarray, "3"]:
    """Return the direction of the distant light that explains a picture of Lambertian surfaces best.

    The model is ``albedo * (ambient * ambient_visibility + visibility * max(normal . light, 0))`` in linear values.
    Which pixels the light reaches, and the ambient and the light's vector, are found in turn, by least squares whose
    weights fall with the residual (Cauchy's), from several first guesses; the one with the least mean absolute
    residual is taken.

    Args:
        image_srgb: in [0, 1]; saturated pixels do not count.
        albedo_linear: in [0, 1]; None takes it as one unknown constant, and what differs from it as outliers.
        normal_camera: unit vectors, 0 where unknown.
        mask: pixels that count; with one constant albedo, those of one object.
        visibility: part of the light that reaches each pixel, in [0, 1]; 1 if not given.
        ambient_visibility: part of the ambient light that reaches each pixel, in [0, 1]; 1 if not given, which where
            the ambient is a fifth of the light turns the direction by up to 6 degrees towards the open side.

    Returns:
        A unit vector towards the light, in the camera frame of the normals; the mean normal (or the direction to the
        camera) where the picture has no shading.
    """
    normal = normal_camera.astype(np.float64)
    known = mask & (np.linalg.norm(normal, axis=-1) > 0.5) & (image_srgb < _SATURATED).all(axis=-1)
    if albedo_linear is not None:
        known &= albedo_linear.mean(axis=-1) > _DARKEST_ALBEDO
    if not known.any():
        return _TO_CAMERA
    rows = np.flatnonzero(known)
    rows = rows[:: -(-len(rows) // _MOST_PIXELS)]
    some = normal.reshape(-1, 3)[rows]
    albedo = None if albedo_linear is None else albedo_linear.reshape(-1, 3)[rows].astype(np.float64)
    shading, weight = _shading(srgb_to_linear(image_srgb.reshape(-1, 3)[rows].astype(np.float64)), albedo)
    seen, ambient = (
        np.ones(len(rows)) if part is None else part.reshape(-1)[rows].astype(np.float64)
        for part in (visibility, ambient_visibility)
    )
    costs, lights = _fits(shading, weight, ambient, seen, some)
    light = lights[np.argmin(costs)]
    if np.linalg.norm(light) < _NO_SHADING * max(np.abs(shading).mean(), _NO_SHADING):
        light = some.sum(axis=0)
    length = np.linalg.norm(light)
    return light / length if length > 0.0 else _TO_CAMERA


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
    power = np.sum(albedo**2, axis=-1)
    return np.sum(linear * albedo, axis=-1) / np.maximum(power, 1e-12), power


def _fits(
    shading: np.ndarray, weight: np.ndarray, ambient: np.ndarray, seen: np.ndarray, normal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each first guess, the mean absolute residual (S,) and light times strength (S, 3)."""
    lights, robust = spread_directions(_STARTS, _LOWEST_START), np.ones((_STARTS, len(normal)))
    ridge = _RIDGE * (1.0 + weight.sum()) * np.eye(4)
    columns, residual = np.empty((_STARTS, len(normal), 4)), np.empty_like(robust)
    columns[..., 0] = ambient
    for _ in range(_STEPS):
        columns[..., 1:] = (seen * (lights @ normal.T > 0.0))[..., None] * normal
        weighted = np.swapaxes(columns * (weight * robust)[..., None], -1, -2)
        solution = np.linalg.solve(weighted @ columns + ridge, weighted @ shading[:, None])
        residual, lights = (columns @ solution)[..., 0] - shading, solution[:, 1:, 0]
        scale = 1.4826 * np.median(np.abs(residual), axis=-1, keepdims=True)
        robust = 1.0 / (1.0 + (residual / np.maximum(2.0 * scale, 1e-6)) ** 2)
    return np.abs(residual) @ weight / max(weight.sum(), 1e-12), lights
