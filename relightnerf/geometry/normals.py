"""Normals of a view, from its depth and from the scene's mesh."""

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera

if TYPE_CHECKING:
    from relightnerf.geometry.raycast import RayScene

_AGREEMENT = 0.03
_WINDOW = 2


def depth_normals(
    camera: Camera, depth: Float[np.ndarray, "height width"], window: int = _WINDOW
) -> Float[np.ndarray, "height width 3"]:
    """Fit a plane to the points around each pixel.

    A plane's inverse depth is linear in the picture, 1/z = a x + b y + c, so the fit is a small linear least squares
    problem; neighbours count the less the more their depth differs (points behind an edge do not count).

    Args:
        camera: of the depth.
        depth: along the camera's -z, world units, 0 where unknown.
        window: half size of the square neighbourhood, pixels.

    Returns:
        Unit normals in the camera frame (OpenGL) turned to the camera, 0 where the depth is unknown.
    """
    known = np.isfinite(depth) & (depth > 0)
    inverse = np.where(known, 1.0 / np.maximum(depth, 1e-12, dtype=np.float64), 0.0)
    rays = camera.rays_camera()
    steps = np.abs(np.diff(inverse, axis=1))[known[:, 1:] & known[:, :-1]]
    scale = np.median(steps) if len(steps) else 0.0
    tolerance = np.maximum(0.02 * inverse, 3.0 * scale)
    xx, xy, yy, x1, y1, ww, xz, yz, wz = (np.zeros(depth.shape) for _ in range(9))
    for dy in range(-window, window + 1):
        for dx in range(-window, window + 1):
            other = _shifted(inverse, dy, dx)
            x, y = dx / float(camera.intrinsics[0]), -dy / float(camera.intrinsics[1])
            weight = (other > 0) / (1.0 + ((other - inverse) / np.maximum(tolerance, 1e-12)) ** 2) ** 2
            xx, xy, yy = xx + x * x * weight, xy + x * y * weight, yy + y * y * weight
            x1, y1, ww = x1 + x * weight, y1 + y * weight, ww + weight
            weight *= other
            xz, yz, wz = xz + x * weight, yz + y * weight, wz + weight
    ww = np.maximum(ww, 1e-9)
    # without c: the slopes from the moments about the mean
    xx, xy, yy = xx - x1 * x1 / ww + 1e-9, xy - x1 * y1 / ww, yy - y1 * y1 / ww + 1e-9
    xz, yz = xz - x1 * wz / ww, yz - y1 * wz / ww
    determinant = np.maximum(xx * yy - xy * xy, 1e-18)
    a, b = (yy * xz - xy * yz) / determinant, (xx * yz - xy * xz) / determinant
    c = (wz - a * x1 - b * y1) / ww
    # the plane n.p = 1 with p = z (x, y, -1): 1/z = n.(x, y, -1); a, b, c are about the pixel's own ray
    normal = np.stack([a, b, -(c - a * rays[..., 0] - b * rays[..., 1])], axis=-1)
    normal *= -np.sign(np.sum(normal * rays, axis=-1, keepdims=True))
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    return np.where(known[..., None], normal, 0.0).astype(np.float32)


def view_normals(
    camera: Camera, depth: Float[np.ndarray, "height width"], rays: "RayScene"
) -> Float[np.ndarray, "height width 3"]:
    """Return the normals of a view: the mesh's where it lies at the view's depth, else the depth's own.

    The mesh is the average of many views' depth, so its normals are the less noisy ones; it ends before the far field.

    Returns:
        Unit normals in the camera frame (OpenGL), 0 where the depth is unknown.
    """
    hits = rays.camera_hits(camera)
    agrees = (hits.depth > 0) & (np.abs(hits.depth - depth) < _AGREEMENT * depth)
    return np.where(agrees[..., None], hits.normal_camera, depth_normals(camera, depth))


def _shifted(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Values of the neighbour (dy, dx), 0 beyond the border."""
    result = np.zeros_like(values)
    height, width = values.shape[:2]
    to_y, to_x = slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0))
    from_y, from_x = slice(max(dy, 0), height - max(-dy, 0)), slice(max(dx, 0), width - max(-dx, 0))
    result[to_y, to_x] = values[from_y, from_x]
    return result
