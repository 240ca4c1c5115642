"""Shapes of the procedural scenes: primitives with random proportions, and the meshes of a furniture library."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import demo_shapes as ds
import numpy as np
import trimesh
from numpy.typing import NDArray

Rng = np.random.Generator
Array = NDArray[np.float64]
FURNITURE = Path("/usr/share/sweethome3d/furniture")
SPLITS = ("train", "validation", "test")
MOST_BYTES, MOST_FACES = 900_000, 30_000
SMOOTH_COSINE = 0.75


@dataclass(frozen=True)
class Shape:
    """Triangles of separate corners: `vertices` (3F, 3), `normals` (3F, 3), texture coordinates `uv` (3F, 2).

    World units, z up; one unit of `uv` is one repetition of the texture.
    """

    vertices: Array
    normals: Array
    uv: Array

    @property
    def radius(self) -> float:
        """Of the circle about the z axis that holds all of it."""
        return float(np.linalg.norm(self.vertices[:, :2], axis=-1).max())

    @property
    def height(self) -> float:
        """Of its highest point over z = 0."""
        return float(self.vertices[:, 2].max())

    def placed(self, offset: tuple[float, float, float], turn_deg: float = 0.0) -> Shape:
        """Turned about z, then shifted."""
        turn = _turn_z(turn_deg)
        return Shape(self.vertices @ turn.T + np.array(offset), self.normals @ turn.T, self.uv)


def split_of(name: str) -> str:
    """Which split an asset of this name belongs to: 80 % train, 10 % validation, 10 % test, for ever."""
    bucket = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return SPLITS[max(0, bucket - 7)]


def textured(mesh: ds.Mesh, tile: float) -> Shape:
    """Give a mesh texture coordinates: each triangle is seen along the axis that it faces most (box projection).

    Args:
        mesh: smooth where its normals agree.
        tile: world size of one repetition.
    """
    corners = mesh.vertices[mesh.faces]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.abs(faces).argmax(axis=-1)
    first, second = np.array([1, 2, 0])[axis], np.array([2, 0, 1])[axis]
    rows = np.arange(len(corners))[:, None], np.arange(3)[None]
    uv = np.stack([corners[(*rows, first[:, None])], corners[(*rows, second[:, None])]], axis=-1) / tile
    return Shape(corners.reshape(-1, 3), mesh.normals[mesh.faces].reshape(-1, 3), uv.reshape(-1, 2))


def rectangle(width: float, height: float, tile: float) -> Shape:
    """A flat sheet about the origin, facing +z."""
    x, y = np.meshgrid(np.linspace(-width / 2, width / 2, 9), np.linspace(height / 2, -height / 2, 9))
    return textured(ds.from_grids(np.stack([x, y, np.zeros_like(x)], axis=-1)), tile)


def wall(width: float, height: float, tile: float) -> Shape:
    """An upright sheet on z = 0 that faces -y, in the plane y = 0."""
    sheet = rectangle(width, height, tile)
    turn = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    return Shape(sheet.vertices @ turn.T + [0.0, 0.0, height / 2], sheet.normals @ turn.T, sheet.uv)


def box(size: tuple[float, float, float], tile: float) -> Shape:
    """A box with slightly round edges on z = 0."""
    return textured(ds.rounded_box(size, bevel=0.03 * min(size), cells=3), tile)


def hilly_ground(rng: Rng, size: float, tile: float) -> Shape:
    """Uneven ground about z = 0."""
    x, y = np.meshgrid(np.linspace(-size / 2, size / 2, 72), np.linspace(size / 2, -size / 2, 72))
    points = np.stack([x, y, np.zeros_like(x)], axis=-1)
    height = ds.noise3(points.reshape(-1, 3), rng, rng.uniform(0.4, 1.2), 3).reshape(x.shape)
    points[..., 2] = rng.uniform(0.02, 0.12) * height
    return textured(ds.from_grids(points), tile)


def random_primitive(rng: Rng) -> Shape:
    """An object of random kind that stands on z = 0 about the z axis, 0.15 to 1 in size."""
    kinds: tuple[Callable[[Rng], ds.Mesh], ...] = (_box, _lathe, _lathe, _blob, _superquadric, _ring, _pile)
    mesh = ds.standing(_tilted(kinds[rng.integers(len(kinds))](rng), rng))
    size = np.exp(rng.uniform(np.log(0.25), np.log(0.9)))
    scale = size / np.ptp(mesh.vertices, axis=0).max()
    return textured(ds.Mesh(mesh.vertices * scale, mesh.normals, mesh.faces), rng.uniform(0.15, 0.8))


def _box(rng: Rng) -> ds.Mesh:
    size = tuple(np.exp(rng.uniform(np.log(0.25), 0.0, 3)))
    return ds.rounded_box(size, bevel=rng.uniform(0.02, 0.25) * min(size), cells=3)


def _lathe(rng: Rng) -> ds.Mesh:
    """Vases, bottles, bowls, cones and cylinders."""
    knots = rng.integers(2, 6)
    heights = np.linspace(0.0, rng.uniform(0.4, 1.6), knots)
    radii = rng.uniform(0.12, 0.5, knots)
    side = list(zip(radii, heights, strict=True))
    foot = [(0.0, 0.0), side[0]]
    if rng.random() < 0.4:  # hollow
        inside = [(0.85 * r, z + 0.04 * (heights[-1])) for r, z in reversed(side)]
        profiles = [
            foot,
            side,
            [side[-1], (0.85 * radii[-1], heights[-1])],
            inside[1:],
            [inside[-1], (0.0, inside[-1][1])],
        ]
        profiles = [part for part in profiles if len(part) > 1]
    else:
        profiles = [foot, side, [side[-1], (0.0, heights[-1])]]
    return ds.revolved(*profiles, steps=10, around=int(rng.choice([6, 8, 48, 48, 48])) + 1)


def _blob(rng: Rng) -> ds.Mesh:
    """A pebble or a fruit: a ball displaced by smooth noise."""
    unit = _ball(32, 48)
    bumps = ds.noise3(unit.reshape(-1, 3), rng, rng.uniform(0.7, 2.5), 2).reshape(unit.shape[:2])
    return ds.from_grids((1.0 + rng.uniform(0.0, 0.45) * bumps[..., None]) * unit * rng.uniform(0.6, 1.2, 3))


def _superquadric(rng: Rng) -> ds.Mesh:
    unit, power = _ball(32, 48), rng.uniform(0.35, 1.6, 2)
    x, y, z = np.moveaxis(unit, -1, 0)
    flat = np.sqrt(np.maximum(1.0 - z * z, 1e-12))

    def bent(value: Array, exponent: float) -> Array:
        return np.sign(value) * np.abs(value) ** exponent

    ring = bent(flat, power[0])
    points = np.stack([ring * bent(x / flat, power[1]), ring * bent(y / flat, power[1]), bent(z, power[0])], axis=-1)
    return ds.from_grids(points * rng.uniform(0.5, 1.2, 3))


def _ring(rng: Rng) -> ds.Mesh:
    angle, thick = np.linspace(0.0, 2 * np.pi, 20), rng.uniform(0.15, 0.45)
    return ds.revolved([(1.0 + thick * np.sin(a), -thick * np.cos(a)) for a in angle], steps=1, around=56)


def _pile(rng: Rng) -> ds.Mesh:
    """Boxes, balls and turned pieces on top of each other."""
    parts, top = [], 0.0
    for kind in rng.choice(4, rng.integers(2, 5)):
        part = ds.standing((_box, _lathe, _superquadric, _blob)[kind](rng))
        part = ds.moved(part, (rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), top), rng.uniform(0, 360))
        parts.append(part)
        top = 0.97 * part.vertices[:, 2].max()
    return ds.join(*parts)


def _ball(rows: int, columns: int) -> Array:
    polar, angle = np.meshgrid(np.linspace(np.pi, 0.0, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    return np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], axis=-1)


def _tilted(mesh: ds.Mesh, rng: Rng) -> ds.Mesh:
    """Half of the objects stand, the others lie at any angle."""
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0] if rng.random() < 0.35 else np.eye(3)
    turn *= np.sign(np.linalg.det(turn))
    return ds.Mesh(mesh.vertices @ turn.T, mesh.normals @ turn.T, mesh.faces)


@lru_cache(maxsize=4)
def furniture_names(split: str) -> tuple[tuple[str, str], ...]:
    """Archive and member of each mesh of the furniture library that belongs to a split; none if it is not installed."""
    found = []
    for archive in sorted(FURNITURE.glob("*.sh3f")):
        with zipfile.ZipFile(archive) as content:
            for entry in content.infolist():
                if entry.filename.endswith(".obj") and 2000 < entry.file_size < MOST_BYTES:
                    found.append((archive.name, entry.filename))
    return tuple(name for name in found if split_of("/".join(name)) == split)


@lru_cache(maxsize=48)
def furniture(archive: str, member: str) -> ds.Mesh:
    """A mesh of the library, z up, standing at the origin, of height or width 1; without faces if it is of no use."""
    with zipfile.ZipFile(FURNITURE / archive) as content:
        loaded = trimesh.load(io.BytesIO(content.read(member)), file_type="obj", skip_materials=True, process=False)
    loaded = loaded.to_geometry() if isinstance(loaded, trimesh.Scene) else loaded
    corners = np.asarray(loaded.vertices)[np.asarray(loaded.faces)][..., [0, 2, 1]] * [1.0, -1.0, 1.0]
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(flat, axis=-1)
    size = np.ptp(corners.reshape(-1, 3), axis=0).max() if len(corners) else 0.0
    solid = length > 1e-10 * size**2
    corners, flat = corners[solid], flat[solid]
    if not 0 < len(corners) <= MOST_FACES:
        return ds.Mesh(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3), int))
    vertices = corners.reshape(-1, 3) / size
    normals = _creased_normals(vertices, flat / np.linalg.norm(flat, axis=-1, keepdims=True), length[solid])
    return ds.standing(ds.Mesh(vertices, normals, np.arange(len(vertices)).reshape(-1, 3)))


def random_furniture(rng: Rng, split: str) -> Shape:
    """A mesh of the library in a random size, standing on z = 0; a primitive if the library is not installed."""
    names = furniture_names(split)
    if not names:
        return random_primitive(rng)
    mesh = furniture(*names[rng.integers(len(names))])
    if not len(mesh.faces):
        return random_primitive(rng)
    scale = np.exp(rng.uniform(np.log(0.35), np.log(1.1)))
    return textured(ds.Mesh(mesh.vertices * scale, mesh.normals, mesh.faces), rng.uniform(0.15, 0.8))


def _creased_normals(vertices: Array, faces: Array, areas: Array) -> Array:
    """Of each corner (3F, 3): the mean of the faces at its place, or the face's own across a crease."""
    _, weld = np.unique(np.round(vertices, 5), axis=0, return_inverse=True)
    weld = weld.ravel()
    own = np.repeat(faces, 3, axis=0)
    weighted = own * np.repeat(areas, 3)[:, None]
    sums = np.stack([np.bincount(weld, weighted[:, axis]) for axis in range(3)], axis=-1)
    mean = sums[weld] / np.maximum(np.linalg.norm(sums[weld], axis=-1, keepdims=True), 1e-12)
    return np.where((mean * own).sum(-1, keepdims=True) > SMOOTH_COSINE, mean, own)


def _turn_z(turn_deg: float) -> Array:
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
