"""Training samples of normals: what a fitted field may have made of a scene's geometry, the photo, and the truth.

A field errs in a way of its own. It is good where many photos look and bad where few do, as a rule far away, where all
comes to lie at much the same distance; it rounds edges off, fills what is hollow (most of all the dark under a belly,
so that things seem to stand on skirts) and makes things a little fatter, while outlines against what is far behind
stay sharp.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.geometry.normals import depth_normals
from relightnerf.imaging.color import to_float
from relightnerf.training.data.light_mixtures import LightMixtures
from relightnerf.training.data.light_pairs import PairChoice, nearest_pixels, resized_normals, resized_picture
from relightnerf.training.data.spoiled_geometry import smooth_noise


@dataclass(frozen=True)
class MeasuredSettings:
    """Where a sample's depth and normals come from: exact, stored, or else spoiled."""

    exact: float = 0.15
    """How often they are the truth: the network has to leave alone what is right, but learns little else from it."""
    stored: float = 0.2
    """How often they are those stored with the scene as a fitted field might have them (``LightFolder.inexact``): one
    way to be wrong for each scene, which more samples of it would let the network learn by heart."""
    windows: tuple[tuple[int, int], tuple[int, int]] = ((1, 3), (2, 5))
    """At least and less than: reach in pixels of the differences that fine and coarse normals are made of. Fine ones
    show every bump, coarse ones round off edges; fields have some of both."""
    patch_cells: tuple[int, int] = (5, 33)
    """Cells to a side of the patches in which normals are fine or coarse."""
    patch_grain: float = 0.5
    """Spread of what each pixel adds to the patches' noise by itself, which frays their borders."""
    patch_level: tuple[float, float] = (0.3, 3.0)
    """Noise (spread about 1.3) beyond which normals are fine, or beyond which they are coarse, by lot: 0.3 mixes them
    evenly, 3.0 leaves nearly all of one kind."""


@dataclass(frozen=True)
class FittedDepthSettings:
    """How often and how wrong depth is.

    Kinds of errors were added until a field of the demo was corrected well: hollows and what is far away took the mean
    error of normals there from 8.0 to 6.4 degrees. Sizes are parts of the picture's side (the root of its area). Pairs
    are bounds of uniform draws, or of such of the logarithm where it says so. They reach from nearly nothing to more
    than fields err, since fields differ, and a network that knows one strength corrects by too much or too little.
    """

    nearer: float = 0.6
    """How often what is far away comes nearer. There few photos look, from nearly the same side, and a fit leaves all
    at much the same distance."""
    nearer_from: tuple[float, float] = (0.0, 0.7)
    """Log of depth over the median beyond which it does: from the median on, or from twice of it."""
    nearer_kept: tuple[float, float] = (-0.2, 0.8)
    """Mean part that is left of the log depth beyond; below 0 nearly everything lies at one distance."""
    nearer_cells: tuple[int, int] = (3, 13)
    """Cells of noise by which that part differs from place to place."""
    fatter: float = 0.4
    """How often things are fatter: outlines against the background stay sharp, but lie outside."""
    most_fatter: float = 0.01
    """By how much at most, in sides: 1 pixel of 96."""
    filled: float = 0.8
    """How often hollows are filled: where surfaces meet and little light comes, photos tell nothing and a fit spans
    the corner. The most frequent error on the demo, and the one that shading shows most."""
    hollow: tuple[float, float] = (0.01, 0.12)
    """Log-uniform: radius, in sides, of the disc that does not fit into what counts as hollow."""
    deep: tuple[float, float] = (0.03, 0.3)
    """Log-uniform: log depth of hollows that stay open for the most part. Deeper ones are gaps between things, through
    which the background is seen, and no corners."""
    filling: tuple[float, float] = (0.5, 1.5)
    """Mean part of a hollow's depth that is filled; above 1 means all of it nearly everywhere."""
    filling_cells: tuple[int, int] = (3, 9)
    """Cells of noise by which that part differs from place to place."""
    filling_blur: float = 8.0
    """The filling is blurred by the hollow's radius over this, so that it has no edges of its own."""
    dark: float = 0.7
    """How often only dark hollows are filled, as under a belly: the others are as well seen as any surface."""
    darkness: tuple[float, float] = (0.35, 0.8)
    """Ambient visibility below which a place is dark."""
    fading: float = 0.15
    """By so much less ambient visibility it is wholly dark."""
    unevenness: float = 0.4
    """Spread of the noise by which shares (kept, filled) differ from place to place."""
    alike: tuple[float, float] = (0.01, 0.3)
    """Log-uniform: difference of log depth that is still smoothed over. Small ones keep steps between things, large
    ones let outlines melt."""
    rounded: tuple[float, float] = (0.003, 0.025)
    """Log-uniform: standard deviation, in sides, of the smoothing that rounds edges off."""
    least_sigma_px: float = 0.3
    """Least standard deviation of any smoothing: below it a Gaussian is one pixel."""
    bumps: tuple[float, float] = (3e-4, 1.5e-2)
    """Log-uniform: spread of log depth. 3e-4 hardly turns a normal, 1.5e-2 is noise where few photos look."""
    bump_cells: tuple[tuple[int, int], ...] = ((6, 13), (12, 25), (24, 49))
    """Of the bumps, whose sizes are mixed by random shares: from large swellings to grain of a few pixels."""
    further: tuple[float, float] = (0.0, 4.0)
    """Power of depth over the median that bumps grow with. Depth from two views errs as its square; 0 is a capture from
    all sides, 4 one from nearly one place."""
    uneven: float = 0.8
    """Spread of the log of the bumps' size from place to place."""
    uneven_cells: tuple[int, int] = (3, 7)
    """Cells of noise of that."""
    most_bump: float = 0.05
    """Spread of log depth that is never exceeded: beyond it nothing is left to correct."""
    holes: tuple[float, float] = (2.0, 4.0)
    """Noise (spread 1.2) beyond which depth is unknown: between 5 % and nothing of the picture."""
    hole_cells: tuple[int, int] = (5, 13)
    """Cells of noise of the holes."""


