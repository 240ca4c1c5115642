"""Geometry as a picture's pixels see it, spoiled in the ways in which fitted geometry is wrong.

A relighter that was trained on true geometry believes every bump of a fitted one. Spoiled samples teach it to take from
geometry what survives such errors (where large surfaces face, where shadows lie, about) and the rest from the photo.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class SpoilingSettings:
    """How wrong spoiled geometry is at most: strengths are times a sample's own strength, drawn from [0, 1].

    Sizes in pixels are of samples of 64 to 96 pixels to a side. Cells are of noise (``smooth_noise``), as at least and
    less than so many to a side: few for errors of whole objects, many for those of small places. All numbers trade the
    same two things: more, and the network heeds geometry less than it could; less, and it believes what a fit got
    wrong.
    """

    shift_px: float = 2.0
    """Everything is bent by up to about this: a field's outlines lie beside the photo's by a pixel or two."""
    shift_cells: tuple[int, int] = (3, 9)
    """Of the bending: whole objects move, not single pixels."""
    depth_bumps: float = 0.03
    """Relative error of depth. A field fitted in minutes errs by 0.3 % in the median, and by far more in places."""
    depth_cells: tuple[int, int] = (2, 12)
    """Of these errors."""
    blurred: float = 0.5
    """How often normals, and each shadow, are blurred: fits round edges off in some places only."""
    least_blur_px: float = 0.1
    """Standard deviation of the least blur, which changes nothing: OpenCV takes none of 0."""
    normal_blur_px: float = 2.0
    """Standard deviation of normals' blur."""
    normal_bumps: float = 0.3
    """Added to each component of a unit normal: 0.3 turns it by 17 degrees; a field's are off by 12 in the mean."""
    normal_cells: tuple[tuple[int, int], ...] = ((3, 8), (10, 30))
    """Of normals' bumps, one after the other: large ones of badly seen places, small ones of noise."""
    shadow_blur_px: float = 1.5
    """Standard deviation of shadows' blur."""
    stain_cells: tuple[int, int] = (4, 16)
    """Of stains, which are false light in shadows and false shadows in light, all of a sample equally bright."""
    stain_level: float = 3.2
    """Where noise, with a spread of 1.2, is beyond this to either side there is a stain: in samples of no strength in
    1 % of the picture."""
    stain_level_fall: float = 1.4
    """By so much the level is lower at full strength: beyond 1.8 lies 14 % of the picture."""
    ambient_bumps: float = 0.15
    """Added to ambient visibility, which is in [0, 1] and smooth, so errs less than shadows do."""
    ambient_cells: tuple[int, int] = (3, 10)
    """Of these errors."""
    hole_level: float = 3.5
    """As ``stain_level``, to one side, of places where nothing is known: 0.3 % of the picture at no strength."""
    hole_level_fall: float = 1.5
    """By up to so much the level is lower at full strength: beyond 2.0 lies 5 % of the picture."""
    hole_cells: tuple[int, int] = (3, 8)
    """Of holes: large ones, as where no photo looks; single pixels are rarely without depth."""


_SPOILING = SpoilingSettings()


@dataclass(frozen=True)
class Surface:
    """What a picture's pixels see.

    Attributes:
        depth: along the camera's -z, 0 where unknown.
        normal: unit, camera frame, 0 where unknown.
        visibility: part of the target light's disc that is seen, in [0, 1].
        ambient_visibility: ambient visibility in [0, 1].
        source_visibility: the same as ``visibility``, of the light that the photo is said to be taken under.
    """

    depth: Float[np.ndarray, "height width"]
    normal: Float[np.ndarray, "height width 3"]
    visibility: Float[np.ndarray, "height width"]
    ambient_visibility: Float[np.ndarray, "height width"]
    source_visibility: Float[np.ndarray, "height width"]


