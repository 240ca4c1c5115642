"""What stands in the demo scene: textures, colours and the arrangement of one seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import demo_shapes as shapes
import numpy as np
from demo_shapes import Array, Mesh, noise3
from numpy.typing import NDArray
from PIL import Image

Rng = np.random.Generator
GROUND_HALF_SIZE = 14.0
ARRANGEMENT_RADIUS = 1.05
SRGB_KNEE = 0.04045
MIN_CONTRAST = 0.35
MIN_GAP = 0.03
PALETTE = ("#b5482f #d9a441 #2f6f73 #e6dcc3 #3d4f8a #7d9b53 #8c5a7a #c9764b #5b8fb0 #d8c7a0 #a33b45 #4b6b4f").split()


@dataclass(frozen=True)
class Item:
    """One object: its mesh in the world frame, linear albedo (V, 3) per vertex, and its gloss."""

    name: str
    mesh: Mesh
    albedo: Array
    glossy: bool


def linear_from_hex(code: str) -> Array:
    """Linear RGB (3,) of an sRGB colour like `#b5482f`."""
    srgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(srgb <= SRGB_KNEE, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def two_colours(rng: Rng) -> tuple[Array, Array]:
    """Two linear RGB colours of the palette, far enough apart that a pattern shows."""
    colours = [linear_from_hex(code) for code in PALETTE]
    while True:
        i, j = rng.choice(len(colours), 2, replace=False)
        if np.linalg.norm(np.sqrt(colours[i]) - np.sqrt(colours[j])) > MIN_CONTRAST:
            return colours[i], colours[j]


def mix(first: Array, second: Array, weight: Array) -> Array:
    """Blend (V, 3) of two colours (3,) by a weight (V,) that is clipped to 0..1."""
    return first + (second - first) * np.clip(weight, 0.0, 1.0)[:, None]


def bands(mesh: Mesh, rng: Rng) -> Array:
    """Horizontal stripes, a little wavy."""
    first, second = two_colours(rng)
    z = mesh.vertices[:, 2] + 0.012 * noise3(mesh.vertices, rng, 4.0, 2)
    return mix(first, second, 0.5 + 6.0 * np.sin(2 * np.pi * z / rng.uniform(0.11, 0.17)))


def spiral(mesh: Mesh, rng: Rng) -> Array:
    """Stripes that wind around the vertical axis."""
    first, second = two_colours(rng)
    x, y, z = mesh.vertices.T
    turns = int(rng.integers(3, 6))
    return mix(first, second, 0.5 + 5.0 * np.sin(turns * np.arctan2(y, x) + 11.0 * z))


def marble(mesh: Mesh, rng: Rng) -> Array:
    """Light stone with coloured veins."""
    vein, _ = two_colours(rng)
    flow = 7.0 * mesh.vertices @ rng.normal(size=3) + 3.5 * noise3(mesh.vertices, rng, 3.0)
    stone = mix(np.array([0.72, 0.69, 0.62]), np.array([0.5, 0.48, 0.45]), noise3(mesh.vertices, rng, 8.0))
    return stone + (vein - stone) * np.exp(-8.0 * np.sin(flow) ** 2)[:, None]


def speckled(mesh: Mesh, rng: Rng) -> Array:
    """Glaze with spots of a second colour."""
    first, second = two_colours(rng)
    return mix(first, second, 6.0 * (noise3(mesh.vertices, rng, 13.0, 2) - 0.25))


def clay(mesh: Mesh, rng: Rng) -> Array:
    """One colour with soft mottling."""
    first, _ = two_colours(rng)
    return first * np.clip(1.0 + 0.35 * noise3(mesh.vertices, rng, 9.0), 0.4, 1.5)[:, None]


def vase(rng: Rng) -> Mesh:
    """Belly, neck and flared lip, about 0.85 tall."""
    h, b, n = rng.uniform(0.75, 0.95), rng.uniform(0.21, 0.27), rng.uniform(0.075, 0.11)
    outside = [(0.13, 0.0), (b, 0.36 * h), (0.8 * b, 0.58 * h), (n, 0.8 * h), (n + 0.06, h)]
    inside = [(n + 0.04, h), (n - 0.02, 0.8 * h), (0.7 * b, 0.58 * h), (0.0, 0.3 * h)]
    return shapes.revolved(outside, [outside[-1], inside[0]], inside)


def bowl(rng: Rng) -> Mesh:
    """Open bowl, about 0.25 tall."""
    r, h = rng.uniform(0.28, 0.36), rng.uniform(0.2, 0.27)
    outside = [(0.14, 0.0), (0.15, 0.03), (0.75 * r, 0.42 * h), (r, h)]
    inside = [(r - 0.035, h), (0.68 * r, 0.5 * h), (0.0, 0.2 * h)]
    return shapes.revolved(outside, [outside[-1], inside[0]], inside)


def cone(rng: Rng) -> Mesh:
    """Cone with a round tip, about 0.65 tall."""
    r, h = rng.uniform(0.2, 0.26), rng.uniform(0.55, 0.75)
    return shapes.revolved([(r, 0.0), (r, 0.03)], [(r, 0.03), (0.03, h - 0.04), (0.018, h - 0.01), (0.0, h)])


def drum(rng: Rng) -> Mesh:
    """Cylinder with a bevelled rim, 0.35-0.6 tall."""
    r, h = rng.uniform(0.15, 0.22), rng.uniform(0.35, 0.6)
    return shapes.revolved([(r, 0.0), (r, h - 0.02)], [(r, h - 0.02), (r - 0.02, h)], [(r - 0.02, h), (0.0, h)])


def bricks(rng: Rng) -> Mesh:
    """Four layers of bricks, two a layer, laid crosswise and not quite straight."""
    layers = []
    for layer in range(4):
        for side in (-0.092, 0.092):
            brick = shapes.moved(shapes.rounded_box((0.36, 0.17, 0.12), 0.012), (0.0, side, 0.121 * layer))
            layers.append(shapes.moved(brick, (0.0, 0.0, 0.0), 90.0 * layer + rng.uniform(-5, 5)))
    return shapes.join(*layers)


def gate(rng: Rng) -> Mesh:
    """Two posts and a lintel, one wide and about 0.7 tall."""
    post, h = rng.uniform(0.12, 0.15), rng.uniform(0.45, 0.6)
    posts = [shapes.moved(shapes.rounded_box((post, 0.16, h)), (x, 0.0, 0.0)) for x in (-0.2, 0.2)]
    return shapes.join(*posts, shapes.moved(shapes.rounded_box((0.64, 0.19, 0.12)), (0.0, 0.0, h), 4.0))


def stairs(rng: Rng) -> Mesh:
    """Three steps, about 0.4 tall."""
    rise = rng.uniform(0.12, 0.15)
    blocks = [shapes.rounded_box((0.15, 0.42, rise * (step + 1)), 0.01) for step in range(3)]
    return shapes.standing(shapes.join(*(shapes.moved(b, (0.151 * i, 0, 0)) for i, b in enumerate(blocks))))


def brick_tones(mesh: Mesh, rng: Rng) -> Array:
    """Mottled blocks, each part of the mesh (8 equal bricks) in its own tone."""
    tones = np.array([linear_from_hex(c) for c in ("#b9583c", "#a34a38", "#c97a55", "#8f4a40", "#d3a06f")])
    owner = np.arange(len(mesh.vertices)) * 8 // len(mesh.vertices)
    mottle = np.clip(1.0 + 0.4 * noise3(mesh.vertices, rng, 14.0), 0.4, 1.5)
    return tones[rng.integers(0, 5, 8)][owner] * mottle[:, None]


Shape = Callable[[Rng], Mesh]
Paint = Callable[[Mesh, Rng], Array]
KINDS: dict[str, tuple[Shape, tuple[Paint, ...]]] = {
    "vase": (vase, (bands, spiral, speckled)),
    "column": (
        lambda rng: shapes.twisted_column(0.2, rng.uniform(0.8, 1.0), 5, 140.0),
        (marble, clay),
    ),
    "metaballs": (lambda rng: shapes.metaballs(rng, 0.3), (marble, speckled)),
    "gate": (gate, (marble, clay)),
    "cone": (cone, (bands, spiral)),
    "bricks": (bricks, (brick_tones,)),
    "pebble": (lambda rng: shapes.pebble(rng, 0.24, 0.22), (marble, speckled, clay)),
    "knot": (lambda rng: shapes.torus_knot(2, 3, 0.23, 0.07), (clay, speckled)),
    "drum": (drum, (bands, spiral)),
    "stairs": (stairs, (clay, marble)),
    "bowl": (bowl, (spiral, clay, bands)),
}
ALWAYS = ("vase", "bricks", "knot", "bowl")
MAY_SHINE = ("vase", "bowl", "knot", "pebble", "drum")


def build_items(seed: int) -> list[Item]:
    """Make the objects of one seed, without overlap, on the ground z = 0 around the origin."""
    rng = np.random.default_rng([seed, 1])
    others = [name for name in KINDS if name not in ALWAYS]
    chosen = [*ALWAYS, *rng.choice(others, 4, replace=False)]
    chosen.sort(key=list(KINDS).index)
    shiny = set(rng.choice([name for name in chosen if name in MAY_SHINE], 2, replace=False))
    meshes, albedos = [], []
    for name in chosen:
        shape, paints = KINDS[name]
        meshes.append(shapes.standing(shape(rng)))
        albedos.append(np.clip(paints[rng.integers(len(paints))](meshes[-1], rng), 0.03, 0.85))
    spots = scatter([np.linalg.norm(mesh.vertices[:, :2], axis=1).max() for mesh in meshes], rng)
    turned = [shapes.moved(mesh, (x, y, 0.0), rng.uniform(0, 360)) for mesh, (x, y) in zip(meshes, spots, strict=True)]
    rows = zip(chosen, turned, albedos, strict=True)
    return [Item(name, mesh, albedo, name in shiny) for name, mesh, albedo in rows]


def scatter(radii: list[float], rng: Rng) -> Array:
    """Centres (n, 2) of discs of these radii that do not touch, the first nearer the middle."""
    for attempt in range(20000):
        spread = ARRANGEMENT_RADIUS * (1.0 + attempt / 20000)
        spots = np.empty((0, 2))
        for index, radius in enumerate(radii):
            reach = (spread - radius) * (0.55 + 0.45 * index / len(radii))
            trials = rng.uniform(-reach, reach, (200, 2))
            trials = trials[np.linalg.norm(trials, axis=1) <= reach]
            gaps = np.linalg.norm(trials[:, None] - spots, axis=2) - np.array(radii[:index]) - radius
            free = trials[(gaps > MIN_GAP).all(axis=1)]
            if not len(free):
                break
            spots = np.vstack([spots, free[0]])
        if len(spots) == len(radii):
            return spots - spots.mean(axis=0)
    raise RuntimeError("no arrangement without overlap found; try another seed")


def noise2(size: int, cells: tuple[int, int], rng: Rng, octaves: int = 4) -> NDArray[np.float32]:
    """Smooth noise (size, size), about -1..1, with `cells` lattice cells (rows, columns)."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        shape = [min(size, count * 2**octave) for count in cells]
        lattice = Image.fromarray(rng.uniform(-1, 1, shape).astype(np.float32))
        total += np.asarray(lattice.resize((size, size), Image.Resampling.BICUBIC)) / 2**octave
    return total / 1.2


