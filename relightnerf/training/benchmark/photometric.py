"""Real objects under known lights: photos for photometric stereo, and the surfaces that they determine.

A folder of such photos holds::

    lights.txt                the number of lights, then a line "x y z" for each: a vector towards the distant light
                              (x right, y up, z from the object to the camera); all are equally strong
    <object>/<object>.<i>.png photo under light i, counted from 0; 8-bit, linear (in proportion to the light)
    <object>/<object>.mask.png above the middle grey where the object is

which is the layout of the University of Washington's set. Its ball ``chrome``, which the lights were measured with, is
no Lambertian object and is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.errors import InputError
from relightnerf.imaging.color import to_float
from relightnerf.io.images import read_image
from relightnerf.lights import normalized_direction

_LIGHTS = "lights.txt"
_BALL = "chrome"
"""Name of the mirror ball among the objects."""
_LEAST_LIGHTS = 6
"""Photos that are needed: from 6 on, one can be trimmed at each end, and ``least_observations`` are left."""


@dataclass(frozen=True)
class PhotometricSettings:
    """Which observations of a pixel count, and when they are enough. Luminances are linear, in [0, 1]."""

    trimmed_part: int = 6
    """One part of so many, at either end of a pixel's observations, does not count: of 12 lights two are taken for
    highlights and two for shadows. Fewer let more of them in, more leave too little to solve with."""
    shadowed: float = 0.15
    """Part of a pixel's brightest observation below which it is in shadow: also cosines below it are left out (lights
    within 9 degrees of the surface), whose shading is mostly what other surfaces throw back."""
    saturated: float = 0.99
    """A channel from here on may have been clipped."""
    least_observations: int = 4
    """That count at a pixel: one more than the three unknowns."""
    least_spread: float = 0.01
    """Least eigenvalue of the sum of the lights' outer products. Where the lights that count lie in a plane, it is 0
    and the normal's part across that plane is not told; errors grow with one over its root."""
    brightest_albedo: float = 0.9
    """Albedo that the brightest surface is taken to have: photos tell it up to a factor only. White paper has about
    this much."""
    brightest_quantile: float = 0.995
    """Quantile of the albedos that gets it; the few above are highlights."""


_SETTINGS = PhotometricSettings()


@dataclass(frozen=True)
class PhotometricObject:
    """One object, fixed in view under several distant lights.

    Attributes:
        name: of its folder.
        photos: linear, in [0, 1].
        directions: unit vectors towards the lights, camera frame (OpenGL).
        mask: True where the object is.
    """

    name: str
    photos: Float[np.ndarray, "lights height width 3"]
    directions: Float[np.ndarray, "lights 3"]
    mask: Bool[np.ndarray, "height width"]

    def cropped(self, margin: float = 0.08) -> "PhotometricObject":
        """Return what the mask's box shows, wider by a part of its longer side."""
        spans = [np.flatnonzero(self.mask.any(axis=axis))[[0, -1]] for axis in (1, 0)]
        edge = round(margin * max(last - first + 1 for first, last in spans))
        rows, columns = (slice(max(0, first - edge), last + 1 + edge) for first, last in spans)
        return replace(self, photos=self.photos[:, rows, columns], mask=self.mask[rows, columns])


@dataclass(frozen=True)
class PhotometricSurface:
    """What the photos of an object say about its surface.

    Attributes:
        normal_camera: unit, camera frame, 0 where too few lights reach the surface to tell.
        albedo: linear in [0, 1], up to one factor; 0 where the normal is.
    """

    normal_camera: Float[np.ndarray, "height width 3"]
    albedo: Float[np.ndarray, "height width 3"]


def read_photometric(folder: Path) -> list[PhotometricObject]:
    """Read all objects of a folder of photometric-stereo photos, sorted by name.

    Raises:
        InputError: there is no object, a file is missing or cannot be read, sizes differ, or a mask is empty.
    """
    directions = _read_directions(folder / _LIGHTS)
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name != _BALL)
    if not names:
        raise InputError(f"{folder}: no objects", "give a folder with a folder of photos for each object")
    return [_read_object(folder / name, directions) for name in names]


