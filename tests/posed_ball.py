"""A half ball on the ground seen by cameras on an arc: pictures of any texture, and true depth and normals."""

from collections.abc import Callable, Sequence

import numpy as np

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.geometry.stereo import StereoView

MIDDLE = np.array([0.0, 0.0, 0.4])
ANGLES_DEG = (0.0, 14.0, 28.0, 42.0, 56.0)
_RADIUS = 0.8
_LIGHT = np.array([0.3, -0.5, 0.81])


def arc_camera(angle_deg: float, width: int, height: int) -> Camera:
    """Return a camera 4 units away from the ball, at this angle about it."""
    angle = np.radians(angle_deg)
    pose = look_at(np.array([3.0 * np.cos(angle), 3.0 * np.sin(angle), 3.0]), MIDDLE, (0.0, 0.0, 1.0))
    focal = 1.2 * width
    return Camera(f"at {angle_deg}", pose, np.array([focal, focal, width / 2, height / 2]), width, height)


def ball_depth(camera: Camera) -> np.ndarray:
    """Return the true depth: a half ball of radius 0.8 on the ground z = 0, which is seen everywhere else."""
    rays = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    origin = camera.position
    a, b, c = (rays**2).sum(axis=-1), rays @ origin, origin @ origin - _RADIUS**2
    square = b * b - a * c
    ball = (-b - np.sqrt(np.maximum(square, 0.0))) / a
    return np.where(square > 0, ball, -origin[2] / rays[..., 2]).astype(np.float32)


def ball_normals(camera: Camera) -> np.ndarray:
    """Return the true normals, camera frame."""
    points = camera.points_world(ball_depth(camera))
    on_ball = np.abs(np.linalg.norm(points, axis=-1) - _RADIUS) < 1e-3
    world = np.where(on_ball[..., None], points / _RADIUS, [0.0, 0.0, 1.0])
    return world @ camera.camera_to_world[:3, :3]


def waves(points: np.ndarray) -> np.ndarray:
    """Return a texture of waves of many directions and lengths, in [0, 1]."""
    random = np.random.default_rng(3)
    directions = random.normal(size=(40, 3)) * random.uniform(3.0, 14.0, (40, 1))
    return 0.5 + 0.12 * np.sin(points @ directions.T + random.uniform(0.0, 6.3, 40)).sum(axis=-1) / 2.0


def plain(points: np.ndarray) -> np.ndarray:
    """Return a matt ball on matt ground under one light, without any texture."""
    on_ball = np.abs(np.linalg.norm(points, axis=-1) - _RADIUS) < 1e-3
    normals = np.where(on_ball[..., None], points / _RADIUS, [0.0, 0.0, 1.0])
    shade = 0.15 + 0.6 * np.clip(normals @ (_LIGHT / np.linalg.norm(_LIGHT)), 0.0, 1.0)
    return (shade * np.where(on_ball, 1.0, 0.6)) ** (1 / 2.2)


def ball_views(texture: Callable[[np.ndarray], np.ndarray], width: int = 96, height: int = 96) -> list[StereoView]:
    """Return photos in grey with their true depth, at the angles of ``ANGLES_DEG``."""
    cameras = [arc_camera(angle, width, height) for angle in ANGLES_DEG]
    return [StereoView(camera, _grey(texture, camera), ball_depth(camera)) for camera in cameras]


def _grey(texture: Callable[[np.ndarray], np.ndarray], camera: Camera) -> np.ndarray:
    grey = (255.0 * texture(camera.points_world(ball_depth(camera))).clip(0.0, 1.0)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def angle_deg(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the angles between unit vectors, degrees."""
    return np.degrees(np.arccos(np.clip((first * second).sum(axis=-1), -1.0, 1.0)))


def images_of(views: Sequence[StereoView]) -> list[np.ndarray]:
    """Return the photos of views."""
    return [view.image for view in views]
