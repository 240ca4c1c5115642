"""Shapes that the procedural captures add: figures, thin things of rods and wires, and plain materials."""

from __future__ import annotations

from collections.abc import Callable

import demo_shapes as ds
import numpy as np
from procedural_materials import BRIGHTEST, DARKEST, Material
from procedural_shapes import Array, Rng, Shape, textured
from skimage.measure import marching_cubes

GRID = (56, 56, 84)


def plain(rng: Rng, roughness: tuple[float, float] = (0.5, 1.0), metallic: float = 0.0) -> Material:
    """One colour without any texture, as most things have."""
    value, tint = rng.uniform(0.4, 0.97), 1.0 - rng.beta(1.0, 1.6) * rng.uniform(0.0, 1.0, 3)
    colour = np.clip((value * tint / tint.max()) ** 2.2, DARKEST, BRIGHTEST)
    if metallic:
        colour = np.maximum(colour, 0.3)
    texture = np.broadcast_to(colour, (4, 4, 3)).astype(np.float32)
    return Material(texture, rng.uniform(*roughness), metallic, rng.uniform(0.2, 0.5))


def glossy(rng: Rng) -> Material:
    """Polished metal, or lacquer of one colour."""
    if rng.random() < 0.4:
        return plain(rng, (0.12, 0.4), rng.uniform(0.8, 1.0))
    material = plain(rng, (0.06, 0.3))
    return Material(material.texture, material.roughness, 0.0, rng.uniform(0.5, 0.9))


def ball(rng: Rng) -> Shape:
    """A ball on z = 0, 0.11 to 0.26 in radius."""
    polar, angle = np.meshgrid(np.linspace(np.pi, 0.0, 40), np.linspace(0, 2 * np.pi, 64), indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], axis=-1)
    return textured(ds.standing(ds.from_grids(rng.uniform(0.11, 0.26) * unit)), 0.5)


def tube(curve: Array, radius: float, sides: int = 10) -> ds.Mesh:
    """A round rod or wire along points (n, 3)."""
    tangent = np.gradient(curve, axis=0)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True)
    across = np.eye(3)[np.abs(np.ptp(curve, axis=0)).argmin()]
    frames = []
    for towards in tangent:  # each frame is the last one, turned as little as needed
        across = across - (across @ towards) * towards
        across = across / np.linalg.norm(across)
        frames.append(np.stack([across, np.cross(towards, across)]))
    angle = np.linspace(0.0, 2 * np.pi, sides + 1)
    rim = np.stack([np.cos(angle), -np.sin(angle)], axis=-1) @ np.array(frames)
    return ds.from_grids(curve[:, None] + radius * rim)


def rod(start: Array, end: Array, radius: float) -> ds.Mesh:
    """A straight round rod."""
    return tube(np.linspace(start, end, 3), radius)


def random_thin(rng: Rng) -> Shape:
    """Something of thin parts that stands on z = 0, 0.5 to 0.9 in size."""
    kinds: tuple[Callable[[Rng], ds.Mesh], ...] = (_stool, _cage, _frame, _coil, _lamp, _rack)
    mesh = ds.standing(kinds[rng.integers(len(kinds))](rng))
    scale = rng.uniform(0.5, 0.9) / np.ptp(mesh.vertices, axis=0).max()
    return textured(ds.Mesh(mesh.vertices * scale, mesh.normals, mesh.faces), 0.4)


def _stool(rng: Rng) -> ds.Mesh:
    """A seat or table-top on thin legs with rungs."""
    wide, deep, thick = rng.uniform(0.4, 0.9), rng.uniform(0.4, 0.6), rng.uniform(0.008, 0.018)
    corners = 0.42 * np.array([[-wide, -deep], [wide, -deep], [wide, deep], [-wide, deep]])
    splay = rng.uniform(1.0, 1.25)
    parts = [ds.moved(ds.rounded_box((wide, deep, 0.03), 0.008, 3), (0.0, 0.0, 0.7))]
    parts += [rod(np.array([*(splay * c), 0.0]), np.array([*c, 0.7]), thick) for c in corners]
    height = rng.uniform(0.2, 0.4)
    ring = np.c_[corners * (splay + (1 - splay) * height / 0.7), np.full(4, height)]
    parts += [rod(ring[i], ring[i - 1], 0.7 * thick) for i in range(4)]
    if rng.random() < 0.5:  # a chair's back
        posts = [np.array([*corners[i], 0.7]) for i in (2, 3)]
        tops = [post + [0.0, 0.05, rng.uniform(0.4, 0.45)] for post in posts]
        parts += [rod(post, top, thick) for post, top in zip(posts, tops, strict=True)]
        parts.append(rod(tops[0], tops[1], thick))
        for s in (0.25, 0.5, 0.75):
            parts.append(rod((1 - s) * posts[0] + s * posts[1], (1 - s) * tops[0] + s * tops[1], 0.6 * thick))
    return ds.join(*parts)


