"""Normals of a view, from its depth and from the scene's mesh."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera

if TYPE_CHECKING:
    from relightnerf.geometry.raycast import RayScene


@dataclass(frozen=True)
class NormalSettings:
    """What tunes a view's normals."""

    window_px: int = 2
    """Half size of the square neighbourhood that a plane is fitted to: 5x5 pixels. The error of a slope falls with the
    square of the window's size, but edges and curves are rounded off over it."""
    tolerance: float = 0.02
    """Relative difference of inverse depth at which a neighbour counts a quarter. The other side of an edge is mostly
    further off; a plane seen at 80 degrees changes by 1 to 2 % a pixel and keeps its neighbours."""
    tolerance_steps: float = 3.0
    """The same in medians of the differences between neighbours over the picture, where that is more: in a small
    picture or a wide one, a step of one pixel alone may be beyond ``tolerance``."""
    agreement: float = 0.03
    """The mesh's normal is taken where it lies at the view's depth up to this part. A fused mesh is a mean over views
    that are about 1 % off each; behind an edge or beyond the mesh the difference is larger."""


_SETTINGS = NormalSettings()


def depth_normals(
    camera: Camera, depth: Float[np.ndarray, "height width"], window: int = _SETTINGS.window_px
) -> Float[np.ndarray, "height width 3"]:
    """Fit a plane to the points around each pixel.

    A plane's inverse depth is linear in the picture, 1/z = a x + b y + c, so the fit is a small linear least squares
    problem; neighbours count the less the more their depth differs (points behind an edge do not count).

    The plane of the points p with n . p = 1 meets the ray p = z (x, y, -1) of a pixel at 1/z = n . (x, y, -1), so
    n = (a, b, -c) up to its length. The fit is about each pixel's own ray: x and y are differences to it, which are the
    same few numbers everywhere. With sums over the window weighted by w, a and b solve

        [xx xy] [a]   [xz]
        [xy yy] [b] = [yz],    all moments about the weighted mean, e.g. xx = S(w x x) - S(w x)^2 / S(w).

    Args:
        camera: of the depth.
        depth: along the camera's -z, world units, 0 where unknown.
        window: half size of the square neighbourhood, pixels.

    Returns:
        Unit normals in the camera frame (OpenGL) turned to the camera, 0 where the depth is unknown.
    """
    known = np.isfinite(depth) & (depth > 0)
    # 0 stands for unknown; in float64, as slopes are small differences of sums.
    inverse = np.where(known, 1.0 / np.maximum(depth, 1e-12, dtype=np.float64), 0.0)
    rays = camera.rays_camera()
    # How much inverse depth changes from pixel to pixel, where both are known.
    steps = np.abs(np.diff(inverse, axis=1))[known[:, 1:] & known[:, :-1]]
    scale = np.median(steps) if len(steps) else 0.0
    tolerance = np.maximum(_SETTINGS.tolerance * inverse, _SETTINGS.tolerance_steps * scale)
    # Sums of w x x, w x y, w y y, w x, w y, w, w x z, w y z and w z over the window; here z is the inverse depth.
    xx, xy, yy, x1, y1, ww, xz, yz, wz = (np.zeros(depth.shape) for _ in range(9))
    for dy in range(-window, window + 1):
        for dx in range(-window, window + 1):
            other = _shifted(inverse, dy, dx)
            # The neighbour's ray less the pixel's own, in the plane z = -1; rows go down, y goes up.
            x, y = dx / float(camera.intrinsics[0]), -dy / float(camera.intrinsics[1])
            # Geman and McClure's weight, 1 / (1 + e^2)^2: 1/4 at the tolerance, next to none at three times that
            weight = (other > 0) / (1.0 + ((other - inverse) / np.maximum(tolerance, 1e-12)) ** 2) ** 2
            xx, xy, yy = xx + x * x * weight, xy + x * y * weight, yy + y * y * weight
            x1, y1, ww = x1 + x * weight, y1 + y * weight, ww + weight
            # From here on w z.
            weight *= other
            xz, yz, wz = xz + x * weight, yz + y * weight, wz + weight
    ww = np.maximum(ww, 1e-9)
    # without c: the slopes from the moments about the mean; 1e-9 leaves a lone pixel a plane that faces the camera
    xx, xy, yy = xx - x1 * x1 / ww + 1e-9, xy - x1 * y1 / ww, yy - y1 * y1 / ww + 1e-9
    xz, yz = xz - x1 * wz / ww, yz - y1 * wz / ww
    # Cramer's rule. The bound is what a lone pixel has: 1e-9 squared.
    determinant = np.maximum(xx * yy - xy * xy, 1e-18)
    a, b = (yy * xz - xy * yz) / determinant, (xx * yz - xy * xz) / determinant
    # The weighted mean of z is on the plane: S(w z) = a S(w x) + b S(w y) + c S(w).
    c = (wz - a * x1 - b * y1) / ww
    # c is the value at the pixel's own ray; where x = y = 0, the plane's is a x and b y less
    normal = np.stack([a, b, -(c - a * rays[..., 0] - b * rays[..., 1])], axis=-1)
    # A normal that faces the camera is against its ray.
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
    agrees = (hits.depth > 0) & (np.abs(hits.depth - depth) < _SETTINGS.agreement * depth)
    return np.where(agrees[..., None], hits.normal_camera, depth_normals(camera, depth))


def _shifted(values: np.ndarray, dy: int, dx: int) -> np.ndarray:
    """Values of the neighbour (dy, dx), 0 beyond the border."""
    result = np.zeros_like(values)
    height, width = values.shape[:2]
    # result[y, x] = values[y + dy, x + dx], over the pixels where both exist.
    to_y, to_x = slice(max(-dy, 0), height - max(dy, 0)), slice(max(-dx, 0), width - max(dx, 0))
    from_y, from_x = slice(max(dy, 0), height - max(-dy, 0)), slice(max(dx, 0), width - max(-dx, 0))
    result[to_y, to_x] = values[from_y, from_x]
    return result
