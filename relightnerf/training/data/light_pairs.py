"""Training samples of multi-illumination sets: a scene under one light, and the same scene under another."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from relightnerf.diffusion.conditions import (
    CAPTURE_PARTS,
    PARTS,
    condition_channels,
    condition_image,
    light_cue,
    normalized_depth,
    source_shading,
)
from relightnerf.errors import InputError
from relightnerf.imaging.color import to_uint8
from relightnerf.training.data.light_folders import LightFolder, find_light_folders

_CACHE_BYTES = 1 << 30
"""Decoded data that each process keeps by default: some 900 pictures of 768x512 in 8 bits; memory, not results."""
_LIGHTS_OF_A_PAIR = 2


@dataclass(frozen=True)
class NormalResizing:
    """How normals are brought to a sample's size."""

    averaged: float = 1.5
    """Stored pixels per sample's pixel, to a side, from which on means are taken instead of one pixel's normal. A mean
    across an edge faces where neither surface does, which a normal picked from one side does not; but where many pixels
    become one, picking leaves noise."""
    least_length: float = 0.3
    """Length of a mean below which it counts as unknown: two unit normals have such a mean at 145 degrees from each
    other, and an unknown one is 0. A larger bound leaves holes along creases, a smaller one lets in what is noise."""


_NORMALS = NormalResizing()


@dataclass(frozen=True)
class PairChoice:
    """What is random about a sample.

    Attributes:
        scene: index of the scene.
        source: index of the light that the network sees.
        target: index of the light that it is to make.
        box: (left, top, right, bottom) of the crop, pixels of the stored pictures.
        flipped: whether left and right are exchanged.
        number: of the sample.
    """

    scene: int
    source: int
    target: int
    box: tuple[float, float, float, float]
    flipped: bool
    number: int


