"""Where the surface of one view lies in another one, and which views share most of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import sparse

from relightnerf.cameras import Camera
from relightnerf.consistency._maps import Surface


@dataclass(frozen=True)
class WarpSettings:
    """What tunes where two views see one surface, and which views are compared."""

    plane_tolerance: float = 0.03
    """Distance of the other view's point from this one's tangent plane, part of the depth, at which the weight is 0.
    Fields are 1 % off in depth; with more, a wall gets what is on things close before it."""
    least_weight: float = 1e-4
    """Smaller weights are left out: they change nothing and would fill memory."""
    least_shared: float = 0.01
    """Views that share less than this part of a view's surface, under its lights, are no neighbours of it."""
    sampled_cells: int = 300
    """About as many cells of a view, evenly chosen, tell how much of it others see: exact to a few per cent, which is
    enough to rank them."""
    candidates_a_neighbour: int = 3
    """Other views that are looked at closely for each that is wanted: those that have most of the cells in sight,
    whatever stands between. More cost time; with fewer, hidden ones may fill the list."""


_SETTINGS = WarpSettings()


def warp(surface: Surface, other: Surface, cells: Int[np.ndarray, " cells"]) -> sparse.csr_matrix:
    """Return the weights (cells, cells of ``other``) with which to sample maps of ``other`` at cells of ``surface``.

    A row holds the four bilinear weights around the place where the cell's point projects, each times how far the two
    views may be trusted to see one surface there, in [0, 1]: the distance of the other's point from the plane of this
    one is less than 3 % of the depth, the normals agree, and the other view is about as detailed. What is occluded
    there has no entry.

    Args:
        surface: of the view that is sampled for.
        other: of the view that is sampled.
        cells: flat indices of cells of ``surface`` that are known.
    """
    points, normals = (a.reshape(-1, 3)[cells] for a in (surface.points, surface.normals))
    columns, rows, depth = _projected(points, other.camera)
    height, width = other.trust.shape
    # Four taps need a neighbour to the right and below, hence the last column and row are out.
    inside = (depth > 0) & (columns >= 0) & (columns < width - 1) & (rows >= 0) & (rows < height - 1)
    index = np.flatnonzero(inside)
    points, normals, columns, rows, depth = (a[index] for a in (points, normals, columns, rows, depth))
    left, top = columns.astype(int), rows.astype(int)
    # Flat indices of the taps (n, 4), in the order of the bilinear weights: top left, top right, bottom left, right.
    taps = (top * width + left)[:, None] + np.array([0, 1, width, width + 1])
    right, bottom = columns - left, rows - top
    bilinear = np.stack(
        [(1 - right) * (1 - bottom), right * (1 - bottom), (1 - right) * bottom, right * bottom], axis=-1
    )
    there, their_normals = (a.reshape(-1, 3)[taps] for a in (other.points, other.normals))
    # (q - p) . n / depth for the other view's points q. A surface that hides p there lies off p's plane, so occlusion
    # needs no test of its own.
    off_plane = np.einsum("ntc,nc->nt", there - points[:, None], normals) / depth[:, None]
    # distance from the plane, not in depth: on a slanted surface, neighbouring cells differ in depth
    # Tukey's biweight: 1 on the plane, 0 with no slope at the tolerance.
    agreement = np.maximum(1.0 - (off_plane / _SETTINGS.plane_tolerance) ** 2, 0.0) ** 2
    alike = np.maximum(np.einsum("ntc,nc->nt", their_normals, normals), 0.0)
    own_density = surface.density.ravel()[cells[index]]
    # a view that sees the surface in fewer cells than this one has only a blurred map of it
    detail = np.minimum(other.density.ravel()[taps] / np.maximum(own_density, 1e-12)[:, None], 1.0)
    # A row sums to 1 at most: the bilinear weights do, and all other factors are at most 1.
    weights = bilinear * agreement * alike * detail * other.trust.ravel()[taps]
    kept = weights > _SETTINGS.least_weight
    entries = (np.broadcast_to(index[:, None], taps.shape)[kept], taps[kept])
    return sparse.csr_matrix((weights[kept].astype(np.float32), entries), shape=(len(cells), height * width))


def neighbours(
    surfaces: Sequence[Surface], shared_light: Float[np.ndarray, "views views"], count: int
) -> list[list[int]]:
    """Return for each view the ``count`` other views that see most of its surface under its lights, best first.

    Args:
        surfaces: of all views.
        shared_light: how far the views of each pair have lights in common, in [0, 1]; pairs with 0 are left out.
        count: at most so many for a view.
    """
    result = []
    for index, surface in enumerate(surfaces):
        cells = surface.trusted(_SETTINGS.sampled_cells)
        # First what is in sight, which is cheap, for all views; then the warp, which knows occlusion, for the best.
        rough = shared_light[index] * np.array([_in_sight(surface, other.camera, cells) for other in surfaces])
        rough[index] = 0.0
        candidates = [
            j for j in np.argsort(-rough, kind="stable")[: _SETTINGS.candidates_a_neighbour * count] if rough[j] > 0
        ]
        shared = [shared_light[index, j] * warp(surface, surfaces[j], cells).sum() / len(cells) for j in candidates]
        best = np.argsort(-np.array(shared), kind="stable")[:count]
        result.append([int(candidates[k]) for k in best if shared[k] > _SETTINGS.least_shared])
    return result


def _in_sight(surface: Surface, camera: Camera, cells: np.ndarray) -> float:
    """Part of the cells that lie in a camera's picture and face it, whatever stands between."""
    if not len(cells):
        return 0.0
    points, normals = (a.reshape(-1, 3)[cells] for a in (surface.points, surface.normals))
    columns, rows, depth = _projected(points, camera)
    inside = (depth > 0) & (columns >= 0) & (columns < camera.width - 1) & (rows >= 0) & (rows < camera.height - 1)
    return float(np.mean(inside & (np.sum((camera.position - points) * normals, axis=-1) > 0)))


def _projected(points: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Column and row, 0 at the centre of the first pixel, and depth of world points."""
    # World to camera: R^T (p - o), with points as rows. Cameras look along -z, so depth is -z.
    x, y, z = ((points - camera.position) @ camera.camera_to_world[:3, :3]).T
    fx, fy, cx, cy = camera.intrinsics
    # An infinite depth keeps the division quiet behind the camera; such points get the depth 0.
    depth = np.where(z < 0, -z, np.inf)
    # Rows go down where y goes up; -0.5 as 0 is the first pixel's centre and not the corner.
    return fx * x / depth + cx - 0.5, -fy * y / depth + cy - 0.5, np.where(z < 0, depth, 0.0)