def photometric_surface(
    photos: Float[np.ndarray, "lights height width 3"],
    directions: Float[np.ndarray, "lights 3"],
    mask: Bool[np.ndarray, "height width"],
) -> PhotometricSurface:
    """Return the Lambertian surface that explains the photos best (Woodham, "Photometric method", 1980).

    Of each pixel's observations a sixth at either end does not count (highlights; shadows), nor do saturated ones and
    those below 0.15 of the pixel's brightest (shadows). The rest is least squares.

    Args:
        photos: linear, in [0, 1]; at least 6.
        directions: unit vectors towards the lights, camera frame.
        mask: True where the object is.
    """
    seen = photos[:, mask].astype(np.float64)
    grey, weight = seen.mean(axis=-1), _observation_weights(seen)
    # Lambert: grey = l . v with v = albedo n. The minimum of sum w (l . v - grey)^2 solves (sum w l l') v =
    # sum w grey l, and v's direction is the normal. Then a channel's albedo is sum s c / sum s^2, with the shading
    # s = w (l . n).
    moments = np.einsum("lp,li,lj->pij", weight, directions, directions)
    enough = weight.sum(axis=0) >= _SETTINGS.least_observations
    reliable = enough & (np.linalg.eigvalsh(moments)[:, 0] > _SETTINGS.least_spread)
    vectors = np.zeros((grey.shape[1], 3))
    sums = np.einsum("lp,li->pi", weight * grey, directions)
    vectors[reliable] = np.linalg.solve(moments[reliable], sums[reliable, :, None])[..., 0]
    normal = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    normal[normal[:, 2] <= 0.0] = 0.0
    shading = weight * np.maximum(directions @ normal.T, 0.0)
    albedo = np.einsum("lp,lpc->pc", shading, seen) / np.maximum((shading**2).sum(axis=0), 1e-6)[:, None]
    brightest = float(np.quantile(albedo, _SETTINGS.brightest_quantile))
    albedo *= _SETTINGS.brightest_albedo / max(brightest, 1e-6)
    return PhotometricSurface(_spread(mask, normal), _spread(mask, np.clip(albedo, 0.0, 1.0)))


def spread_lights(directions: Float[np.ndarray, "lights 3"], count: int) -> list[int]:
    """Return lights that are far from each other, beginning with the one furthest from the mean (Gonzalez 1985)."""
    nearest = directions @ directions.mean(axis=0)
    chosen: list[int] = []
    for _ in range(min(count, len(directions))):
        chosen.append(int(np.argmin(nearest)))
        cosine = directions @ directions[chosen[-1]]
        nearest = cosine if len(chosen) == 1 else np.maximum(nearest, cosine)
    return chosen


def _observation_weights(seen: Float[np.ndarray, "lights pixels 3"]) -> Float[np.ndarray, "lights pixels"]:
    """Return 1 for the observations that count, else 0."""
    grey = seen.mean(axis=-1)
    trimmed = len(grey) // _SETTINGS.trimmed_part
    rank = np.argsort(np.argsort(grey, axis=0, kind="stable"), axis=0, kind="stable")
    kept = (rank >= trimmed) & (rank < len(grey) - trimmed) & (grey > _SETTINGS.shadowed * grey.max(axis=0))
    return (kept & (seen.max(axis=-1) < _SETTINGS.saturated)).astype(np.float64)


def _spread(mask: np.ndarray, values: np.ndarray) -> Float[np.ndarray, "height width 3"]:
    result = np.zeros((*mask.shape, 3), np.float32)
    result[mask] = values
    return result


def _read_directions(path: Path) -> Float[np.ndarray, "lights 3"]:
    if not path.is_file():
        raise InputError(f"{path}: no such file", "give a folder of photometric-stereo photos")
    try:
        count, *lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
        vectors = [[float(value) for value in line] for line in lines]
        number = int(count[0])
    except ValueError as error:
        raise InputError(
            f"{path}: cannot be read ({error})", 'give the number of lights, then a line "x y z" each'
        ) from None
    if number != len(vectors) or number < _LEAST_LIGHTS:
        raise InputError(f"{path}: {len(vectors)} lights, {number} announced", f"list {_LEAST_LIGHTS} or more lights")
    return np.stack([normalized_direction(np.array(v), f"{path}: light {i}") for i, v in enumerate(vectors)])


def _read_object(folder: Path, directions: np.ndarray) -> PhotometricObject:
    paths: Sequence[Path] = [folder / f"{folder.name}.{i}.png" for i in range(len(directions))]
    pictures = [read_image(path, upright=False) for path in (*paths, folder / f"{folder.name}.mask.png")]
    other = next((path for path, p in zip(paths, pictures[1:], strict=True) if p.shape != pictures[0].shape), None)
    if other is not None:
        raise InputError(f"{folder}: pictures of different sizes", "give photos and mask of one size")
    mask = pictures[-1].mean(axis=-1) > 127.5
    if not mask.any():
        raise InputError(f"{folder}: the mask is empty", "make the object white in it")
    return PhotometricObject(folder.name, to_float(np.stack(pictures[:-1])), directions, mask)
