"""Gaussians on a scene's mesh, and for the background that the capture's cameras see."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from relightnerf.cameras import Camera, Cameras
from relightnerf.export.neighbours import Neighbours
from relightnerf.export.views import LitView
from relightnerf.field.frame import FieldFrame
from relightnerf.field.sampling import contract
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.io.gaussians import Gaussians

if TYPE_CHECKING:
    import open3d as o3d

_CELL_BITS = 20
"""Bits of a voxel's number along each axis; three fit in 64."""


@dataclass(frozen=True)
class SurfaceSettings:
    """What tunes Gaussians on and beyond a mesh."""

    spread: float = 0.5
    """Standard deviation along the surface, in distances to the points beside. Two neighbours meet at one standard
    deviation, where each has 0.6 of its opacity: less leaves holes, more blurs the picture."""
    flatness: float = 0.15
    """Standard deviation across the surface over that along it. Flatter ones vanish when seen from the side, thicker
    ones stand out from outlines."""
    opacity: float = 0.95
    """Of each Gaussian's middle. With overlap it hides all that is behind; files hold its logit, so it cannot be 1."""
    margin_edges: float = 2.0
    """Points beyond the mesh that lie nearer to it than so many of its edges are left out: the field's outlines and the
    mesh's differ by a few voxels, and what is seen between them is a seam of wrong depth."""
    depth_tolerance: float = 0.02
    """A view looks through a point if the field's depth is larger by more than this part, and sees it if it is
    within."""
    neighbours: int = 6
    """Points beside one, whose mean distance is its spacing: on a surface, about one ring of them."""
    widest: float = 3.0
    """Largest spacing in voxels: lone points would become large discs in the air."""
    least_cosine: float = 0.01
    """Least cosine of a pixel's weight: normals of a field's far depth may turn away, and some weight has to be
    left."""


_SETTINGS = SurfaceSettings()


class Background:
    """Gathers what lies behind and beside a mesh: pixels whose rays miss it, thinned to one point a voxel.

    Voxels have one size in the field's contracted space: about a pixel where the photos look at, larger further away.
    What is close to the mesh belongs to its silhouettes and is left out, and so is what more views look through than
    see.

    Args:
        mesh: in the capture's world.
        rays: against this mesh.
        cameras: of the views.
        frame: of the field.
    """

    def __init__(self, mesh: "o3d.geometry.TriangleMesh", rays: RayScene, cameras: Cameras, frame: FieldFrame) -> None:
        self._mesh = Neighbours(np.asarray(mesh.vertices))
        self._margin = _SETTINGS.margin_edges * float(np.median(_edges(mesh)))
        self._rays, self._frame = rays, frame
        distance = np.median(np.linalg.norm(cameras.camera_to_world[:, :3, 3] - frame.center, axis=-1))
        self._voxel = distance / np.median(cameras.intrinsics[:, :2])
        self._keys, self._sums = np.zeros(0, np.int64), np.zeros((0, 10))
        self._depths: list[tuple[Camera, np.ndarray]] = []

    def add(self, view: LitView) -> None:
        """Add what one view sees."""
        camera = view.camera
        points = camera.points_world(view.depth)
        kept = self._rays.camera_hits(camera).depth == 0.0
        kept[kept] = self._mesh.nearest(points[kept], 1)[0][:, 0] > self._margin
        values = _weighted(view, points)[kept]
        cells = _cells(self._frame.points(points[kept]), self._voxel * self._frame.scale)
        keys = np.concatenate([self._keys, cells])
        self._keys, self._sums = _merged(keys, np.concatenate([self._sums, values]))
        self._depths.append((camera, view.depth.astype(np.float32)))

    def gaussians(self) -> Gaussians:
        """Return a Gaussian a voxel with the mean position, normal and colour of its pixels."""
        sums = self._sums[~self._is_looked_through(self._sums[:, :3] / self._sums[:, 9:])]
        means, normals, colours = np.split(sums[:, :9] / sums[:, 9:], 3, axis=1)
        voxels = self._voxel * _growth(self._frame.points(means))
        return flat_gaussians(means, normals, _spacing(means).clip(voxels, _SETTINGS.widest * voxels), colours)

    def _is_looked_through(self, points: np.ndarray) -> np.ndarray:
        through, seen = np.zeros(len(points), int), np.zeros(len(points), int)
        for camera, depths in self._depths:
            pixels, depth = camera.project(points)
            column, row = np.floor(pixels).astype(int).T
            inside = (depth > 0.0) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
            behind = depths[row[inside], column[inside]] / depth[inside] - 1.0
            through[inside] += behind > _SETTINGS.depth_tolerance
            seen[inside] += np.abs(behind) <= _SETTINGS.depth_tolerance
        return through > seen