def degraded(surface: Surface, rng: np.random.Generator, settings: SpoilingSettings = _SPOILING) -> Surface:
    """Return geometry as fitted fields give it: edges shifted, depth and normals bumpy, shadows blurred and stained.

    Args:
        surface: true geometry.
        rng: draws what is wrong, and how strongly.
        settings: how wrong it is at most.
    """
    # The order of draws is part of what a seed means: another order is other training data.
    shape, strength = surface.depth.shape, rng.random()
    bent = _bending(shape, strength, rng, settings)
    depth = bent(surface.depth, cv2.INTER_NEAREST)  # a mean of two depths is a place where nothing is
    depth = depth * (1.0 + settings.depth_bumps * strength * smooth_noise(shape, rng, settings.depth_cells))
    normal = _bumpy(bent(surface.normal, cv2.INTER_LINEAR), depth > 0, strength, rng, settings)
    seen, source_seen = (
        _stained(bent(visibility, cv2.INTER_LINEAR), strength, rng, settings)
        for visibility in (surface.visibility, surface.source_visibility)
    )
    ambient = bent(surface.ambient_visibility, cv2.INTER_LINEAR)
    ambient = ambient + settings.ambient_bumps * strength * smooth_noise(shape, rng, settings.ambient_cells)
    hole_noise = smooth_noise(shape, rng, settings.hole_cells)
    known = (depth > 0) & ~(hole_noise > settings.hole_level - settings.hole_level_fall * strength * rng.random())
    has_normal = known[..., None] & np.any(surface.normal != 0, axis=-1, keepdims=True)
    return Surface(
        np.where(known, depth, 0.0).astype(np.float32),
        np.where(has_normal, normal, 0.0).astype(np.float32),
        *(np.where(known, np.clip(grey, 0.0, 1.0), 0.0).astype(np.float32) for grey in (seen, ambient, source_seen)),
    )


def _bending(
    shape: tuple[int, ...], strength: float, rng: np.random.Generator, settings: SpoilingSettings
) -> Callable[[np.ndarray, int], np.ndarray]:
    """Return what moves every pixel of a picture by a smooth random field, the same one for all pictures."""
    across, down = (smooth_noise(shape, rng, settings.shift_cells) for _ in range(2))
    rows, columns = np.indices(shape, np.float32)
    reach = strength * rng.uniform(0.0, settings.shift_px)
    maps = (columns + reach * across).astype(np.float32), (rows + reach * down).astype(np.float32)
    return lambda values, mode: cv2.remap(values.astype(np.float32), *maps, mode, borderMode=cv2.BORDER_REPLICATE)


def _bumpy(
    normal: Float[np.ndarray, "height width 3"],
    known: np.ndarray,
    strength: float,
    rng: np.random.Generator,
    settings: SpoilingSettings,
) -> Float[np.ndarray, "height width 3"]:
    """Return unit normals, blurred or not, with bumps of two sizes."""
    if rng.random() < settings.blurred:
        sigma = settings.least_blur_px + settings.normal_blur_px * strength * rng.random()
        normal = cv2.GaussianBlur(normal, (0, 0), sigma)
    for cells in settings.normal_cells:
        bumps = np.stack([smooth_noise(known.shape, rng, cells) for _ in range(3)], axis=-1)
        normal = normal + settings.normal_bumps * strength * rng.random() * bumps * known[..., None]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    return normal


def _stained(
    visible: Float[np.ndarray, "height width"],
    strength: float,
    rng: np.random.Generator,
    settings: SpoilingSettings,
) -> np.ndarray:
    """Return visibility, blurred or not, with places that say the same wrong thing."""
    if rng.random() < settings.blurred:
        sigma = settings.least_blur_px + settings.shadow_blur_px * strength * rng.random()
        visible = cv2.GaussianBlur(visible, (0, 0), sigma)
    noise = np.abs(smooth_noise(visible.shape, rng, settings.stain_cells))
    return np.where(noise > settings.stain_level - settings.stain_level_fall * strength, rng.random(), visible)


def smooth_noise(
    shape: tuple[int, ...], rng: np.random.Generator, cells: tuple[int, int]
) -> Float[np.ndarray, "height width"]:
    """Smooth noise with a spread of about 1.2, with at least and less than so many cells to a side."""
    side = int(rng.integers(*cells))
    lattice = rng.standard_normal((side, side)).astype(np.float32)
    # between the lattice's points lie weighted means of independent values, whose spread is smaller than theirs
    return 1.4 * cv2.resize(lattice, shape[::-1], interpolation=cv2.INTER_CUBIC)
