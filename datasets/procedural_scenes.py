"""Arrangements of the procedural scenes, their cameras and their lights; world frame with z up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from procedural_materials import Material, random_material
from procedural_shapes import Array, Rng, Shape, box, hilly_ground, random_furniture, random_primitive, rectangle, wall

from relightnerf.lights import reference_lights

LOWEST_LIGHT = 0.08
ENVIRONMENT_SIZE = (64, 128)


@dataclass(frozen=True)
class Item:
    """A shape and what it is made of."""

    shape: Shape
    material: Material


@dataclass(frozen=True)
class Arrangement:
    """Items in the world, and the part of it that is worth looking at.

    Attributes:
        kind: name of the arrangement.
        items: everything in the scene.
        target: (3,), where cameras look.
        reach: radius about the target that a picture should show, world units.
        azimuths_deg: least and greatest azimuth of the camera as seen from the target; -90 is in front of walls.
        elevations_deg: least and greatest elevation of the camera.
    """

    kind: str
    items: tuple[Item, ...]
    target: Array
    reach: float
    azimuths_deg: tuple[float, float]
    elevations_deg: tuple[float, float]


def random_arrangement(rng: Rng, split: str) -> Arrangement:
    """Draw a scene of random kind from what belongs to the split."""
    kinds: tuple[Callable[[Rng, str], Arrangement], ...] = (_table, _table, _corner, _room, _shelf, _plinth, _facade)
    return kinds[rng.integers(len(kinds))](rng, split)


def _table(rng: Rng, split: str) -> Arrangement:
    """Objects on a table-top or on uneven ground, nothing behind."""
    if rng.random() < 0.3:
        ground = hilly_ground(rng, 7.0, rng.uniform(0.5, 2.0))
    else:
        size = rng.choice([1.8, 3.0, 12.0])
        ground = rectangle(size, size * rng.uniform(0.7, 1.0), rng.uniform(0.4, 2.0))
    items = [Item(ground, random_material(rng, split, 0.3)), *_scattered(rng, split, int(rng.integers(1, 8)), 0.75)]
    return Arrangement("table", tuple(items), np.array([0.0, 0.0, 0.2]), 0.8, (0.0, 360.0), (12.0, 65.0))


def _corner(rng: Rng, split: str) -> Arrangement:
    """Objects on a floor in front of one wall or two."""
    items = [_floor(rng, split), *_walls(rng, split, 1 + int(rng.integers(2)), rng.uniform(0.6, 1.2))]
    items += _scattered(rng, split, int(rng.integers(2, 8)), 0.7)
    return Arrangement("corner", tuple(items), np.array([0.0, 0.0, 0.3]), 0.9, (-130.0, -60.0), (8.0, 50.0))


def _room(rng: Rng, split: str) -> Arrangement:
    """Furniture between three walls, open above."""
    items = [_floor(rng, split), *_walls(rng, split, 3, rng.uniform(1.2, 1.8))]
    items += _scattered(rng, split, int(rng.integers(3, 8)), 1.1, furniture=0.8, scale=1.3)
    return Arrangement("room", tuple(items), np.array([0.0, 0.0, 0.35]), 1.3, (-115.0, -65.0), (10.0, 40.0))


def _shelf(rng: Rng, split: str) -> Arrangement:
    """Boards on a wall with objects on them."""
    wide, deep, levels = rng.uniform(1.2, 2.0), rng.uniform(0.35, 0.5), int(rng.integers(1, 4))
    tile, board = rng.uniform(0.3, 1.0), random_material(rng, split, 0.4)
    items = [Item(wall(8.0, 6.0, rng.uniform(0.5, 2.0)).placed((0.0, 0.0, -2.0)), random_material(rng, split, 0.2))]
    for level in range(levels):
        height = level * rng.uniform(0.65, 0.8)
        items.append(Item(box((wide, deep, 0.05), tile).placed((0.0, -deep / 2, height - 0.05)), board))
        for index in range(int(rng.integers(1, 4))):
            shape = random_object(rng, split, 0.3, 0.55)
            where = ((index - 1) * wide / 3.2 + rng.uniform(-0.08, 0.08), -deep / 2, height)
            items.append(Item(shape.placed(where, rng.uniform(0, 360)), random_material(rng, split)))
    if rng.random() < 0.5:
        side = box((0.05, deep, 0.75 * levels), tile)
        items += [Item(side.placed((sign * wide / 2, -deep / 2, -0.05)), board) for sign in (-1.0, 1.0)]
    target = np.array([0.0, -deep / 2, 0.35 * levels - 0.1])
    return Arrangement("shelf", tuple(items), target, 0.45 * wide, (-125.0, -55.0), (-5.0, 35.0))


def _plinth(rng: Rng, split: str) -> Arrangement:
    """One object, or a few, on a block; now and then in front of a wall."""
    height, wide = rng.uniform(0.1, 0.8), rng.uniform(0.6, 1.0)
    items = [_floor(rng, split), Item(box((wide, wide, height), rng.uniform(0.3, 1.0)), random_material(rng, split))]
    top = _scattered(rng, split, int(rng.integers(1, 3)), 0.2, scale=1.1)
    items += [Item(item.shape.placed((0.0, 0.0, height)), item.material) for item in top]
    with_wall = rng.random() < 0.4
    if with_wall:
        items += _walls(rng, split, 1, rng.uniform(0.6, 1.5))
    azimuths = (-130.0, -50.0) if with_wall else (0.0, 360.0)
    return Arrangement("plinth", tuple(items), np.array([0.0, 0.0, height + 0.2]), 0.75, azimuths, (2.0, 45.0))


def _facade(rng: Rng, split: str) -> Arrangement:
    """A wall with ledges, pillars, recesses and reliefs."""
    stone = random_material(rng, split, 0.2)
    items = [_floor(rng, split), Item(wall(8.0, 5.0, rng.uniform(0.4, 1.5)).placed((0.0, 0.35, 0.0)), stone)]
    for _ in range(int(rng.integers(3, 9))):
        size = (rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.4), rng.uniform(0.1, 1.2))
        where = (rng.uniform(-1.1, 1.1), 0.35 - size[1] / 2 + 0.02, rng.uniform(0.0, 1.2))
        material = stone if rng.random() < 0.6 else random_material(rng, split, 0.4)
        items.append(Item(box(size, rng.uniform(0.3, 1.0)).placed(where), material))
    for _ in range(int(rng.integers(0, 5))):
        where = (rng.uniform(-1.0, 1.0), 0.3, rng.uniform(0.0, 1.2))
        items.append(Item(random_object(rng, split, 0.2, 0.7).placed(where, rng.uniform(0, 360)), stone))
    return Arrangement("facade", tuple(items), np.array([0.0, 0.2, 0.8]), 0.9, (-135.0, -45.0), (-5.0, 30.0))


def _floor(rng: Rng, split: str) -> Item:
    return Item(rectangle(14.0, 14.0, rng.uniform(0.4, 2.0)), random_material(rng, split, 0.4))


def _walls(rng: Rng, split: str, count: int, distance: float) -> list[Item]:
    """Up to three walls of one material about the origin: behind (+y), left and right."""
    height, material = rng.uniform(1.0, 3.0), random_material(rng, split, 0.2)
    sheet = wall(2.0 * distance + 1.5, height, rng.uniform(0.5, 2.5))
    first = int(rng.integers(2))
    places = [(0.0, distance, 0.0, 0.0), (-distance, 0.0, 0.0, 90.0), (distance, 0.0, 0.0, -90.0)]
    chosen = places if count == 3 else [places[0], places[1 + first]][:count]
    return [Item(sheet.placed((x, y, z), turn), material) for x, y, z, turn in chosen]


def _scattered(
    rng: Rng, split: str, count: int, reach: float, furniture: float = 0.3, scale: float = 1.0
) -> list[Item]:
    """Objects at random places within `reach` of the origin that hardly overlap; some carry another one."""
    items: list[Item] = []
    taken: list[tuple[float, float, float]] = []
    for _ in range(count):
        shape = random_object(rng, split, furniture, scale)
        for _ in range(12):
            x, y = reach * np.sqrt(rng.random()) * np.array([np.cos(a := rng.uniform(0, 2 * np.pi)), np.sin(a)])
            if all(np.hypot(x - u, y - v) > 0.75 * (r + shape.radius) for u, v, r in taken):
                break
        taken.append((x, y, shape.radius))
        items.append(Item(shape.placed((x, y, 0.0), rng.uniform(0, 360)), random_material(rng, split)))
        if rng.random() < 0.15:
            small = random_object(rng, split, 0.1, 0.5)
            items.append(Item(small.placed((x, y, 0.97 * shape.height)), random_material(rng, split)))
    return items


def random_object(rng: Rng, split: str, furniture: float, scale: float) -> Shape:
    """A thing that stands on z = 0: of the furniture library with a probability of `furniture`, else a primitive."""
    shape = random_furniture(rng, split) if rng.random() < furniture else random_primitive(rng)
    return Shape(scale * shape.vertices, shape.normals, shape.uv)


def random_pose(rng: Rng, arrangement: Arrangement, half_fov_rad: float) -> Array:
    """Camera-to-world pose (4, 4), OpenGL, that looks at the arrangement from a random side.

    Args:
        rng: draws it.
        arrangement: what to look at.
        half_fov_rad: half the smaller field of view.
    """
    azimuth, elevation = (
        np.deg2rad(rng.uniform(*span)) for span in (arrangement.azimuths_deg, arrangement.elevations_deg)
    )
    away = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
    target = arrangement.target + rng.normal(0.0, 0.12, 3) * arrangement.reach
    position = target + away * arrangement.reach / np.tan(half_fov_rad) * rng.uniform(0.75, 1.35)
    right = np.cross([0.0, 0.0, 1.0], away)
    right /= np.linalg.norm(right)
    roll = np.deg2rad(rng.normal(0.0, 3.0))
    up = np.cross(away, right)
    pose = np.eye(4)
    sides = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
    pose[:3] = np.stack([*sides, away, position], axis=1)
    return pose


def random_lights(rng: Rng, count: int, pose: Array) -> dict[str, Array]:
    """World directions (3,) of `count` lights by name, all above the horizon.

    Half of them are anywhere over the ground; the others are of the reference's 18, which are fixed to the camera.
    """
    lights: dict[str, Array] = {}
    reference = reference_lights()
    turned = dict(zip(reference.names, reference.directions @ pose[:3, :3].T, strict=True))
    usable = [name for name in turned if turned[name][2] > LOWEST_LIGHT]
    for name in rng.permutation(usable)[: count // 2]:
        lights[str(name)] = turned[name]
    while len(lights) < count:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        direction[2] = np.abs(direction[2])
        if direction[2] > LOWEST_LIGHT:
            lights[f"light_{len(lights):02d}"] = direction
    return lights


def random_environment(rng: Rng) -> NDArray[np.float32]:
    """Linear radiance (64, 128, 3) of a sky or of a lit room, 1 on average over the upper half, +y of the map up.

    A smooth gradient, soft noise and up to four windows, lamps or suns of random size and colour.
    """
    height, width = ENVIRONMENT_SIZE
    polar, around = (np.indices((height, width)) + 0.5) / np.array([height, width])[:, None, None]
    polar, around = polar * np.pi, around * 2 * np.pi
    rays = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), -np.sin(polar) * np.cos(around)], axis=-1)
    above, below = _tint(rng, 0.35), _tint(rng, 0.35) * rng.uniform(0.1, 0.8)
    blend = 1.0 / (1.0 + np.exp(-rays[..., 1:2] / rng.uniform(0.05, 0.5)))
    radiance = blend * above + (1.0 - blend) * below
    cells = Image.fromarray(rng.uniform(1.0 - rng.uniform(0.0, 0.9), 1.0, (5, 9)).astype(np.float32))
    radiance *= np.asarray(cells.resize((width, height), Image.Resampling.BICUBIC))[..., None].clip(0.05)
    for _ in range(int(rng.integers(0, 5))):
        centre = rng.normal(size=3) + [0.0, 0.8, 0.0]
        spread = np.deg2rad(np.exp(rng.uniform(np.log(6.0), np.log(40.0))))
        lobe = np.exp((rays @ (centre / np.linalg.norm(centre)) - 1.0) / spread**2)
        strength = rng.uniform(0.3, 3.0) / (2 * np.pi * spread**2)
        radiance = radiance + strength * lobe[..., None] * _tint(rng, 0.4)
    upper = slice(0, height // 2)
    mean = np.average(radiance[upper].mean(axis=-1), weights=np.sin(polar)[upper])
    return (radiance / mean).astype(np.float32)


def _tint(rng: Rng, strength: float) -> Array:
    colour = np.exp(rng.normal(0.0, strength, 3) * np.array([1.0, 0.4, 1.0]))
    return colour / colour.mean()
