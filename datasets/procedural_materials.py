"""Materials of the procedural scenes: textures that are drawn or come with packages, from matt to metal."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from procedural_shapes import split_of
from sphere_textures import random_texture

from relightnerf.imaging.color import srgb_to_linear, to_float

Rng = np.random.Generator
Texture = NDArray[np.float32]
SIZE = 256
DARKEST, BRIGHTEST = 0.03, 0.9
PHOTOS = ("astronaut", "brick", "chelsea", "coffee", "color", "grass", "gravel", "hubble_deep_field", "moon", "rocket")


@dataclass(frozen=True)
class Material:
    """Parameters of Disney's principled reflectance: `texture` (n, n, 3) is linear base colour."""

    texture: Texture
    roughness: float
    metallic: float
    specular: float


def random_material(rng: Rng, split: str, shiny: float = 1.0) -> Material:
    """Matt, plastic, lacquered or metallic; `shiny` scales how often it is not matt."""
    texture = random_base_colour(rng, split)
    kind = rng.random() / max(shiny, 1e-6)
    if kind < 0.08:
        return Material(np.maximum(texture, 0.25), rng.uniform(0.3, 0.7), rng.uniform(0.6, 1.0), 0.5)
    if kind < 0.3:
        return Material(texture, rng.uniform(0.15, 0.5), 0.0, rng.uniform(0.3, 0.7))
    return Material(texture, rng.uniform(0.6, 1.0), 0.0, rng.uniform(0.0, 0.4))


def random_base_colour(rng: Rng, split: str) -> Texture:
    """Linear colours (n, n, 3) in 0.03..0.9 that repeat: a pattern, a packaged texture, or one colour."""
    kind = rng.random()
    if kind < 0.3 and packaged_pictures(split):
        return _packaged(rng, split)
    if kind < 0.5:
        return _masonry(rng)
    if kind < 0.65:
        return np.broadcast_to(_colour(rng), (8, 8, 3)).astype(np.float32)
    span = rng.uniform(0.5, 3.0)
    u, v = np.meshgrid(np.linspace(0, span, SIZE, endpoint=False), np.linspace(0, span, SIZE, endpoint=False))
    points = np.stack([u.ravel(), v.ravel(), np.full(u.size, 0.1)], axis=-1).astype(np.float32)
    return random_texture(rng).albedo(points).reshape(SIZE, SIZE, 3)


def _colour(rng: Rng) -> Texture:
    value, tint = rng.uniform(0.25, 0.95), 1.0 - rng.beta(1.0, 2.0) * rng.uniform(0.0, 1.0, 3)
    return np.clip((value * tint / tint.max()) ** 2.2, DARKEST, BRIGHTEST).astype(np.float32)


def _masonry(rng: Rng) -> Texture:
    """Tiles, bricks or planks of varied tone in joints of another colour, mottled."""
    rows, columns = int(rng.choice([2, 4, 6])), int(rng.choice([1, 2, 4, 6]))
    v, u = (np.indices((SIZE, SIZE)) + 0.5) / SIZE
    row = np.floor(v * rows).astype(int)
    shifted = u * columns + rng.choice([0.0, 0.5]) * (row % 2)
    column = np.floor(shifted).astype(int) % columns
    tone = rng.uniform(1 - rng.uniform(0.0, 0.6), 1.0, (rows, columns, 1)) * np.ones(3) + rng.normal(
        0, 0.04, (rows, columns, 3)
    )
    spots = Image.fromarray(rng.normal(1.0, rng.uniform(0.02, 0.2), (64, 64)).astype(np.float32))
    mottled = np.asarray(spots.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    stone = _colour(rng) * tone[row, column] * mottled[..., None]
    gap = rng.uniform(0.01, 0.06)
    joint = (np.abs(v * rows % 1 - 0.5) > 0.5 - gap * rows / 4) | (np.abs(shifted % 1 - 0.5) > 0.5 - gap * columns / 4)
    return np.clip(np.where(joint[..., None], _colour(rng), stone), DARKEST, BRIGHTEST).astype(np.float32)


def _packaged(rng: Rng, split: str) -> Texture:
    """A random part of a packaged picture in a random tint."""
    names = packaged_pictures(split)
    picture = _picture(names[rng.integers(len(names))])
    side = rng.integers(min(160, *picture.shape[:2]), min(picture.shape[:2]) + 1)
    top, left = (rng.integers(0, length - side + 1) for length in picture.shape[:2])
    part = picture[top : top + side, left : left + side][:: int(rng.choice([-1, 1])), :: int(rng.choice([-1, 1]))]
    small = np.asarray(Image.fromarray(np.ascontiguousarray(part)).resize((SIZE, SIZE), Image.Resampling.BOX))
    tint = 1.0 - rng.beta(1.0, 4.0) * rng.uniform(0.0, 1.0, 3)
    return np.clip(srgb_to_linear(to_float(small)) * tint, DARKEST, BRIGHTEST).astype(np.float32)


@lru_cache(maxsize=4)
def packaged_pictures(split: str) -> tuple[Path, ...]:
    """Pictures in scikit-image and base colours in threejs-materials that belong to a split, by their own names."""
    photos = [path for path in _package("skimage").glob("data/*") if path.stem in PHOTOS]
    colours = list(_package("threejs_materials").glob("pbr_properties/_assets/*/color.png"))
    chosen = [(path.stem, path) for path in photos] + [(path.parent.name, path) for path in colours]
    return tuple(path for name, path in sorted(chosen) if split_of(name) == split)


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else Path("absent")


@lru_cache(maxsize=24)
def _picture(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((min(image.width, 640), min(image.height, 640))))
