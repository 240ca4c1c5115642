"""Arrangements of the procedural captures, by kind; world frame with z up, walls behind (+y), cameras in front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from capture_plants import bush, leaves, tuft
from capture_shapes import ball, glossy, plain, random_statue, random_thin, sized
from procedural_materials import Material, random_material
from procedural_scenes import Arrangement, Item, random_object
from procedural_shapes import (
    Array,
    Rng,
    Shape,
    box,
    hilly_ground,
    random_primitive,
    rectangle,
    wall,
)

FRONT, AROUND = (-138.0, -42.0), (0.0, 360.0)
"""Azimuths of cameras: before walls, or anywhere."""


@dataclass(frozen=True)
class Kind:
    """A kind of capture.

    Attributes:
        build: draws its arrangement from a generator and what belongs to a split.
        paths: camera paths that suit it.
        unseen: True if it is kept for validation and test.
    """

    build: Callable[[Rng, str], Arrangement]
    paths: tuple[str, ...]
    unseen: bool = False


def _table(rng: Rng, split: str) -> Arrangement:
    """Things on a table-top before one wall or two, the floor below."""
    wide, deep, high = rng.uniform(1.7, 2.3), rng.uniform(1.1, 1.5), rng.uniform(0.6, 0.8)
    wood = _surface(rng, split, 0.5)
    items = [Item(box((wide, deep, 0.06), 0.8).placed((0.0, 0.0, -0.06)), wood)]
    corners = [(x * (wide / 2 - 0.08), y * (deep / 2 - 0.08)) for x in (-1, 1) for y in (-1, 1)]
    items += [Item(box((0.07, 0.07, high), 0.5).placed((x, y, -high - 0.05)), wood) for x, y in corners]
    room = [_floor(rng, split), *_walls(rng, split, 1 + int(rng.integers(2)), deep / 2 + rng.uniform(0.15, 0.5), 2.5)]
    items += [Item(item.shape.placed((0.0, 0.0, -high - 0.05)), item.material) for item in room]
    items += _scattered(
        rng, int(rng.integers(4, 8)), (0.38 * wide, 0.36 * deep), _things(split, 0.3), _mostly_plain(split)
    )
    return Arrangement("table", tuple(items), np.array([0.0, 0.0, 0.15]), 0.85, FRONT, (14.0, 42.0))


def _corner(rng: Rng, split: str) -> Arrangement:
    """Plain balls and boxes on a floor before two walls."""
    distance = rng.uniform(0.9, 1.3)
    items = [_floor(rng, split), *_walls(rng, split, 2, distance, rng.uniform(1.2, 2.2))]
    blocks = _scattered(rng, int(rng.integers(2, 4)), (0.75, 0.6), _block, plain, apart=1.0)
    balls = _scattered(rng, int(rng.integers(1, 4)), (0.75, 0.6), ball, plain, taken=blocks, apart=1.0)
    items += [*blocks, *balls]
    if rng.random() < 0.6:  # one ball lies on a block
        below = blocks[0].shape
        middle = (below.vertices.min(0) + below.vertices.max(0)) / 2
        items.append(Item(ball(rng).placed((middle[0], middle[1], 0.99 * below.height)), plain(rng)))
    if rng.random() < 0.6:
        items += _scattered(
            rng, 1, (0.7, 0.5), random_primitive, lambda r: random_material(r, split, 0.3), taken=items[3:]
        )
    return Arrangement("corner", tuple(items), np.array([0.0, 0.0, 0.35]), 0.95, FRONT, (10.0, 42.0))


def _room(rng: Rng, split: str) -> Arrangement:
    """Furniture between three walls, open above."""
    items = [_floor(rng, split), *_walls(rng, split, 3, rng.uniform(1.5, 2.0), rng.uniform(1.2, 2.0))]
    count, shapes = int(rng.integers(4, 8)), _things(split, 0.85, 1.3)
    items += _scattered(rng, count, (1.15, 0.9), shapes, _mostly_plain(split))
    return Arrangement("room", tuple(items), np.array([0.0, 0.2, 0.35]), 1.25, (-122.0, -58.0), (14.0, 40.0))


def _single(rng: Rng, split: str) -> Arrangement:
    """One object in the middle of a plain ground."""
    shape = sized(rng, _stout(rng, _things(split, 0.5)), 0.75, 1.0)
    material = plain(rng) if rng.random() < 0.6 else random_material(rng, split, 0.5)
    items = (Item(rectangle(12.0, 12.0, 1.0), _surface(rng, split, 0.25)), Item(shape, material))
    return Arrangement("single", items, np.array([0.0, 0.0, 0.45 * shape.height]), 0.7, AROUND, (15.0, 45.0))


def _statue(rng: Rng, split: str) -> Arrangement:
    """A smooth figure on a plinth."""
    height, wide = rng.uniform(0.15, 0.5), rng.uniform(0.6, 0.85)
    stone = plain(rng, (0.35, 0.9), 0.9 if rng.random() < 0.2 else 0.0)
    statue = random_statue(rng)
    plinth = Item(
        box((wide, wide, height), 0.5), plain(rng) if rng.random() < 0.6 else random_material(rng, split, 0.3)
    )
    items = (
        Item(rectangle(12.0, 12.0, 1.0), _surface(rng, split, 0.5)),
        plinth,
        Item(statue.placed((0, 0, height)), stone),
    )
    middle = np.array([0.0, 0.0, height + 0.4 * statue.height])
    return Arrangement("statue", items, middle, 0.7 * statue.height + 0.2, AROUND, (8.0, 58.0))


def _thin(rng: Rng, split: str) -> Arrangement:
    """Things of rods, wires, legs and frames, now and then before a wall."""
    items = [_floor(rng, split)]
    with_wall = rng.random() < 0.5
    if with_wall:
        items += _walls(rng, split, 1 + int(rng.integers(2)), rng.uniform(1.0, 1.4), rng.uniform(1.4, 2.2))
    count = int(rng.integers(2, 5))
    thin = _scattered(
        rng, count, (0.65, 0.55), random_thin, lambda r: glossy(r) if r.random() < 0.25 else plain(r), apart=0.9
    )
    solid = _scattered(rng, 1, (0.6, 0.5), _things(split, 0.3, 0.7), _mostly_plain(split), taken=thin)
    azimuths = FRONT if with_wall else AROUND
    return Arrangement("thin", (*items, *thin, *solid), np.array([0.0, 0.0, 0.3]), 0.85, azimuths, (12.0, 42.0))


def _glossy(rng: Rng, split: str) -> Arrangement:
    """Metal and lacquer on a table-top or a floor."""
    items = [Item(rectangle(*(12.0, 12.0) if rng.random() < 0.5 else (2.4, 1.9), 0.9), _surface(rng, split, 0.6))]
    with_wall = rng.random() < 0.5
    if with_wall:
        items += _walls(rng, split, 1 + int(rng.integers(2)), rng.uniform(1.0, 1.3), rng.uniform(1.2, 2.0))
    count = int(rng.integers(3, 6))
    items += _scattered(
        rng, count, (0.65, 0.55), _things(split, 0.3), lambda r: glossy(r) if r.random() < 0.75 else plain(r)
    )
    azimuths = FRONT if with_wall else AROUND
    return Arrangement("glossy", tuple(items), np.array([0.0, 0.0, 0.2]), 0.85, azimuths, (14.0, 45.0))


def _clutter(rng: Rng, split: str) -> Arrangement:
    """Bushes in pots, tufts of grass and litter: many small leaves."""
    ground = hilly_ground(rng, 9.0, 1.0) if rng.random() < 0.5 else rectangle(12.0, 12.0, 1.0)
    items = [Item(ground, _surface(rng, split, 0.5))]
    for place in _places(rng, int(rng.integers(2, 5)), (0.65, 0.6), 0.5):
        items += bush(rng, place) if rng.random() < 0.65 else tuft(rng, place)
    litter = np.c_[rng.normal(0.0, 0.6, (60, 2)), np.full(60, 0.03)]
    flat = np.c_[rng.normal(size=(60, 2)), np.zeros(60)]
    items.append(Item(leaves(rng, litter, flat, 0.09), plain(rng)))
    items += _scattered(rng, 2, (0.8, 0.8), _things(split, 0.3, 0.6), _mostly_plain(split))
    return Arrangement("clutter", tuple(items), np.array([0.0, 0.0, 0.3]), 0.85, AROUND, (14.0, 42.0))


def _facade(rng: Rng, split: str) -> Arrangement:
    """A wall with ledges, pillars, recesses and reliefs, mostly of one plain plaster."""
    stone = _surface(rng, split, 0.5)
    items = [_floor(rng, split), Item(wall(8.0, 4.0, rng.uniform(0.4, 1.5)).placed((0.0, 0.35, 0.0)), stone)]
    for _ in range(int(rng.integers(5, 11))):
        size = (rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.4), rng.uniform(0.1, 1.2))
        where = (rng.uniform(-1.1, 1.1), 0.35 - size[1] / 2 + 0.02, rng.uniform(0.0, 1.2))
        items.append(Item(box(size, rng.uniform(0.3, 1.0)).placed(where), stone if rng.random() < 0.5 else plain(rng)))
    for _ in range(int(rng.integers(1, 4))):
        shape, where = _things(split, 0.2, 0.7)(rng), (rng.uniform(-1.0, 1.0), 0.25, rng.uniform(0.0, 1.2))
        items.append(Item(shape.placed(where, rng.uniform(0, 360)), _mostly_plain(split)(rng)))
    return Arrangement("facade", tuple(items), np.array([0.0, 0.2, 0.7]), 0.9, FRONT, (0.0, 28.0))


KINDS = {
    "table": Kind(_table, ("arc", "handheld")),
    "corner": Kind(_corner, ("arc", "handheld")),
    "room": Kind(_room, ("arc", "handheld")),
    "single": Kind(_single, ("orbit", "dome")),
    "statue": Kind(_statue, ("dome", "orbit"), unseen=True),
    "thin": Kind(_thin, ("arc", "orbit", "handheld"), unseen=True),
    "glossy": Kind(_glossy, ("orbit", "arc", "handheld")),
    "clutter": Kind(_clutter, ("orbit", "handheld", "dome"), unseen=True),
    "facade": Kind(_facade, ("arc",)),
}
"""All kinds by name; the order is part of what a seed means."""


def _surface(rng: Rng, split: str, textured_share: float) -> Material:
    """Of a large thing: plain, or with a texture."""
    return random_material(rng, split, 0.2) if rng.random() < textured_share else plain(rng, (0.7, 1.0))


def _mostly_plain(split: str) -> Callable[[Rng], Material]:
    return lambda rng: plain(rng, (0.3, 1.0)) if rng.random() < 0.65 else random_material(rng, split)


def _things(split: str, furniture: float, scale: float = 1.0) -> Callable[[Rng], Shape]:
    return lambda rng: random_object(rng, split, furniture, scale)


def _stout(rng: Rng, shapes: Callable[[Rng], Shape]) -> Shape:
    """A shape that is no board and no pole, if a few draws have one."""
    for _ in range(20):
        shape = shapes(rng)
        extent = np.sort(np.ptp(shape.vertices, axis=0))
        if extent[0] > 0.3 * extent[2]:
            break
    return shape


def _block(rng: Rng) -> Shape:
    return box(tuple(rng.uniform(0.25, 0.6, 2)) + (rng.uniform(0.2, 0.9),), 0.5)


def _floor(rng: Rng, split: str) -> Item:
    return Item(rectangle(14.0, 14.0, rng.uniform(0.4, 2.0)), _surface(rng, split, 0.5))


def _walls(rng: Rng, split: str, count: int, distance: float, height: float) -> list[Item]:
    """Up to three walls about the origin: behind (+y), on one side, on the other; each of its own material."""
    sides = [(-1.0, 90.0), (1.0, -90.0)]
    chosen = [sides[i] for i in rng.permutation(2)[: count - 1]]
    ahead = distance if count == 3 else 0.35 * distance  # further, it would stand before the cameras at the sides
    back = wall(2.0 * distance + 1.5 if count < 3 else 2.0 * distance, height, rng.uniform(0.5, 2.5))
    items = [Item(back.placed((0.0, distance, 0.0)), _surface(rng, split, 0.4))]
    for sign, turn in chosen:
        side = wall(distance + ahead, height, rng.uniform(0.5, 2.5))
        where = (sign * distance, (distance - ahead) / 2, 0.0)
        items.append(Item(side.placed(where, turn), _surface(rng, split, 0.3)))
    return items


def _spot(rng: Rng, reach: tuple[float, float]) -> Array:
    """A random place (2,) in an ellipse about the origin."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.sqrt(rng.random()) * np.array(reach) * [np.cos(angle), np.sin(angle)]


