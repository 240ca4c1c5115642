"""Radiance of surfaces painted white, without learning: Lambert, light from six sides, and a guess of bounces."""

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.lights._canonical import AMBIENT_RADIANCE, IRRADIANCE

SHADINGS = 8
"""Terms of the shading: the disc, six ambient lobes, and bounced light."""
TYPICAL_SHADING = 0.4
"""Mean luminance that the shading of a photo's own light is brought to before the new light's is divided by it."""
_BOUNCE_ALBEDO = 0.35
_DAMPING = 0.03
_LARGEST_RATIO = 6.0


def shading_terms(
    disc: Float[np.ndarray, "*pixels"],
    normals: Float[np.ndarray, "*pixels 3"],
    ambient: Float[np.ndarray, "*pixels"],
) -> Float[np.ndarray, "*pixels 8"]:
    """Return the terms that make up the shading under any light with one disc, each times an amount.

    Args:
        disc: cosine times visibility of the light's disc.
        normals: unit, in any frame, which the lobes are along the axes of.
        ambient: ambient visibility.
    """
    return np.concatenate([IRRADIANCE / np.pi * disc[..., None], ambient_terms(normals, ambient)], axis=-1)


def ambient_terms(
    normals: Float[np.ndarray, "*pixels 3"], ambient: Float[np.ndarray, "*pixels"]
) -> Float[np.ndarray, "*pixels 7"]:
    """Return ``shading_terms`` without the disc's."""
    lobes = np.concatenate([1.0 + normals, 1.0 - normals], axis=-1) / 2.0
    return np.concatenate([ambient[..., None] * lobes, 1.0 - ambient[..., None]], axis=-1)


def canonical_shading(
    disc: Float[np.ndarray, "height width"],
    ambient: Float[np.ndarray, "height width"],
    known: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width"]:
    """Return the shading under a canonical light, with what a view's surroundings throw back.

    Args:
        disc: cosine times visibility of the light's disc.
        ambient: ambient visibility.
        known: where there is geometry.
    """
    direct = IRRADIANCE / np.pi * disc + AMBIENT_RADIANCE * ambient
    mean = direct[known].mean() if known.any() else 0.0
    return direct + _BOUNCE_ALBEDO * mean * (1.0 - ambient)


def shading_ratio(
    target: Float[np.ndarray, "height width"],
    capture: Float[np.ndarray, "height width 3"],
    known: Bool[np.ndarray, "height width"],
) -> Float[np.ndarray, "height width 3"]:
    """Return what ray-cast shading multiplies a photo's linear values by; a view's mean where geometry is unknown.

    Both shadings are damped, so that deep shadow does not become noise: in [1/36, 6].

    Args:
        target: shading under the new light.
        capture: shading under the photo's own light, with ``TYPICAL_SHADING`` as its mean luminance.
        known: where there is geometry.
    """
    if not known.any():
        return np.ones_like(capture)
    ratio = (target[..., None] + _DAMPING) / (capture + _DAMPING)
    overall = (target[known].mean() + _DAMPING) / (capture[known].mean(axis=0) + _DAMPING)
    return np.clip(np.where(known[..., None], ratio, overall), 1.0 / _LARGEST_RATIO**2, _LARGEST_RATIO)
