"""Depth of a surface whose normals are known."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse
from scipy.sparse.linalg import spsolve

from relightnerf.cameras import Camera

_STEEPEST = 0.05
_UNKNOWN = 1e-3
_RIDGE = 1e-7


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
    weight = np.maximum(cosine, 0.0) ** 2 + _UNKNOWN
    away = np.maximum(cosine, _STEEPEST) * rays_length
    number = np.cumsum(mask).reshape(mask.shape) - 1
    pairs, rises, weights = [], [], []
    slopes = normal_camera[..., :2] * [1.0, -1.0] / camera.intrinsics[:2]
    for axis, slope in ((1, slopes[..., 0]), (0, slopes[..., 1])):
        first, second = _halves(mask.shape, axis)
        both = mask[first] & mask[second]
        rise = slope / away  # one pixel to the right is +x, one down is -y
        pairs.append(np.stack([number[first][both], number[second][both]], axis=-1))
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
    weighted = matrix.T @ sparse.diags(weights)
    return spsolve((weighted @ matrix + _RIDGE * sparse.identity(count)).tocsc(), weighted @ rises)
