"""A small splat viewer on the CPU: each Gaussian projected (EWA splatting, Zwicker et al. 2001), front to back."""

import numpy as np

from relightnerf.cameras import Camera
from relightnerf.io.gaussians import Gaussians

_BLUR = 0.3  # what viewers add to each projected variance, pixels squared


def splat_picture(gaussians: Gaussians, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The sRGB picture (height, width, 3) on black, and how opaque it is (height, width)."""
    picture, open_part = np.zeros((camera.height, camera.width, 3)), np.ones((camera.height, camera.width))
    pixels, depth = camera.project(gaussians.means)
    covariance = _projected_covariance(gaussians, camera)
    reach = 3.0 * np.sqrt(np.linalg.eigvalsh(covariance)[:, -1])
    size = np.array([camera.width, camera.height])
    shown = (depth > 0.01) & (pixels + reach[:, None] > 0).all(-1) & (pixels - reach[:, None] < size).all(-1)
    conics = np.linalg.inv(covariance)
    for i in sorted(np.flatnonzero(shown), key=lambda i: depth[i]):
        left, top = np.maximum(np.floor(pixels[i] - reach[i]), 0).astype(int)
        right, bottom = np.minimum(np.ceil(pixels[i] + reach[i]), size).astype(int)
        x = np.arange(left, right) + 0.5 - pixels[i, 0]
        y = (np.arange(top, bottom) + 0.5 - pixels[i, 1])[:, None]
        (a, b), (_, c) = conics[i]
        alpha = np.minimum(gaussians.opacities[i] * np.exp(-0.5 * (a * x * x + c * y * y) - b * x * y), 0.999)
        alpha[alpha < 1.0 / 255.0] = 0.0
        window = open_part[top:bottom, left:right]
        picture[top:bottom, left:right] += (window * alpha)[..., None] * gaussians.colors[i]
        window *= 1.0 - alpha
    return picture, 1.0 - open_part


def _projected_covariance(gaussians: Gaussians, camera: Camera) -> np.ndarray:
    own = _matrices(gaussians.rotations) * gaussians.scales[:, None]
    x, y, z = ((gaussians.means - camera.position) @ camera.camera_to_world[:3, :3]).T
    depth, zero = np.maximum(-z, 1e-9), np.zeros_like(z)
    fx, fy, cx, cy = camera.intrinsics
    x = depth * np.clip(x / depth, -cx / fx - 0.15 * camera.width / fx, cx / fx + 0.15 * camera.width / fx)
    y = depth * np.clip(y / depth, -cy / fy - 0.15 * camera.height / fy, cy / fy + 0.15 * camera.height / fy)
    # of (fx x / depth, -fy y / depth) by x, y, z = -depth
    jacobian = np.stack(
        [
            np.stack([fx / depth, zero, fx * x / depth**2], axis=-1),
            np.stack([zero, -fy / depth, -fy * y / depth**2], axis=-1),
        ],
        axis=1,
    )
    half = jacobian @ camera.camera_to_world[:3, :3].T @ own
    return half @ half.transpose(0, 2, 1) + _BLUR * np.eye(2)


def _matrices(quaternions: np.ndarray) -> np.ndarray:
    w, x, y, z = (quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