_MEASURED, _FITTED_DEPTH = MeasuredSettings(), FittedDepthSettings()


class NormalSamples(LightMixtures):
    """Inexact geometry, photos in mixtures of lights, and true normals; sample ``number`` is always the same.

    Args:
        root: folder with scenes, as ``LightMixtures`` takes them.
        size: (width, height) of the samples, pixels.
        seed: together with the number, of everything random.
        augment: crop, flip, degrade the photo.
    """

    least_crop = 0.7
    """See ``LightPairs``."""

    def __init__(self, root: Path, size: tuple[int, int], seed: int = 0, augment: bool = True) -> None:
        super().__init__(root, ("rgb", "depth", "normal"), size, seed, augment=augment)

    def sample(self, choice: PairChoice) -> dict[str, Tensor]:
        """Return the sample of a choice: float32 tensors (channels, height, width).

        ``photo``, ``depth``, ``normal``, ``slopes``: as ``NormalUNet`` takes them; ``truth``: true unit normals, 0
        where unknown; ``weight``: (1, height, width), 1 where both kinds of normals are known.
        """
        rng = np.random.default_rng([self.seed, choice.number, 2])
        photo, _, _ = self._photos(choice, self._mixture(choice, rng), rng)
        depth, normal = self._measured(choice.scene, rng)
        camera = self.scenes[choice.scene].camera
        slopes = resized_picture(camera.rays_camera()[..., :2].astype(np.float32), choice, self.size)
        if choice.flipped:
            slopes[..., 0] *= -1.0
        normal = resized_normals(normal, choice, self.size)
        truth = resized_normals(self._normal(choice.scene), choice, self.size)
        counted = np.any(normal != 0, axis=-1) & np.any(truth != 0, axis=-1)
        pictures = {"photo": photo, "normal": normal, "slopes": slopes, "truth": truth}
        planes = {name: np.moveaxis(picture, -1, 0) for name, picture in pictures.items()}
        planes |= {"depth": nearest_pixels(depth, choice, self.size)[None], "weight": counted[None]}
        return {name: torch.from_numpy(np.ascontiguousarray(plane, np.float32)) for name, plane in planes.items()}

    def _measured(self, scene: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return depth and normals, now and then exact ones."""
        kind, depth = rng.random(), self._depth(scene)
        if kind < _MEASURED.exact:
            return depth, self._normal(scene)
        if kind < _MEASURED.exact + _MEASURED.stored and self.scenes[scene].has_inexact:
            return self._inexact(scene, "depth"), self._inexact(scene, "normal")
        camera = self.scenes[scene].camera
        fitted = fitted_depth(depth, to_float(self._ambient_visibility(scene)), rng)
        fine, coarse = (depth_normals(camera, fitted, int(rng.integers(*window))) for window in _MEASURED.windows)
        patches = smooth_noise(depth.shape, rng, _MEASURED.patch_cells)
        patches = patches + _MEASURED.patch_grain * rng.standard_normal(depth.shape)
        level = rng.choice([-1, 1]) * rng.uniform(*_MEASURED.patch_level)
        return fitted, np.where((patches > level)[..., None], fine, coarse)


def fitted_depth(
    depth: Float[np.ndarray, "height width"],
    ambient_visibility: Float[np.ndarray, "height width"],
    rng: np.random.Generator,
    settings: FittedDepthSettings = _FITTED_DEPTH,
) -> Float[np.ndarray, "height width"]:
    """Return depth as a field might have it: hollows filled, rounded where surfaces meet, bumpy, and with holes.

    Args:
        depth: true depth along the camera's -z, 0 where unknown.
        ambient_visibility: ambient visibility in [0, 1].
        rng: draws what is wrong.
        settings: how often and how wrong it may be.
    """
    known = depth > 0
    if not known.any():
        return depth
    # All is done to the logarithm: a field's errors are in proportion to the distance, and a normal depends on the
    # slopes of log depth alone (see ``benchmark.normal_integration``). The unknown is taken to be far behind all else,
    # so that outlines against it are treated like those against a background.
    size, typical = float(np.sqrt(depth.size)), float(np.median(depth[known]))
    logs = np.log(np.where(known, depth, 10.0 * depth.max())).astype(np.float32)
    if rng.random() < settings.nearer:
        beyond = np.maximum(logs - np.log(typical) - rng.uniform(*settings.nearer_from), 0.0)
        kept = _uneven_share(depth.shape, settings.nearer_kept, settings.nearer_cells, rng, settings)
        logs -= beyond * (1.0 - kept)
    if rng.random() < settings.fatter:
        logs = cv2.erode(logs, _disc(size * settings.most_fatter * rng.random()))
    if rng.random() < settings.filled:
        dark = np.clip((rng.uniform(*settings.darkness) - ambient_visibility) / settings.fading, 0.0, 1.0)
        logs = _filled(logs, dark if rng.random() < settings.dark else np.ones_like(dark), size, rng, settings)
    alike, across = _log_uniform(settings.alike, rng), size * _log_uniform(settings.rounded, rng)
    rounded = cv2.bilateralFilter(logs, 0, alike, max(across, settings.least_sigma_px))
    bumps = _bumps(np.where(known, depth, typical) / typical, rng, settings)
    known = known & (smooth_noise(depth.shape, rng, settings.hole_cells) < rng.uniform(*settings.holes))
    return np.where(known, np.exp(rounded + bumps), 0.0).astype(np.float32)


def _bumps(
    distance: Float[np.ndarray, "height width"], rng: np.random.Generator, settings: FittedDepthSettings
) -> Float[np.ndarray, "height width"]:
    """Return errors of log depth, larger where the distance (over the typical one) is, and in some places."""
    shares = rng.random(len(settings.bump_cells)) ** 2  # squared: mostly one or two sizes stand out
    noises = (smooth_noise(distance.shape, rng, cells) for cells in settings.bump_cells)
    bumps = sum(share * noise for share, noise in zip(shares, noises, strict=True))
    level = _log_uniform(settings.bumps, rng) * distance ** rng.uniform(*settings.further)
    unevenness = np.exp(settings.uneven * smooth_noise(distance.shape, rng, settings.uneven_cells))
    return np.minimum(level * unevenness, settings.most_bump) * bumps


def _filled(
    logs: Float[np.ndarray, "height width"],
    part: Float[np.ndarray, "height width"],
    size: float,
    rng: np.random.Generator,
    settings: FittedDepthSettings,
) -> Float[np.ndarray, "height width"]:
    """Bring part of the log depth nearer in narrow hollows, in one place more than in another; deep ones stay open."""
    # Opening takes away what is higher than its surroundings and narrower than the disc; of depth, that is hollows.
    across = size * _log_uniform(settings.hollow, rng)
    hollow = logs - cv2.morphologyEx(logs, cv2.MORPH_OPEN, _disc(across))
    hollow = part * hollow * np.exp(-((hollow / _log_uniform(settings.deep, rng)) ** 2))
    sigma = max(across / settings.filling_blur, settings.least_sigma_px)
    hollow = cv2.GaussianBlur(hollow.astype(np.float32), (0, 0), sigma)
    return logs - hollow * _uneven_share(logs.shape, settings.filling, settings.filling_cells, rng, settings)


def _uneven_share(
    shape: tuple[int, ...],
    mean: tuple[float, float],
    cells: tuple[int, int],
    rng: np.random.Generator,
    settings: FittedDepthSettings,
) -> Float[np.ndarray, "height width"]:
    """Return a share in [0, 1] that differs smoothly from place to place, about a mean drawn between two bounds."""
    return np.clip(rng.uniform(*mean) + settings.unevenness * smooth_noise(shape, rng, cells), 0.0, 1.0)


def _disc(radius: float) -> np.ndarray:
    side = 2 * round(radius) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