class LightPairs(Dataset[dict[str, Tensor]]):
    """Pairs of lights of one scene, as tensors; sample ``number`` is the same whenever and wherever it is asked for.

    Two different lights of a random scene, a random crop of 70-100 % of the picture's width (or height) in the aspect
    of ``size``, and a random exchange of left and right that also mirrors the light and the normals. Without
    ``augment`` (for validation), scenes take turns, and the whole picture is seen as far as the aspect allows.

    Args:
        root: folder with the scenes.
        parts: names from ``conditions.PARTS`` for the condition image of the target light.
        size: (width, height) of the samples, pixels.
        seed: together with the number, of everything random.
        length: what ``len`` says; numbers beyond it can be asked for too.
        same_light: how often the target's light is the source's.
        augment: crop and flip.
        cache_bytes: how much decoded data each process keeps.

    Raises:
        InputError: there is no scene, or one lacks what the parts need or has too few lights.
    """

    least_crop = 0.7
    """Least part of the picture's width (or height) in a crop: smaller ones show more places and sizes, but less of the
    surroundings that shadows come from."""

    def __init__(
        self,
        root: Path,
        parts: Sequence[str],
        size: tuple[int, int],
        seed: int = 0,
        length: int = 1000,
        same_light: float = 0.0,
        augment: bool = True,
        cache_bytes: int = _CACHE_BYTES,
    ) -> None:
        condition_channels(parts)
        self.scenes = find_light_folders(root)
        for scene in self.scenes:
            _check_usable(scene, parts, same_light)
        self.parts, self.size, self.augment = tuple(parts), size, augment
        self.seed, self._length, self._same_light = seed, length, same_light
        self._cache = _Cache(cache_bytes)

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Return a sample: float32 tensors (channels, height, width).

        ``source`` and ``target``: sRGB in [0, 1]; ``condition``: of the source picture and the target's light, see
        ``conditions``; ``light``: (3,), unit direction towards the target's light in the camera frame; ``weight``:
        (1, height, width), part of each pixel that counts, in [0, 1].
        """
        return self.sample(self.choice(number))

    def choice(self, number: int) -> PairChoice:
        """Return what is random about sample ``number`` (0 or more)."""
        rng = np.random.default_rng([self.seed, int(number)])
        scene = int(rng.integers(len(self.scenes))) if self.augment else int(number) % len(self.scenes)
        folder = self.scenes[scene]
        source, step = int(rng.integers(len(folder))), int(rng.integers(1, max(len(folder), _LIGHTS_OF_A_PAIR)))
        target = source if rng.random() < self._same_light else (source + step) % len(folder)
        part, left, top = (rng.uniform(self.least_crop, 1.0), *rng.random(2)) if self.augment else (1.0, 0.5, 0.5)
        flipped = self.augment and bool(rng.integers(2))
        return PairChoice(
            scene, source, target, _crop_box(folder.size, self.size, part, left, top), flipped, int(number)
        )

    def sample(self, choice: PairChoice) -> dict[str, Tensor]:
        """Return the sample (see ``__getitem__``) of a choice."""
        light = self.scenes[choice.scene].lights.directions[choice.target].astype(np.float32)
        if choice.flipped:
            light = light * np.array([-1.0, 1.0, 1.0], np.float32)
        source = self._picture(choice, choice.source)
        values = {"rgb": source, **self._geometry(choice, light)}
        if "source" in self.parts:
            values["source"] = source_shading(values["rgb"], values["normal"], values["ambient_visibility"])
        return {
            "source": source,
            "target": self._picture(choice, choice.target),
            "condition": condition_image(self.parts, values),
            "light": torch.from_numpy(light),
            "weight": self._grey(choice, "mask", lambda scene: scene.mask()),
        }

    def _geometry(self, choice: PairChoice, light: Float[np.ndarray, "3"]) -> dict[str, Float[Tensor, "_ _ _"]]:
        """Return the wanted parts other than the photo, for a light in the sample's own (maybe mirrored) frame."""
        values: dict[str, Tensor] = {}
        if "depth" in self.parts:
            stored = self._stored(choice.scene, "depth", lambda scene: scene.depth())
            values["depth"] = normalized_depth(torch.from_numpy(nearest_pixels(stored, choice, self.size)))[None]
        if {"normal", "shading", "cue", "source"} & set(self.parts):
            stored = self._stored(choice.scene, "normal", lambda scene: scene.normal().astype(np.float16))
            normal = resized_normals(stored, choice, self.size)
            values["normal"] = torch.from_numpy(np.ascontiguousarray(np.moveaxis(normal, -1, 0)))
            values["shading"] = torch.from_numpy(np.clip(normal @ light, 0.0, 1.0))[None]
        if {"shadow", "cue"} & set(self.parts):
            key = f"visibility {choice.target}"
            values["shadow"] = self._grey(choice, key, lambda scene: scene.visibility(choice.target))
        if {"ambient_visibility", "cue", "source"} & set(self.parts):
            values["ambient_visibility"] = self._grey(choice, "ambient_visibility", LightFolder.ambient_visibility)
        if "cue" in self.parts:
            values["cue"] = light_cue(values["shading"], values["shadow"], values["ambient_visibility"])
        return values

    def _picture(self, choice: PairChoice, light: int) -> Float[Tensor, "3 height width"]:
        stored = self._stored(choice.scene, f"picture {light}", lambda scene: to_uint8(scene.picture(light)))
        return torch.from_numpy(resized_picture(stored, choice, self.size)).permute(2, 0, 1).contiguous() / 255.0

    def _grey(
        self, choice: PairChoice, key: str, read: Callable[[LightFolder], np.ndarray]
    ) -> Float[Tensor, "1 height width"]:
        stored = self._stored(choice.scene, key, lambda scene: to_uint8(read(scene)))
        return torch.from_numpy(resized_picture(stored, choice, self.size))[None] / 255.0

    def _stored(self, scene: int, key: str, read: Callable[[LightFolder], np.ndarray]) -> np.ndarray:
        return self._cache.get((scene, key), lambda: read(self.scenes[scene]))