def _cage(rng: Rng) -> ds.Mesh:
    """Upright bars between rings."""
    radius, height, thick = rng.uniform(0.2, 0.35), rng.uniform(0.5, 0.9), rng.uniform(0.006, 0.012)
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(8, 15)), endpoint=False)
    around = np.linspace(0, 2 * np.pi, 49)
    rings = [
        tube(np.stack([radius * np.cos(around), radius * np.sin(around), np.full(49, z)], axis=-1), thick)
        for z in (thick, 0.5 * height, height)
    ]
    feet = radius * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return ds.join(*rings, *(rod(np.array([x, y, 0.0]), np.array([x, y, height]), thick) for x, y in feet))


def _frame(rng: Rng) -> ds.Mesh:
    """An upright empty frame on two feet, with a few wires across."""
    wide, high, thick = rng.uniform(0.4, 0.8), rng.uniform(0.5, 0.9), rng.uniform(0.01, 0.02)
    bar = ds.rounded_box((wide, 2 * thick, 2 * thick), 0.3 * thick, 3)
    post = ds.rounded_box((2 * thick, 2 * thick, high), 0.3 * thick, 3)
    foot = ds.rounded_box((3 * thick, 0.3, 2 * thick), 0.3 * thick, 3)
    parts = [ds.moved(bar, (0.0, 0.0, z)) for z in (0.1, high - 2 * thick)]
    parts += [ds.moved(part, (sign * wide / 2, 0.0, 0.0)) for sign in (-1.0, 1.0) for part in (post, foot)]
    for _ in range(int(rng.integers(2, 7))):
        ends = rng.uniform(-0.5, 0.5, 2) * wide
        parts.append(rod(np.array([ends[0], 0.0, 0.1]), np.array([ends[1], 0.0, high - thick]), 0.3 * thick))
    return ds.join(*parts)


def _coil(rng: Rng) -> ds.Mesh:
    """A wire that winds upwards."""
    turns, t = rng.uniform(2.5, 6.0), np.linspace(0.0, 1.0, 240)
    radius = 0.3 * (1.0 - rng.uniform(0.0, 0.8) * t)
    angle = 2 * np.pi * turns * t
    return tube(np.stack([radius * np.cos(angle), radius * np.sin(angle), 0.8 * t], axis=-1), rng.uniform(0.008, 0.02))


def _lamp(rng: Rng) -> ds.Mesh:
    """A disc, a bent thin stem, and a shade."""
    base = ds.revolved([(0.0, 0.0), (0.18, 0.0)], [(0.18, 0.0), (0.17, 0.03)], [(0.17, 0.03), (0.0, 0.035)], steps=4)
    t, lean = np.linspace(0.0, 1.0, 24), rng.uniform(0.0, 0.35)
    stem = tube(np.stack([lean * t**2, 0.0 * t, 0.03 + 0.72 * t], axis=-1), rng.uniform(0.008, 0.015))
    shade = ds.revolved([(rng.uniform(0.16, 0.24), 0.0), (rng.uniform(0.06, 0.16), 0.2)], steps=4, around=49)
    return ds.join(base, stem, ds.moved(shade, (lean, 0.0, 0.65)))


def _rack(rng: Rng) -> ds.Mesh:
    """Crossing rods of a lattice that leans back, on props."""
    wide, high, thick = rng.uniform(0.5, 0.8), rng.uniform(0.5, 0.8), rng.uniform(0.006, 0.014)
    lean = np.array([0.0, rng.uniform(0.1, 0.3), 0.0])

    def at(u: float, v: float) -> Array:
        return np.array([(u - 0.5) * wide, 0.0, v * high]) + v * lean

    columns, rows = rng.integers(3, 7, 2)
    parts = [rod(at(u, 0.0), at(u, 1.0), thick) for u in np.linspace(0, 1, columns)]
    parts += [rod(at(0.0, v), at(1.0, v), thick) for v in np.linspace(0.1, 1, rows)]
    return ds.join(*parts, *(rod(at(u, 1.0), at(u, 0.0) + 3 * lean, thick) for u in (0.0, 1.0)))


