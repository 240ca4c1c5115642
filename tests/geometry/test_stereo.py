"""Stereo finds depth again that was bent, where photos have texture, and says nothing where they have none."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.geometry.stereo import StereoView, agreed_depths, neighbours, swept_depth, working_camera

SIZE = 96
MIDDLE = np.array([0.0, 0.0, 0.4])


def _camera(angle_deg: float, size: int = SIZE) -> Camera:
    angle = np.radians(angle_deg)
    pose = look_at(np.array([3.0 * np.cos(angle), 3.0 * np.sin(angle), 3.0]), MIDDLE, (0.0, 0.0, 1.0))
    return Camera(f"at {angle_deg}", pose, np.array([1.2 * size, 1.2 * size, size / 2, size / 2]), size, size)


def _depth(camera: Camera) -> np.ndarray:
    """A half ball of radius 0.8 on the ground z = 0; the ground is seen everywhere else."""
    rays = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    origin = camera.position
    a, b, c = (rays**2).sum(axis=-1), rays @ origin, origin @ origin - 0.64
    square = b * b - a * c
    ball = (-b - np.sqrt(np.maximum(square, 0.0))) / a
    return np.where(square > 0, ball, -origin[2] / rays[..., 2]).astype(np.float32)


def _texture(points: np.ndarray) -> np.ndarray:
    """Waves of many directions and lengths, in [0, 1]."""
    random = np.random.default_rng(3)
    waves = random.normal(size=(40, 3)) * random.uniform(3.0, 14.0, (40, 1))
    return 0.5 + 0.12 * np.sin(points @ waves.T + random.uniform(0.0, 6.3, 40)).sum(axis=-1) / 2.0


def _bent(depth: np.ndarray, seed: int) -> np.ndarray:
    """Depth with smooth bumps of 2 % (standard deviation)."""
    bumps = cv2.resize(np.random.default_rng(seed).normal(size=(7, 7)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return (depth * np.exp(0.02 * bumps / bumps.std())).astype(np.float32)


def _views(texture: Callable[[np.ndarray], np.ndarray]) -> list[StereoView]:
    views = []
    for number, angle in enumerate((0.0, 14.0, 28.0, 42.0, 56.0)):
        camera = _camera(angle)
        depth = _depth(camera)
        grey = (255.0 * texture(camera.points_world(depth)).clip(0.0, 1.0)).astype(np.uint8)
        views.append(StereoView(camera, np.repeat(grey[..., None], 3, axis=-1), _bent(depth, number)))
    return views


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    return _views(_texture)


def test_a_sweep_brings_bent_depth_back(views: list[StereoView]) -> None:
    depth, cost = swept_depth(views[2], [views[other] for other in (0, 1, 3, 4)])
    true = _depth(views[2].camera)
    before, after = (np.median(np.abs(values / true - 1.0)) for values in (views[2].depth, depth))
    assert before > 0.01 and after < 0.4 * before
    assert np.median(cost) < 0.1


def test_what_is_agreed_on_is_right_and_most_of_the_picture(views: list[StereoView]) -> None:
    for view, depth in zip(views, agreed_depths(views), strict=True):
        known, true = depth > 0, _depth(view.camera)
        error = np.abs(depth[known] / true[known] - 1.0)
        assert known.mean() > 0.5
        assert np.median(error) < 0.004 and (error < 0.02).mean() > 0.95


def test_where_depth_is_unknown_it_stays_so(views: list[StereoView]) -> None:
    depth = views[2].depth.copy()
    depth[:30] = 0.0
    holed = [*views[:2], replace(views[2], depth=depth), *views[3:]]
    swept, _ = swept_depth(holed[2], [holed[other] for other in (0, 1, 3, 4)])
    assert not swept[:30].any() and not agreed_depths(holed)[2][:30].any()
    assert np.median(np.abs(swept[33:] / _depth(views[2].camera)[33:] - 1.0)) < 0.004


def test_photos_without_texture_agree_on_nothing() -> None:
    depths = agreed_depths(_views(lambda points: np.full(points.shape[:-1], 0.5)))
    assert not any(depth.any() for depth in depths)


def test_a_single_view_tells_nothing(views: list[StereoView]) -> None:
    (depth,) = agreed_depths(views[:1])
    assert depth.shape == (SIZE, SIZE) and not depth.any()


def test_neighbours_are_those_at_the_best_angle_that_look_the_same_way() -> None:
    angles = (0.0, 1.0, 20.0, 50.0, 130.0)
    views = [StereoView(_camera(a), np.zeros((SIZE, SIZE, 3), np.uint8), _depth(_camera(a))) for a in angles]
    turned = np.diag([-1.0, 1.0, -1.0, 1.0])
    away = replace(views[2].camera, camera_to_world=views[2].camera.camera_to_world @ turned)
    assert neighbours([*views, replace(views[2], camera=away)], 0) == [2, 3, 1]
    assert neighbours([replace(views[0], depth=np.zeros((SIZE, SIZE), np.float32)), *views[1:]], 0) == []


def test_large_pictures_are_worked_on_at_a_smaller_size() -> None:
    assert working_camera(_camera(0.0)).width == SIZE
    small = working_camera(_camera(0.0, size=1600))
    assert (small.width, small.height) == (400, 400)
    assert small.intrinsics == pytest.approx(np.array([480.0, 480.0, 200.0, 200.0]))