class _Cache:
    """Arrays that are kept until others that were used later need their room."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._arrays: OrderedDict[Hashable, np.ndarray] = OrderedDict()

    def get(self, key: Hashable, read: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of this key, made by ``read`` if it is not kept."""
        if key not in self._arrays:
            self._arrays[key] = read()
            self._bytes += self._arrays[key].nbytes
        self._arrays.move_to_end(key)
        array = self._arrays[key]
        while self._bytes > self._most_bytes and self._arrays:
            self._bytes -= self._arrays.popitem(last=False)[1].nbytes
        return array


def _check_usable(scene: LightFolder, parts: Sequence[str], same_light: float) -> None:
    if len(scene) < _LIGHTS_OF_A_PAIR and same_light < 1.0:
        raise InputError(f"{scene.folder}: only one light", "a pair takes two; remove the scene or add pictures")
    has_depth, has_normal = ((scene.folder / name).is_file() for name in ("depth.npy", "normal.npy"))
    lacking = [part for part in parts if part == "depth" and not has_depth]
    if not has_normal and not (has_depth and scene.fov_deg is not None):
        lacking += [part for part in parts if part in ("normal", "shading", "cue", "source")]
    if scene.layers is None or not scene.has_albedo:
        lacking += [part for part in parts if part in CAPTURE_PARTS]
    if lacking:
        needed = "depth.npy, normal.npy or fov_deg for normals, layers and albedo.png for the photo's light"
        fix = f"add {needed}, or choose from: {', '.join(PARTS)}"
        raise InputError(f"{scene.folder}: lacks what condition parts {lacking} need", fix)


def _crop_box(
    stored: tuple[int, int], size: tuple[int, int], part: float, left: float, top: float
) -> tuple[float, float, float, float]:
    """Return the box of the aspect of ``size`` that takes ``part`` of the largest such box, placed in the free room."""
    largest = min(stored[0] / size[0], stored[1] / size[1])
    width, height = size[0] * largest * part, size[1] * largest * part
    x, y = left * max(stored[0] - width, 0.0), top * max(stored[1] - height, 0.0)
    return x, y, min(x + width, stored[0]), min(y + height, stored[1])


def resized_picture(array: np.ndarray, choice: PairChoice, size: tuple[int, int]) -> np.ndarray:
    """Crop, scale (by areas where it shrinks) and mirror an 8-bit picture, or float32 channels."""
    if array.dtype != np.uint8 and array.ndim == 3:
        return np.stack([resized_picture(array[..., c], choice, size) for c in range(array.shape[-1])], axis=-1)
    left, _, right, _ = choice.box
    filter_ = Image.Resampling.BOX if right - left >= size[0] else Image.Resampling.BILINEAR
    result = np.array(Image.fromarray(array).resize(size, filter_, box=choice.box))
    return np.ascontiguousarray(result[:, ::-1]) if choice.flipped else result


def nearest_pixels(array: np.ndarray, choice: PairChoice, size: tuple[int, int]) -> np.ndarray:
    """Crop, scale and mirror by picking pixels, so that no two surfaces mix."""
    left, top, right, bottom = choice.box
    columns = (left + (np.arange(size[0]) + 0.5) * (right - left) / size[0]).astype(int)
    rows = (top + (np.arange(size[1]) + 0.5) * (bottom - top) / size[1]).astype(int)
    return array[rows[:, None], columns[::-1] if choice.flipped else columns]


def resized_normals(array: np.ndarray, choice: PairChoice, size: tuple[int, int]) -> Float[np.ndarray, "_ _ 3"]:
    """Crop, scale and mirror unit normals; 0 where most of a pixel is unknown or its normals disagree.

    Means are taken only where many pixels become one: a mean across an edge faces where neither surface does.
    """
    left, _, right, _ = choice.box
    if right - left < _NORMALS.averaged * size[0]:
        normal = nearest_pixels(array, choice, size).astype(np.float32)
    else:
        normal = resized_picture(array.astype(np.float32), choice, size)
    if choice.flipped:
        normal[..., 0] *= -1.0
    length = np.linalg.norm(normal, axis=-1, keepdims=True)
    least = _NORMALS.least_length
    return np.where(length > least, normal / np.maximum(length, least), 0.0).astype(np.float32)
