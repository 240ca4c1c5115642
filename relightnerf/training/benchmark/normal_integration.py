"""Depth of a surface whose normals are known."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.linalg import spsolve

from relightnerf.cameras import Camera


@dataclass(frozen=True)
class IntegrationSettings:
    """What keeps the least squares in bounds where normals say little."""

    steepest: float = 0.05
    """Cosine between normal and ray (87 degrees) that slopes are not computed below. They grow with one over it: less
    lets a normal's noise tear the surface at outlines, more flattens what really turns away."""
    unknown_weight: float = 1e-3
    """Weight, next to 1 where a surface faces the camera, that every pair of pixels has at least: it fills places
    without normals smoothly, and must not pull at those that have one."""
    ridge: float = 1e-7
    """Pull of every logarithm towards 0, which decides what the normals leave open: the depth of each part by itself.
    So small that it bends nothing."""


_SETTINGS = IntegrationSettings()


def integrated_depth(
    camera: Camera, normal_camera: Float[np.ndarray, "height width 3"], mask: Bool[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width"]:
    """Return the depth of the smooth surface with these normals, by weighted least squares.

    A point at depth z on the ray z r, r = (x, y, -1), lies on a surface with normal n where n . d(z r) = 0, so that
    ln z has the slopes -n_x / (n . r) and -n_y / (n . r): linear equations in ln z between neighbouring pixels (Quéau
    et al., "Normal Integration: A Survey", 2018). They count with the squared cosine between normal and ray.

    Args:
        camera: pinhole.
        normal_camera: unit vectors, camera frame (OpenGL), 0 where unknown (smoothly filled).
        mask: True where there is a surface.

    Returns:
        Depth along the camera's -z with median 1, 0 outside the mask; parts that do not touch float freely about 1.
    """
    rays = camera.rays_camera()
    rays_length = np.linalg.norm(rays, axis=-1)
    cosine = -np.sum(normal_camera * rays, axis=-1) / rays_length
    weight = np.maximum(cosine, 0.0) ** 2 + _SETTINGS.unknown_weight
    away = np.maximum(cosine, _SETTINGS.steepest) * rays_length  # -n . r, as the surface faces the camera
    number = np.cumsum(mask).reshape(mask.shape) - 1
    pairs, rises, weights = [], [], []
    # On the surface n . d(z r)/dx = z_x n . r + z n . r_x = 0, and r_x = (1, 0, 0): so d ln z / dx = -n_x / (n . r). A
    # pixel to the right is 1 / fx more in x, a pixel down 1 / fy less in y.
    slopes = normal_camera[..., :2] * [1.0, -1.0] / camera.intrinsics[:2]
    for axis, slope in ((1, slopes[..., 0]), (0, slopes[..., 1])):
        first, second = _halves(mask.shape, axis)
        both = mask[first] & mask[second]
        rise = slope / away
        pairs.append(np.stack([number[first][both], number[second][both]], axis=-1))
        # between two pixels: the mean of the slopes at both (trapezoidal rule)
        rises.append((rise[first][both] + rise[second][both]) / 2.0)
        weights.append(np.minimum(weight[first][both], weight[second][both]))
    logs = _least_squares(np.concatenate(pairs), np.concatenate(rises), np.concatenate(weights), int(mask.sum()))
    depth = np.zeros(mask.shape, np.float32)
    depth[mask] = np.exp(logs - np.median(logs))
    return depth


def _halves(shape: tuple[int, ...], axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return where each pixel is that has a neighbour after it along an axis, and where that neighbour is."""
    first, second = [slice(None), slice(None)], [slice(None), slice(None)]
    first[axis], second[axis] = slice(None, shape[axis] - 1), slice(1, None)
    return tuple(first), tuple(second)


def _least_squares(pairs: np.ndarray, rises: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Return values (count,) with ``value[pairs[:, 1]] - value[pairs[:, 0]]`` near ``rises``."""
    equation = np.arange(len(pairs)).repeat(2)
    signs = np.tile([-1.0, 1.0], len(pairs))
    matrix = sparse.csr_matrix((signs, (equation, pairs.ravel())), shape=(len(pairs), count))
    # minimum of sum w (v1 - v0 - rise)^2 + ridge sum v^2: (M' W M + ridge 1) v = M' W rise
    weighted = matrix.T @ sparse.diags(weights)
    return spsolve((weighted @ matrix + _SETTINGS.ridge * sparse.identity(count)).tocsc(), weighted @ rises)