def _places(rng: Rng, count: int, reach: tuple[float, float], apart: float) -> list[Array]:
    """Spots (2,) within an ellipse, `apart` from one another where that is possible."""
    chosen: list[Array] = []
    for _ in range(count):
        for _ in range(20):
            spot = _spot(rng, reach)
            if all(np.linalg.norm(spot - other) > apart for other in chosen):
                break
        chosen.append(spot)
    return chosen


def _scattered(
    rng: Rng,
    count: int,
    reach: tuple[float, float],
    shapes: Callable[[Rng], Shape],
    materials: Callable[[Rng], Material],
    taken: list[Item] | None = None,
    apart: float = 0.8,
) -> list[Item]:
    """Objects on z = 0 at random spots of an ellipse that hardly overlap."""
    circles = [_circle(item.shape) for item in taken or []]
    items: list[Item] = []
    for _ in range(count):
        shape = shapes(rng)
        for _ in range(25):
            x, y = _spot(rng, reach)
            if all(np.hypot(x - u, y - v) > apart * (r + shape.radius) for u, v, r in circles):
                break
        circles.append((x, y, shape.radius))
        items.append(Item(shape.placed((x, y, 0.0), rng.uniform(0, 360)), materials(rng)))
    return items


def _circle(shape: Shape) -> tuple[float, float, float]:
    low, high = shape.vertices[:, :2].min(0), shape.vertices[:, :2].max(0)
    x, y = (low + high) / 2
    return x, y, float(np.linalg.norm(high - low)) / 2