def random_statue(rng: Rng) -> Shape:
    """A smooth organic shape that stands on z = 0, 0.8 to 1.1 high."""
    kinds: tuple[Callable[[Rng], ds.Mesh], ...] = (_figure, _figure, _blobs, _worn_vase)
    mesh = ds.standing(kinds[rng.integers(len(kinds))](rng))
    scale = rng.uniform(0.8, 1.1) / np.ptp(mesh.vertices, axis=0).max()
    return textured(ds.Mesh(mesh.vertices * scale, mesh.normals, mesh.faces), 0.5)


def _figure(rng: Rng) -> ds.Mesh:
    """A person or a beast: capsules that flow into one another, worn by noise."""
    axes = [np.linspace(low, high, n) for low, high, n in zip((-0.8, -0.8, -0.2), (0.8, 0.8, 1.9), GRID, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    total = np.zeros(len(points))
    for start, end, thick in _limbs(rng):
        total += np.exp(-(_capsule_distance(points, start, end) - thick) / 0.05)
    distance = -0.05 * np.log(np.maximum(total, 1e-12))
    distance += rng.uniform(0.005, 0.025) * ds.noise3(points, rng, rng.uniform(2.0, 5.0), 2)
    distance = np.maximum(distance, 0.02 - points[:, 2])  # a flat foot
    vertices, faces, _, _ = marching_cubes(distance.reshape(GRID), 0.0)
    steps = np.array([axis[1] - axis[0] for axis in axes])
    return ds.from_faces(vertices * steps, faces[:, ::-1].astype(np.int64))


def _limbs(rng: Rng) -> list[tuple[Array, Array, float]]:
    """Start, end and radius of the capsules of a body."""
    lean = rng.uniform(-0.12, 0.12, 2)
    hip, neck = np.array([0.0, 0.0, 0.65]), np.array([*lean, 1.15])
    head = neck + [rng.uniform(-0.06, 0.06), rng.uniform(-0.1, 0.02), 0.28]
    limbs = [(hip, neck, rng.uniform(0.15, 0.22)), (neck, head, 0.08), (head, head + [0.0, -0.03, 0.05], 0.14)]
    if rng.random() < 0.5:  # a robe
        limbs.append((np.array([0.0, 0.0, 0.0]), hip, rng.uniform(0.24, 0.34)))
    else:
        limbs += [(np.array([s * rng.uniform(0.1, 0.3), rng.uniform(-0.2, 0.2), 0.0]), hip, 0.11) for s in (-1.0, 1.0)]
    for side in (-1.0, 1.0):
        shoulder = neck + [side * 0.2, 0.0, -0.05]
        elbow = shoulder + [side * rng.uniform(0.02, 0.25), rng.uniform(-0.2, 0.1), rng.uniform(-0.35, 0.1)]
        hand = elbow + [side * rng.uniform(-0.2, 0.1), rng.uniform(-0.3, 0.0), rng.uniform(-0.15, 0.25)]
        limbs += [(shoulder, elbow, 0.075), (elbow, hand, 0.06)]
    return limbs


def _capsule_distance(points: Array, start: Array, end: Array) -> Array:
    along = end - start
    part = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
    return np.linalg.norm(points - start - part[:, None] * along, axis=-1)


def _blobs(rng: Rng) -> ds.Mesh:
    return ds.metaballs(rng, 0.5, int(rng.integers(5, 10)))


def _worn_vase(rng: Rng) -> ds.Mesh:
    """A turned shape, twisted, with ridges and dents."""
    radii = rng.uniform(0.1, 0.36, 5)
    knots = list(zip(radii, np.linspace(0.0, 1.0, 5), strict=True))
    mesh = ds.revolved([(0.0, 0.0), knots[0], *knots[1:], (0.0, 1.02)], steps=22, around=120)
    angle = np.arctan2(mesh.vertices[:, 1], mesh.vertices[:, 0])
    ridges = 0.06 * np.cos(rng.integers(2, 7) * angle + rng.uniform(-4, 4) * mesh.vertices[:, 2])
    bumps = rng.uniform(0.02, 0.12) * ds.noise3(mesh.vertices, rng, rng.uniform(2.0, 4.0), 2)
    vertices = mesh.vertices * np.stack([1 + ridges + bumps, 1 + ridges + bumps, np.ones(len(angle))], axis=-1)
    return ds.from_faces(vertices, mesh.faces)


def sized(rng: Rng, shape: Shape, least: float, most: float) -> Shape:
    """The shape with another greatest extent."""
    return Shape(
        shape.vertices * rng.uniform(least, most) / np.ptp(shape.vertices, axis=0).max(), shape.normals, shape.uv
    )
