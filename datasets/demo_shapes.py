"""Procedural meshes of the demo scene: plain numpy, z up, standing on z = 0, in world units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import map_coordinates
from skimage.measure import marching_cubes

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Triangles with smooth normals: `vertices` (V, 3), `normals` (V, 3), `faces` (F, 3)."""

    vertices: Array
    normals: Array
    faces: NDArray[np.int64]


def from_faces(vertices: Array, faces: NDArray[np.int64]) -> Mesh:
    """Mesh with area-weighted normals, shared by vertices (V, 3) at the same position."""
    edges = vertices[faces[:, 1:]] - vertices[faces[:, :1]]
    face_normals = np.cross(edges[:, 0], edges[:, 1])
    solid = face_normals.any(axis=1)
    faces, face_normals = faces[solid], face_normals[solid]
    _, weld = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    sums = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(sums, weld.ravel()[faces[:, corner]], face_normals)
    normals = sums[weld.ravel()]
    return Mesh(vertices, normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12), faces)


def from_grids(*grids: Array) -> Mesh:
    """Smooth mesh over point grids, each (m, n, 3); the normal is d(axis 1) x d(axis 0)."""
    vertices, faces, start = [], [], 0
    for grid in grids:
        m, n = grid.shape[:2]
        corner = (np.arange(m - 1)[:, None] * n + np.arange(n - 1)).reshape(-1, 1) + start
        faces += [corner + [0, 1, n + 1], corner + [0, n + 1, n]]
        vertices.append(grid.reshape(-1, 3))
        start += m * n
    return from_faces(np.concatenate(vertices), np.concatenate(faces))


def join(*meshes: Mesh) -> Mesh:
    """One mesh from many; creases between them stay."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]),
    )


def moved(mesh: Mesh, offset: tuple[float, float, float], turn_deg: float = 0.0) -> Mesh:
    """Mesh turned about z by `turn_deg`, then shifted by `offset`."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    rotation = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    return Mesh(mesh.vertices @ rotation.T + np.array(offset), mesh.normals @ rotation.T, mesh.faces)


def standing(mesh: Mesh) -> Mesh:
    """Mesh centred over the origin with its lowest point at z = 0."""
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    middle = (low + high) / 2
    return moved(mesh, (-middle[0], -middle[1], -low[2]))


def noise3(points: Array, rng: np.random.Generator, frequency: float, octaves: int = 4) -> Array:
    """Value noise (V,) at points (V, 3), about -1..1, coarsest features of size 1 / frequency."""
    total = np.zeros(len(points))
    for octave in range(octaves):
        lattice = rng.uniform(-1.0, 1.0, (24, 24, 24))
        where = points.T * frequency * 2**octave + rng.uniform(0.0, 24.0, (3, 1))
        total += map_coordinates(lattice, where, order=3, mode="grid-wrap") / 2**octave
    return total / 1.2


def revolved(*profiles: list[tuple[float, float]], steps: int = 40, around: int = 160) -> Mesh:
    """Surface of revolution about z; a profile is smooth points (radius, z), outside on its right.

    Profiles follow one another from the bottom outside to the top (and down inside a vessel), with
    a crease between one and the next.
    """
    angle = np.linspace(0.0, 2 * np.pi, around)
    parts = []
    for profile in profiles:
        knots = np.array(profile)
        length = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))]
        where = np.linspace(0.0, length[-1], steps * max(1, len(knots) - 1))
        radius, z = PchipInterpolator(length, knots)(where).T
        ring = np.stack([np.cos(angle), np.sin(angle)], -1)
        heights = np.broadcast_to(z[:, None, None], (len(z), around, 1))
        parts.append(from_grids(np.concatenate([radius[:, None, None] * ring, heights], -1)))
    return join(*parts)


def box_ticks(half: float, bevel: float, cells: int) -> Array:
    """Grid lines from -half to half, `cells` in between and a few more across each bevel."""
    edge = np.linspace(half - bevel, half, 4)[1:]
    return np.r_[-edge[::-1], np.linspace(bevel - half, half - bevel, cells), edge]