def _spacing(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
    """Return the mean distance to the nearest points."""
    if len(points) <= _SETTINGS.neighbours:
        return np.zeros(len(points))
    return Neighbours(points).nearest(points, _SETTINGS.neighbours + 1)[0][:, 1:].mean(axis=-1)


def flat_gaussians(
    points: Float[np.ndarray, "points 3"],
    normals: Float[np.ndarray, "points 3"],
    spacing: Float[np.ndarray, " points"],
    colours: Float[np.ndarray, "points 3"],
) -> Gaussians:
    """Return Gaussians that cover a surface.

    Args:
        points: on the surface.
        normals: of the surface, of any length and either sign.
        spacing: distance to the points beside each.
        colours: sRGB in [0, 1].
    """
    scales = _SETTINGS.spread * spacing[:, None] * np.array([1.0, 1.0, _SETTINGS.flatness])
    return Gaussians(
        points, scales, _rotations(normals), np.full(len(points), _SETTINGS.opacity), colours.clip(0.0, 1.0)
    )


def mesh_gaussians(mesh: "o3d.geometry.TriangleMesh", colours: Float[np.ndarray, "vertices 3"]) -> Gaussians:
    """Return a Gaussian a vertex, as wide as the edges there are long."""
    pairs = np.asarray(mesh.triangles)[:, [0, 1, 1, 2, 2, 0]].reshape(-1)
    lengths, count = np.repeat(_edges(mesh), 2), len(mesh.vertices)
    spacing = np.bincount(pairs, lengths, count) / np.maximum(np.bincount(pairs, None, count), 1)
    return flat_gaussians(np.asarray(mesh.vertices), np.asarray(mesh.vertex_normals), spacing, colours)


def _edges(mesh: "o3d.geometry.TriangleMesh") -> Float[np.ndarray, " edges"]:
    """Return the lengths of each triangle's three edges."""
    corners = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
    return np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1).ravel()


def _weighted(view: LitView, points: Float[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width 10"]:
    """Return point, normal (world), colour and 1, all times the pixel's solid angle on the surface."""
    camera = view.camera
    normals = depth_normals(camera, view.depth) @ camera.camera_to_world[:3, :3].T
    away = points - camera.position
    distance = np.linalg.norm(away, axis=-1, keepdims=True)
    weight = (
        np.maximum(-np.sum(normals * away, axis=-1, keepdims=True) / distance, _SETTINGS.least_cosine) / distance**2
    )
    return weight * np.concatenate([points, normals, view.picture, np.ones_like(weight)], axis=-1)


def _cells(points: Float[np.ndarray, "pixels 3"], side: float) -> Int[np.ndarray, " pixels"]:
    cells = torch.floor(contract(torch.from_numpy(points)) / side).long() + (1 << (_CELL_BITS - 1))
    x, y, z = cells.numpy().T
    return (x << 2 * _CELL_BITS) | (y << _CELL_BITS) | z


def _merged(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Add up the rows of equal keys."""
    found, index = np.unique(keys, return_inverse=True)
    sums = [np.bincount(index, column, len(found)) for column in values.T]
    return found, np.stack(sums, axis=-1)


def _growth(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
    """Return how many times wider than in the inner cube a voxel is at points of the field's frame.

    Outside of the cube (largest coordinate r > 1) the field contracts p to (2 - 1/r) p / r. Across the ray from the
    middle that shrinks lengths by (2 - 1/r) / r; along it by 1 / r^2, which is more, so the lesser growth is taken.
    """
    radius = np.abs(points).max(axis=-1, initial=1.0)
    return radius / (2.0 - 1.0 / radius)


def _rotations(normals: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 4"]:
    """Return the shortest turns (w, x, y, z) from the z axis to the lines along normals.

    The turn from a unit vector a to b is the quaternion (1 + a . b, a x b), up to its length; with a = (0, 0, 1) it is
    (1 + z, -y, x, 0). Turning normals to z >= 0 first keeps it away from 0.
    """
    normals = np.where(normals[:, 2:] < 0.0, -normals, normals)
    normals = normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)
    x, y, z = normals.T
    turns = np.stack([1.0 + z, -y, x, np.zeros_like(z)], axis=-1)
    return turns / np.linalg.norm(turns, axis=-1, keepdims=True)
