"""Light and photos of the procedural captures: suns, skies, exposure, and what a camera does to a picture."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from demo_mitsuba import Float32, unit_from_angles
from PIL import Image
from procedural_scenes import Arrangement
from procedural_shapes import Array, Rng
from scipy.ndimage import gaussian_filter, shift

from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.lights import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE

LIGHTS = ("hard", "canonical", "soft", "overcast")
WELL_EXPOSED, WELL_EXPOSED_SHARE = 0.85, 98.0
"""Linear value that this percentage of the values of a capture's photos does not exceed."""
APART_DEG = 25.0
HELD_OUT_LIGHTS = 4
MAP_ROWS = 512
UNFAULTED = 0.25


@dataclass(frozen=True)
class CaptureLight:
    """A disc at infinity and white ambient light.

    Attributes:
        kind: one of `LIGHTS`.
        direction_world: (3,), unit, towards the disc.
        radius_deg: of the disc.
        irradiance: of the disc on a surface that faces it.
        ambient: radiance from everywhere.
    """

    kind: str
    direction_world: Array
    radius_deg: float
    irradiance: float
    ambient: float


@dataclass(frozen=True)
class Faults:
    """What a camera does to the linear pictures of a capture; 0 everywhere, and PNG, for a perfect one.

    Attributes:
        defocus_px: most standard deviation of the blur of a photo.
        motion_px: most length of the streaks of a photo.
        shot: variance of the noise at full scale.
        read: standard deviation of the noise in the dark.
        drift: standard deviation of the logarithm of a photo's exposure.
        quality: of JPEG files; None for PNG.
    """

    defocus_px: float = 0.0
    motion_px: float = 0.0
    shot: float = 0.0
    read: float = 0.0
    drift: float = 0.0
    quality: int | None = None


def draw_light(rng: Rng, kind: str, arrangement: Arrangement) -> CaptureLight:
    """Draw the light of a capture; before walls it comes from their front."""
    direction = unit_from_angles(_azimuth(rng, arrangement), rng.uniform(32.0, 68.0))
    radius, irradiance, ambient = {
        "hard": (rng.uniform(1.0, 3.0), IRRADIANCE, rng.uniform(0.04, 0.09)),
        "canonical": (DISC_RADIUS_DEG, IRRADIANCE, AMBIENT_RADIANCE),
        "soft": (rng.uniform(10.0, 25.0), IRRADIANCE, 0.28),
        "overcast": (rng.uniform(10.0, 25.0), rng.uniform(0.5, 0.9), rng.uniform(0.5, 0.7)),
    }[kind]
    return CaptureLight(kind, direction, float(radius), float(irradiance), float(ambient))


def held_out_lights(rng: Rng, capture: CaptureLight, arrangement: Arrangement) -> dict[str, Array]:
    """Directions (3,) of the truth's canonical lights by name, all apart from one another and from the capture's."""
    elevations = np.linspace(24.0, 74.0, HELD_OUT_LIGHTS)[rng.permutation(HELD_OUT_LIGHTS)]
    low, high = _azimuths(arrangement)
    chosen: list[Array] = []
    for index, elevation in enumerate(elevations):
        part = (high - low) / HELD_OUT_LIGHTS
        for _ in range(50):
            direction = unit_from_angles(low + part * (index + rng.random()), elevation + rng.uniform(-5, 5))
            others = np.array([capture.direction_world, *chosen])
            if (others @ direction < np.cos(np.deg2rad(APART_DEG))).all():
                break
        chosen.append(direction)
    return {f"light_{index}": direction for index, direction in enumerate(chosen)}


def _azimuths(arrangement: Arrangement) -> tuple[float, float]:
    open_around = arrangement.azimuths_deg[1] - arrangement.azimuths_deg[0] > 300.0
    return (0.0, 360.0) if open_around else (-175.0, -5.0)


def _azimuth(rng: Rng, arrangement: Arrangement) -> float:
    return float(rng.uniform(*_azimuths(arrangement)))


def exposure(pictures: list[Float32]) -> float:
    """Factor that exposes linear pictures well, together."""
    values = np.concatenate([picture.max(axis=-1).ravel() for picture in pictures])
    return float(WELL_EXPOSED / max(np.percentile(values, WELL_EXPOSED_SHARE), 1e-3))


def draw_faults(rng: Rng) -> Faults:
    """Draw a camera; one in four is perfect, and no other has all faults strongly."""
    perfect, *some = rng.random(6)
    defocus, motion, noise, drift = rng.uniform(0.4, 1.0), rng.uniform(1.0, 3.0), rng.uniform(0.3, 1.0), rng.random()
    quality = int(rng.integers(70, 93))
    if perfect < UNFAULTED:
        return Faults()
    return Faults(
        defocus_px=defocus if some[0] < 0.4 else 0.0,
        motion_px=motion if some[1] < 0.3 else 0.0,
        shot=2e-3 * noise if some[2] < 0.7 else 0.0,
        read=8e-3 * noise if some[2] < 0.7 else 0.0,
        drift=0.03 + 0.06 * drift if some[3] < 0.4 else 0.0,
        quality=quality if some[4] < 0.5 else None,
    )


def photo(rng: Rng, linear: Float32, faults: Faults) -> bytes:
    """A linear picture as the file that the camera writes."""
    image = linear * np.exp(rng.normal(0.0, faults.drift))
    defocus_px, motion_px = rng.uniform(0.2, 1.0) * faults.defocus_px, rng.uniform(0.0, 1.0) * faults.motion_px
    if defocus_px:
        image = gaussian_filter(image, (defocus_px, defocus_px, 0.0), mode="nearest")
    if motion_px:
        image = _streaked(image, motion_px, rng.uniform(0.0, np.pi))
    deviation = np.sqrt(faults.shot * np.clip(image, 0.0, 1.0) + faults.read**2)
    image = image + rng.normal(size=image.shape) * deviation
    stored = Image.fromarray(to_uint8(linear_to_srgb(np.clip(image, 0.0, 1.0).astype(np.float32))))
    file = io.BytesIO()
    if faults.quality is None:
        stored.save(file, "PNG", optimize=True)
    else:
        stored.save(file, "JPEG", quality=faults.quality)
    return file.getvalue()


def _streaked(image: Float32, length_px: float, angle_rad: float) -> Float32:
    """The mean over a short straight motion."""
    along = length_px * np.array([np.sin(angle_rad), np.cos(angle_rad), 0.0])
    return np.mean([shift(image, part * along, order=1, mode="nearest") for part in np.linspace(-0.5, 0.5, 7)], axis=0)
