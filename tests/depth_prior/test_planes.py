"""A ground is found by its marks, and its plain parts belong to it; what stands on it does not."""

import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.depth_prior import Plane, ViewEstimate, find_level_planes, with_planes
from relightnerf.geometry.stereo import StereoView

UP = np.array([0.0, 0.0, 1.0])
HEIGHT = -0.3
GROUND, MARK, BOARD = (0.7, 0.7, 0.65), (0.2, 0.25, 0.3), (0.8, 0.2, 0.15)


def seen(camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the picture, depth and whether it is the ground: a plain ground with a few marks, and an upright board."""
    rays = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    ground = (HEIGHT - camera.position[2]) / rays[..., 2]
    board = (0.2 - camera.position[1]) / rays[..., 1]
    x, _, z = np.moveaxis(camera.position + rays * board[..., None], -1, 0)
    hit = (board > 0) & (np.abs(x) < 0.25) & (z > HEIGHT) & (z < 0.2) & ((board < ground) | (ground < 0))
    x, y, _ = np.moveaxis(camera.position + rays * ground[..., None], -1, 0)
    marked = ((np.floor(9 * x) + np.floor(9 * y)) % 2 == 0) & (np.hypot(x + 0.3, y + 0.4) < 0.4)
    image = np.where(marked[..., None], MARK, GROUND)
    image = np.where(hit[..., None], BOARD, image)
    return np.round(255 * image).astype(np.uint8), np.where(hit, board, ground).astype(np.float32), ~hit


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    found = []
    for number, azimuth in enumerate(np.deg2rad(np.linspace(-130, -50, 9))):
        position = 2.0 * np.array([np.cos(azimuth), np.sin(azimuth), 0.55 + 0.05 * (number % 3)])
        pose = look_at(position, np.zeros(3), tuple(UP))
        camera = Camera(str(number), pose, np.array([110.0, 110.0, 64.0, 48.0]), 128, 96)
        image, depth, _ = seen(camera)
        found.append(StereoView(camera, image, depth))
    return found


def test_a_plain_ground_is_found_by_its_marks(views: list[StereoView]) -> None:
    plane = find_level_planes(views, UP, np.zeros(3))[0]
    assert plane.offset == pytest.approx(HEIGHT, abs=0.01)
    assert plane.normal_world @ UP > np.cos(np.deg2rad(0.6))


def test_an_up_that_is_off_is_mended(views: list[StereoView]) -> None:
    tilted = np.array([np.sin(np.deg2rad(1.5)), 0.0, np.cos(np.deg2rad(1.5))])
    plane = find_level_planes(views, tilted, np.zeros(3))[0]
    assert plane.normal_world @ UP > np.cos(np.deg2rad(0.8))


def test_nothing_is_found_where_nothing_matches(views: list[StereoView]) -> None:
    random = np.random.default_rng(0)
    noise = [StereoView(v.camera, random.integers(0, 256, v.image.shape, np.uint8), v.depth) for v in views]
    assert find_level_planes(noise, UP, np.zeros(3)) == []
    assert find_level_planes(views[:1], UP, np.zeros(3)) == []


def test_plain_ground_gets_the_depth_of_its_plane_and_a_board_does_not(views: list[StereoView]) -> None:
    estimates = []
    for view in views:
        _, depth, ground = seen(view.camera)
        normal = np.where(ground[..., None], UP, np.array([0.0, -1.0, 0.0])) @ view.camera.camera_to_world[:3, :3]
        # The network is unsure of the ground, and takes it for nearer than it is.
        wrong = np.where(ground, 0.85 * depth, depth).astype(np.float32)
        scale = np.where(ground, 0.1, 0.01)
        estimates.append(ViewEstimate(view.camera, wrong, normal, scale, np.ones(depth.shape)))
    plane = Plane(UP, HEIGHT)
    for view, before, after in zip(views, estimates, with_planes(estimates, views, [plane], 0.002), strict=True):
        _, depth, ground = seen(view.camera)
        chosen = after.scale == 0.002
        assert chosen[ground].mean() > 0.8 and chosen[~ground].mean() < 0.02
        np.testing.assert_allclose(after.depth[chosen & ground], depth[chosen & ground], rtol=1e-4)
        np.testing.assert_array_equal(after.depth[~chosen], before.depth[~chosen])


def test_without_planes_nothing_changes(views: list[StereoView]) -> None:
    shape = views[0].depth.shape
    same = [ViewEstimate(v.camera, v.depth, np.zeros((*shape, 3)), np.ones(shape), np.ones(shape)) for v in views]
    assert with_planes(same, views, [], 0.002) == same
