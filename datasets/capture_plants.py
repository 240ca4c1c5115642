"""Plants of the procedural captures: bushes, tufts of grass and litter, of many small leaves."""

from __future__ import annotations

import numpy as np
from capture_shapes import plain, rod, sized
from procedural_materials import Material
from procedural_scenes import Item
from procedural_shapes import Array, Rng, Shape, box, textured

LEAF = np.array(
    [[[0.0, 0.0, 0.0], [0.34, 0.45, 0.1], [0.0, 1.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-0.34, 0.45, 0.1]]]
)
"""A folded leaf of two triangles (2, 3, 3), of length 1 along +y."""


def leaves(rng: Rng, places: Array, outward: Array, length: float) -> Shape:
    """A leaf at each place (n, 3) that points about `outward` (n, 3), folded, in random sizes and turns."""
    count = len(places)
    forward = outward + rng.normal(0.0, 0.6, (count, 3))
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    side = np.cross(forward, rng.normal(size=(count, 3)))
    side /= np.linalg.norm(side, axis=-1, keepdims=True)
    frames = np.stack([side, forward, np.cross(side, forward)], axis=1) * rng.uniform(0.6, 1.4, (count, 1, 1)) * length
    corners = (LEAF.reshape(1, 6, 3) @ frames + places[:, None]).reshape(-1, 3, 3)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.repeat(flat / np.linalg.norm(flat, axis=-1, keepdims=True), 3, axis=0)
    uv = np.tile(LEAF.reshape(6, 3)[:, :2] + 0.5, (count, 1))
    return Shape(corners.reshape(-1, 3), normals, uv)


def bush(rng: Rng, place: Array) -> list[Item]:
    """A pot or a stem, and leaves on the shell of a few balls."""
    stem = rng.uniform(0.25, 0.55)
    crown = np.array([*place, stem + 0.12])
    wood = textured(rod(np.array([*place, 0.0]), crown, 0.015), 0.3)
    items = [Item(wood, plain(rng))]
    if rng.random() < 0.6:
        pot = sized(rng, box((1.0, 1.0, 0.9), 0.5), 0.2, 0.3)
        items.append(Item(pot.placed((*place, 0.0), rng.uniform(0, 90)), plain(rng)))
    for _ in range(int(rng.integers(2, 5))):
        count = int(rng.integers(90, 260))
        out = rng.normal(size=(count, 3))
        out /= np.linalg.norm(out, axis=-1, keepdims=True)
        middle = crown + rng.normal(0.0, 0.08, 3)
        places = middle + out * rng.uniform(0.1, 0.22) * np.cbrt(rng.uniform(0.2, 1.0, (count, 1)))
        items.append(Item(leaves(rng, places, out, rng.uniform(0.05, 0.1)), green(rng)))
    return items


def tuft(rng: Rng, place: Array) -> list[Item]:
    """Long blades out of one spot."""
    count = int(rng.integers(40, 110))
    out = rng.normal(size=(count, 3)) * [0.5, 0.5, 0.2] + [0.0, 0.0, 1.0]
    start = np.c_[place + rng.normal(0.0, 0.06, (count, 2)), np.full(count, 0.0)]
    return [Item(leaves(rng, start, out, rng.uniform(0.25, 0.4)), green(rng))]


def green(rng: Rng) -> Material:
    colour = np.array([rng.uniform(0.05, 0.45), rng.uniform(0.25, 0.6), rng.uniform(0.03, 0.2)])
    return Material(np.broadcast_to(colour, (4, 4, 3)).astype(np.float32), rng.uniform(0.4, 0.9), 0.0, 0.3)