def ground_texture(seed: int, size: int = 4096) -> NDArray[np.uint8]:
    """SRGB ground picture (size, size, 3) over 2 x `GROUND_HALF_SIZE`: planks or stone tiles."""
    rng = np.random.default_rng([seed, 2])
    return (planks, tiles)[seed % 2](rng, size)


def planks(rng: Rng, size: int) -> NDArray[np.uint8]:
    """Wooden boards, 0.34 wide, of varied tone, with grain along them and dark joints."""
    x, y = np.meshgrid(*[np.linspace(0, 2 * GROUND_HALF_SIZE, size, dtype=np.float32)] * 2)
    row = np.floor(y / 0.34).astype(int)
    along = x + rng.uniform(0, 9, row.max() + 1).astype(np.float32)[row]
    board = (row * 37 + np.floor(along / 2.1).astype(int) * 101) % 509
    tone = rng.uniform(-1, 1, 509).astype(np.float32)[board]
    hue = rng.uniform(-1, 1, 509).astype(np.float32)[board]
    grain = noise2(size, (700, 24), rng, 3) + 0.6 * np.sin(60 * y + 9 * noise2(size, (90, 12), rng, 3))
    value = 0.70 + 0.08 * tone + 0.06 * grain + 0.05 * noise2(size, (60, 60), rng)
    edge = np.minimum(
        np.minimum(y % 0.34, 0.34 - y % 0.34) / 0.010,
        np.minimum(along % 2.1, 2.1 - along % 2.1) / 0.010,
    )
    value *= 0.45 + 0.55 * np.clip(edge, 0, 1)
    rgb = value[..., None] * (np.float32([1.10, 0.92, 0.72]) + hue[..., None] * np.float32([0.03, 0, -0.05]))
    return (np.clip(rgb, 0.02, 0.95) * 255).astype(np.uint8)


