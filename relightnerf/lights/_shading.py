"""Radiance of surfaces painted white, without learning: Lambert, light from six sides, and a guess of bounces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.lights._canonical import AMBIENT_RADIANCE, IRRADIANCE

SHADINGS = 8
"""Terms of the shading: the disc, six ambient lobes, and bounced light."""
TYPICAL_SHADING = 0.4
"""Mean luminance that the shading of a photo's own light is brought to before the new light's is divided by it."""


@dataclass(frozen=True)
class ShadingSettings:
    """What tunes how a photo's shading is divided out."""

    bounce_albedo: float = 0.35
    """Albedo of surfaces nearby, which throw back light where they hide the ambient: a guess for all scenes, about that
    of mixed indoor materials. Without it, corners come out black; a white room would have twice as much."""
    damping: float = 0.03
    """Added to both shadings before they are divided; the mean is 0.4. Where a photo's shadow is darker than this, its
    noise and the error of its shading are as large as itself, and a full ratio would show them in the light."""
    largest_ratio: float = 6.0
    """Largest factor on linear values, 2.6 stops: what is brightened by more shows nothing but noise. Darkening may go
    to the square of it, as it hides noise."""


_SETTINGS = ShadingSettings()


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
    # Radiance of a white Lambertian surface under irradiance E cos: E cos / pi.
    return np.concatenate([IRRADIANCE / np.pi * disc[..., None], ambient_terms(normals, ambient)], axis=-1)


def ambient_terms(
    normals: Float[np.ndarray, "*pixels 3"], ambient: Float[np.ndarray, "*pixels"]
) -> Float[np.ndarray, "*pixels 7"]:
    """Return ``shading_terms`` without the disc's.

    Two opposite lobes add up to 1, so equal amounts of all six are even ambient light: (1 + n_k) / 2 is what a surface
    with the normal n gets from the half of the sky around the axis k, over what it gets from there facing it. Bounced
    light comes from where ambient light is hidden, so its term is 1 less the ambient visibility.
    """
    # Along +x, +y, +z, -x, -y, -z: (1 + n_k) / 2 and (1 - n_k) / 2.
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
    # One bounce: where the surroundings hide the sky, they are seen instead, and their radiance is the albedo times the
    # mean radiance of a white scene.
    mean = direct[known].mean() if known.any() else 0.0
    return direct + _SETTINGS.bounce_albedo * mean * (1.0 - ambient)


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
    damping, largest = _SETTINGS.damping, _SETTINGS.largest_ratio
    # (T + d) / (C + d) is T / C where both are bright, and 1 where both are dark.
    ratio = (target[..., None] + damping) / (capture + damping)
    # Without geometry there is no shading; the view's means still tell its overall change, per channel.
    overall = (target[known].mean() + damping) / (capture[known].mean(axis=0) + damping)
    return np.clip(np.where(known[..., None], ratio, overall), 1.0 / largest**2, largest)
