"""Random solid textures of the toy set: linear albedo as a function of the point in space."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Array = NDArray[np.float32]
DARKEST, BRIGHTEST = 0.04, 0.9
WAVES = 20
MIN_CONTRAST = 0.25
SPOT_CELLS = 16


@dataclass(frozen=True)
class Texture:
    """`weight` maps points (P, 3) to (P,) in 0..1, which blends two linear colours (3,); `grain` darkens a little."""

    weight: Callable[[Array], Array]
    grain: Callable[[Array], Array]
    first: Array
    second: Array

    def albedo(self, points: Array) -> Array:
        """Linear albedo (P, 3) at points (P, 3)."""
        weight = np.clip(self.weight(points), 0.0, 1.0)[:, None]
        blend = self.first + (self.second - self.first) * weight
        return np.clip(blend * self.grain(points)[:, None], DARKEST / 2, BRIGHTEST).astype(np.float32)


def random_texture(rng: Rng) -> Texture:
    """A pattern of random kind, colours, size and orientation; points are in units of about one object."""
    kinds = (_plain, _noise, _checks, _stripes, _wood, _spots)
    weight = kinds[rng.choice(len(kinds), p=(0.1, 0.2, 0.2, 0.15, 0.15, 0.2))](rng)
    first, second = _colours(rng)
    depth, rough = rng.uniform(0.0, 0.3), _waves(rng, rng.uniform(2.0, 8.0))
    return Texture(weight, lambda points: 1.0 - depth * _unit(rough(points)), first, second)


def _colours(rng: Rng) -> tuple[Array, Array]:
    while True:
        colours = [_colour(rng), _colour(rng)]
        if np.abs(np.sqrt(colours[0]) - np.sqrt(colours[1])).max() > MIN_CONTRAST:
            return colours[0], colours[1]


def _colour(rng: Rng) -> Array:
    """A random linear colour: often dull, sometimes vivid, dark or bright."""
    value = rng.uniform(0.25, 0.95)
    tint = 1.0 - rng.beta(1.2, 2.0) * rng.uniform(0.0, 1.0, 3)
    return np.clip((value * tint / tint.max()) ** 2.2, DARKEST, BRIGHTEST).astype(np.float32)


def _unit(values: Array) -> Array:
    """Map values of unit spread to 0..1."""
    return np.clip(0.5 + 0.35 * values, 0.0, 1.0)


def _direction(rng: Rng) -> Array:
    vector = rng.normal(size=3).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _waves(rng: Rng, frequency: float) -> Callable[[Array], Array]:
    """Smooth noise of unit spread: a sum of plane waves whose amplitude falls with frequency."""
    directions = rng.normal(size=(3, WAVES))
    lengths = np.exp(rng.uniform(0.0, np.log(6.0), WAVES))
    vectors = (frequency * lengths * directions / np.linalg.norm(directions, axis=0)).astype(np.float32)
    phases = rng.uniform(0.0, 2.0 * np.pi, WAVES).astype(np.float32)
    amplitudes = (1.0 / lengths).astype(np.float32)
    amplitudes /= np.sqrt(0.5 * np.sum(amplitudes**2))
    return lambda points: np.cos(points @ vectors + phases) @ amplitudes


def _plain(rng: Rng) -> Callable[[Array], Array]:
    return lambda points: np.zeros(len(points), np.float32)


def _noise(rng: Rng) -> Callable[[Array], Array]:
    waves, sharpness = _waves(rng, rng.uniform(1.5, 5.0)), rng.uniform(0.3, 2.0)
    return lambda points: 0.5 + sharpness * waves(points)


def _checks(rng: Rng) -> Callable[[Array], Array]:
    turn, size = rng.uniform(0.0, np.pi), rng.uniform(0.22, 0.6)
    cosine, sine = np.cos(turn), np.sin(turn)
    rotation = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]], np.float32)
    shift = rng.uniform(0.0, 1.0, 3).astype(np.float32)
    return lambda points: np.floor(points @ rotation / size + shift).sum(axis=-1) % 2.0


def _stripes(rng: Rng) -> Callable[[Array], Array]:
    axis, waves = _direction(rng), _waves(rng, 1.5)
    count, wobble, hardness = 2.0 * np.pi * rng.uniform(0.8, 2.5), rng.uniform(0.0, 0.8), rng.uniform(0.5, 5.0)
    return lambda points: 0.5 + hardness * np.sin(count * points @ axis + wobble * waves(points))


def _wood(rng: Rng) -> Callable[[Array], Array]:
    """Rings about an axis that is long in one direction, with a fibre."""
    axis, offset = _direction(rng), rng.normal(scale=0.8, size=3).astype(np.float32)
    waves, fibre, rings = _waves(rng, 0.8), _waves(rng, 5.0), rng.uniform(2.5, 5.0)

    def weight(points: Array) -> Array:
        moved = points - offset
        radius = np.linalg.norm(moved - (moved @ axis)[:, None] * axis, axis=-1)
        ring = rings * radius + 0.25 * waves(points)
        return 0.9 * (ring % 1.0) ** 1.5 + 0.12 * fibre(points)

    return weight


def _spots(rng: Rng) -> Callable[[Array], Array]:
    """One ball of random size and place in each cell of a lattice, about as wide as its cell."""
    scale, hardness = rng.uniform(1.6, 3.5), rng.uniform(4.0, 20.0)
    centres = rng.uniform(0.35, 0.65, (SPOT_CELLS,) * 3 + (3,)).astype(np.float32)
    radii = rng.uniform(0.2, 0.5, (SPOT_CELLS,) * 3).astype(np.float32)

    def weight(points: Array) -> Array:
        cells = np.floor(points * scale)
        x, y, z = np.moveaxis(cells.astype(np.int64) % SPOT_CELLS, -1, 0)
        distance = np.linalg.norm(points * scale - cells - centres[x, y, z], axis=-1)
        return 0.5 + hardness * (radii[x, y, z] - distance)

    return weight
