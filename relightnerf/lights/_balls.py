"""Pictures of a gray ball that show a light's direction."""

import numpy as np
from jaxtyping import Float, UInt8

from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.lights._canonical import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE
from relightnerf.lights._lighting import Lighting

_ALBEDO = 0.8
"""Of the ball: that of the all-white scene of cues (``WHITE_ALBEDO``), so that it is as bright as they are."""
_BACKGROUND = 24 / 255
"""sRGB of the contact sheets' ground."""


def gray_ball(direction_camera: Float[np.ndarray, "3"], size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Draw a gray ball (Lambert, albedo 0.8) under the canonical light, seen from the camera without perspective.

    Args:
        direction_camera: unit vector towards the light in the camera frame (x right, y up, z towards the viewer).
        size: width and height in pixels; the ball touches the borders.

    Returns:
        8-bit sRGB on the dark ground of the contact sheets, with a smooth edge.
    """
    ball, covered = lit_ball(Lighting.directional(direction_camera), size)
    return to_uint8(_BACKGROUND + covered[..., None] * (ball - _BACKGROUND))


def lit_ball(lighting: Lighting, size: int) -> tuple[Float[np.ndarray, "size size 3"], Float[np.ndarray, "size size"]]:
    """Draw a gray ball (Lambert, albedo 0.8) under any directional and ambient light, seen without perspective.

    Args:
        lighting: in the camera frame (x right, y up, z towards the viewer); point lights are left out.
        size: width and height in pixels; the ball touches the borders.

    Returns:
        The ball's sRGB in [0, 1], and the share of each pixel that it covers.
    """
    normal, radius = _sphere(size)
    # (size, size, lights) @ (lights, 3): irradiance of all discs over that of the canonical one.
    discs = _disc_cosine(normal @ lighting.directions.T) @ lighting.colors
    # Outgoing radiance of a white surface: E / pi for the discs. Ambient radiance L from everywhere has E = pi L, so L.
    radiance = IRRADIANCE / np.pi * discs + AMBIENT_RADIANCE * lighting.ambient
    # Coverage is a ramp one pixel wide, 1/2 on the ball's edge: 1 - radius, in pixels, is the way in from there.
    return linear_to_srgb(_ALBEDO * radiance), np.clip((1.0 - radius) * size / 2 + 0.5, 0.0, 1.0)


def _sphere(size: int) -> tuple[Float[np.ndarray, "size size 3"], Float[np.ndarray, "size size"]]:
    """Return the ball's normals in the camera frame, beyond its edge those of the edge, and the distance from its axis.

    The ball's radius is 1; half a pixel is left for its smooth edge.
    """
    # Columns and rows in radii, from pixel centres; the outermost centres lie at 1.
    across = (np.arange(size) + 0.5 - size / 2) / max(size / 2 - 0.5, 0.5)
    x, y = np.meshgrid(across, -across)  # Rows go down, y up.
    radius = np.hypot(x, y)
    inside = np.maximum(radius, 1.0)
    normal = np.stack([x / inside, y / inside, np.sqrt(1.0 - np.minimum(radius, 1.0) ** 2)], axis=-1)
    return normal, radius


def _disc_cosine(cosine: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return irradiance from the canonical disc, over that of a surface facing it; ``cosine`` is to the disc's centre.

    The mean of max(0, cosine + s t) over the disc, whose points lie at t in [-1, 1] with density 2/pi sqrt(1 - t^2),
    s the sine of its angular radius: exact to the first order in s. The disc sets softly.
    """
    sine = np.sin(np.radians(DISC_RADIUS_DEG))
    # x is the sine of the centre's height over the horizon, in disc radii: -1 just set, 1 fully risen.
    x = np.clip(cosine / sine, -1.0, 1.0)
    root = np.sqrt(1.0 - x**2)
    # 2/pi times the integral of s (x + t) sqrt(1 - t^2) over t from -x to 1, the part of the disc over the horizon.
    partly = sine * 2.0 / np.pi * (x * (np.pi / 4 + (x * root + np.arcsin(x)) / 2) + root**3 / 3)
    return np.where(cosine >= sine, cosine, partly)  # Fully risen: t has the mean 0.