def tiles(rng: Rng, size: int) -> NDArray[np.uint8]:
    """Stone tiles of side 0.42 in three mottled tones, with light veins and sunken grout."""
    x, y = np.meshgrid(*[np.linspace(0, 2 * GROUND_HALF_SIZE, size, dtype=np.float32)] * 2)
    x, y = 0.906 * x + 0.423 * y, 0.906 * y - 0.423 * x + 20.0
    column, row = np.floor(x / 0.42).astype(int), np.floor(y / 0.42).astype(int)
    tile = (column * 131 + row * 277 + column * row * 17) % 1021
    stones = np.float32([[0.63, 0.60, 0.55], [0.52, 0.53, 0.54], [0.66, 0.55, 0.45]])
    rgb = stones[rng.integers(0, 3, 1021)[tile]] * rng.uniform(0.85, 1.12, 1021).astype(np.float32)[tile][..., None]
    spots = noise2(size, (220, 220), rng, 4)
    veins = np.exp(-40 * (noise2(size, (130, 130), rng, 3) + 0.2 * rng.uniform(-1, 1, 1021)[tile]) ** 2)
    rgb *= (1.0 + 0.2 * spots + 0.16 * veins)[..., None].astype(np.float32)
    edge = np.minimum(np.minimum(x % 0.42, 0.42 - x % 0.42), np.minimum(y % 0.42, 0.42 - y % 0.42)) / 0.014
    grout = np.clip(edge - 0.3, 0, 1)[..., None].astype(np.float32)
    return (np.clip(grout * rgb + (1 - grout) * 0.33, 0.02, 0.95) * 255).astype(np.uint8)