def rounded_box(size: tuple[float, float, float], bevel: float = 0.02, cells: int = 24) -> Mesh:
    """Box of edge lengths `size` with round edges of radius `bevel`, standing on z = 0."""
    half = np.array(size) / 2
    grids = []
    for axis in range(3):
        for sign in (-1.0, 1.0):
            a, b = (axis + 1) % 3, (axis + 2) % 3
            ticks = [box_ticks(h, bevel, cells) for h in (half[a], half[b])]
            grid = np.empty((len(ticks[1]), len(ticks[0]), 3))
            grid[..., a], grid[..., b] = np.meshgrid(ticks[0] * sign, ticks[1])
            grid[..., axis] = sign * half[axis]
            core = np.clip(grid, bevel - half, half - bevel)
            out = grid - core
            grids.append(core + bevel * out / np.linalg.norm(out, axis=-1, keepdims=True))
    return standing(from_grids(*grids))


def torus_knot(p: int, q: int, radius: float, tube: float) -> Mesh:
    """Tube of radius `tube` along the (p, q) torus knot in a ring of about `radius`."""
    t = np.linspace(0.0, 2 * np.pi, 800)
    ring = radius * (1.0 + 0.42 * np.cos(q * t))
    curve = np.stack([ring * np.cos(p * t), ring * np.sin(p * t), 0.5 * radius * np.sin(q * t)], -1)
    tangent = np.gradient(curve[:-1], axis=0)
    tangent[0] = tangent[-1] = curve[1] - curve[-2]
    tangent = np.concatenate([tangent, tangent[:1]])
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    centre = radius * np.stack([np.cos(p * t), np.sin(p * t), 0.0 * t], -1)
    side = np.cross(tangent, curve - centre)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = np.linspace(0.0, 2 * np.pi, 64)[None, :, None]
    rim = np.cos(angle) * side[:, None] + np.sin(angle) * np.cross(tangent, side)[:, None]
    return standing(from_grids(curve[:, None] + tube * rim))


def pebble(rng: np.random.Generator, radius: float, roughness: float) -> Mesh:
    """Sphere displaced by smooth noise, slightly taller than wide."""
    polar, angle = np.meshgrid(np.linspace(np.pi, 0.0, 160), np.linspace(0, 2 * np.pi, 240), indexing="ij")
    unit = np.stack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)], -1)
    bumps = noise3(unit.reshape(-1, 3), rng, 1.3, 2).reshape(polar.shape)
    return standing(from_grids(radius * (1.0 + roughness * bumps[..., None]) * unit * [1, 1, 1.15]))


def metaballs(rng: np.random.Generator, radius: float, balls: int = 7) -> Mesh:
    """Smooth union of balls around a vertical axis (marching cubes), about 3 radii tall."""
    axis = np.linspace(-1.6, 1.6, 72)
    x, y, z = np.meshgrid(axis, axis, axis, indexing="ij")
    field = np.zeros_like(x)
    for height in np.linspace(-0.9, 0.9, balls):
        cx, cy = rng.uniform(-0.38, 0.38, 2)
        field += rng.uniform(0.06, 0.13) / ((x - cx) ** 2 + (y - cy) ** 2 + (z - height) ** 2 + 0.02)
    vertices, faces, _, _ = marching_cubes(field, 1.0)
    scaled = radius * (vertices / 71 * 3.2 - 1.6)
    return standing(from_faces(scaled, faces[:, ::-1].astype(np.int64)))


def twisted_column(radius: float, height: float, lobes: int, twist_deg: float) -> Mesh:
    """Upright prism with `lobes` soft ridges that turns by `twist_deg` from foot to top."""
    angle = np.linspace(0.0, 2 * np.pi, 240)
    z = np.linspace(0.0, 1.0, 160)[:, None]
    rim = radius * (1.0 + 0.16 * np.cos(lobes * angle)) * (1.0 - 0.35 * z)
    turned = angle + np.deg2rad(twist_deg) * z
    side = np.stack([rim * np.cos(turned), rim * np.sin(turned), height * np.repeat(z, 240, 1)], -1)
    inwards = np.linspace(1.0, 0.0, 24)[:, None, None] * [1.0, 1.0, 0.0]
    return join(from_grids(side), from_grids(side[-1] * inwards + [0.0, 0.0, height]))
