"""Training samples of normals: what a fitted field may have made of a scene's geometry, the photo, and the truth.

A field errs in a way of its own. It is good where many photos look and bad where few do, as a rule far away, where all
comes to lie at much the same distance; it rounds edges off, fills what is hollow (most of all the dark under a belly,
so that things seem to stand on skirts) and makes things a little fatter, while outlines against what is far behind
stay sharp.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.geometry.normals import depth_normals
from relightnerf.imaging.color import to_float
from relightnerf.training.data.light_mixtures import LightMixtures, smooth_noise
from relightnerf.training.data.light_pairs import PairChoice, nearest_pixels, resized_normals, resized_picture

_EXACT, _STORED = 0.15, 0.2
_ROUNDED, _ALIKE = (0.003, 0.025), (0.01, 0.3)
_FILLED, _HOLLOW, _DEEP, _FILLING = 0.8, (0.01, 0.12), (0.03, 0.3), (0.5, 1.5)
_DARK, _DARKNESS, _FADING = 0.7, (0.35, 0.8), 0.15
_NEARER, _FAR, _KEPT = 0.6, (0.0, 0.7), (-0.2, 0.8)
_FATTER, _MOST_FATTER = 0.4, 0.01
_BUMPS, _CELLS = (3e-4, 1.5e-2), ((6, 13), (12, 25), (24, 49))
_FURTHER, _UNEVEN, _MOST_BUMP, _HOLES = (0.0, 4.0), 0.8, 0.05, (2.0, 4.0)
_WINDOWS, _PATCHY = ((1, 3), (2, 5)), (0.3, 3.0)


class NormalSamples(LightMixtures):
    """Inexact geometry, photos in mixtures of lights, and true normals; sample ``number`` is always the same.

    Args:
        root: folder with scenes, as ``LightMixtures`` takes them.
        size: (width, height) of the samples, pixels.
        seed: together with the number, of everything random.
        augment: crop, flip, degrade the photo.
    """

    least_crop = 0.7

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
        if kind < _EXACT:
            return depth, self._normal(scene)
        if kind < _EXACT + _STORED and self.scenes[scene].has_inexact:
            return self._inexact(scene, "depth"), self._inexact(scene, "normal")
        camera = self.scenes[scene].camera
        fitted = fitted_depth(depth, to_float(self._ambient_visibility(scene)), rng)
        fine, coarse = (depth_normals(camera, fitted, int(rng.integers(*window))) for window in _WINDOWS)
        patches = smooth_noise(depth.shape, rng, (5, 33)) + 0.5 * rng.standard_normal(depth.shape)
        return fitted, np.where((patches > rng.choice([-1, 1]) * rng.uniform(*_PATCHY))[..., None], fine, coarse)


def fitted_depth(
    depth: Float[np.ndarray, "height width"],
    ambient_visibility: Float[np.ndarray, "height width"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "height width"]:
    """Return depth as a field might have it: hollows filled, rounded where surfaces meet, bumpy, and with holes.

    Args:
        depth: true depth along the camera's -z, 0 where unknown.
        ambient_visibility: ambient visibility in [0, 1].
        rng: draws what is wrong.
    """
    known = depth > 0
    if not known.any():
        return depth
    size, typical = float(np.sqrt(depth.size)), float(np.median(depth[known]))
    logs = np.log(np.where(known, depth, 10.0 * depth.max())).astype(np.float32)
    if rng.random() < _NEARER:
        beyond = np.maximum(logs - np.log(typical) - rng.uniform(*_FAR), 0.0)
        logs -= beyond * (1.0 - _uneven_share(depth.shape, _KEPT, (3, 13), rng))
    if rng.random() < _FATTER:
        logs = cv2.erode(logs, _disc(size * _MOST_FATTER * rng.random()))
    if rng.random() < _FILLED:
        dark = np.clip((rng.uniform(*_DARKNESS) - ambient_visibility) / _FADING, 0.0, 1.0)
        logs = _filled(logs, dark if rng.random() < _DARK else np.ones_like(dark), size, rng)
    alike, across = _log_uniform(_ALIKE, rng), size * _log_uniform(_ROUNDED, rng)
    rounded = cv2.bilateralFilter(logs, 0, alike, max(across, 0.3))
    shares = rng.random(len(_CELLS)) ** 2
    bumps = sum(share * smooth_noise(depth.shape, rng, cells) for share, cells in zip(shares, _CELLS, strict=True))
    level = _log_uniform(_BUMPS, rng) * (np.where(known, depth, typical) / typical) ** rng.uniform(*_FURTHER)
    level = np.minimum(level * np.exp(_UNEVEN * smooth_noise(depth.shape, rng, (3, 7))), _MOST_BUMP)
    known = known & (smooth_noise(depth.shape, rng, (5, 13)) < rng.uniform(*_HOLES))
    return np.where(known, np.exp(rounded + level * bumps), 0.0).astype(np.float32)


def _filled(
    logs: Float[np.ndarray, "height width"],
    part: Float[np.ndarray, "height width"],
    size: float,
    rng: np.random.Generator,
) -> Float[np.ndarray, "height width"]:
    """Bring part of the log depth nearer in narrow hollows, in one place more than in another; deep ones stay open."""
    across = size * _log_uniform(_HOLLOW, rng)
    hollow = logs - cv2.morphologyEx(logs, cv2.MORPH_OPEN, _disc(across))
    hollow = part * hollow * np.exp(-((hollow / _log_uniform(_DEEP, rng)) ** 2))
    hollow = cv2.GaussianBlur(hollow.astype(np.float32), (0, 0), max(across / 8.0, 0.3))
    return logs - hollow * _uneven_share(logs.shape, _FILLING, (3, 9), rng)


def _uneven_share(
    shape: tuple[int, ...], mean: tuple[float, float], cells: tuple[int, int], rng: np.random.Generator
) -> Float[np.ndarray, "height width"]:
    """Return a share in [0, 1] that differs smoothly from place to place, about a mean drawn between two bounds."""
    return np.clip(rng.uniform(*mean) + 0.4 * smooth_noise(shape, rng, cells), 0.0, 1.0)


def _disc(radius: float) -> np.ndarray:
    side = 2 * round(radius) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _log_uniform(bounds: tuple[float, float], rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(*np.log(bounds))))
