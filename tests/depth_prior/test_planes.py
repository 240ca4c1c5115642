"""A ground is found by its marks, and its plain parts belong to it; what stands on it does not."""

from dataclasses import replace

import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.depth_prior import (
    Plane,
    ViewEstimate,
    find_planes,
    photo_normals,
    shipped_network,
    with_planes,
)
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


WALL_AT = 1.1


def before_a_wall(view: StereoView) -> tuple[StereoView, np.ndarray, np.ndarray]:
    """Return the view before a plain wall with a few marks, its normals (camera frame), and whether it is the wall."""
    camera = view.camera
    rays = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    image, depth, _ = seen(camera)
    wall = ((WALL_AT - camera.position[1]) / rays[..., 1]).astype(np.float32)
    x, _, z = np.moveaxis(camera.position + rays * wall[..., None], -1, 0)
    hit = (wall > 0) & ((wall < depth) | (depth < 0))
    marked = (np.floor(7 * x) + np.floor(7 * z)) % 2 == 0
    marked &= np.hypot(x - 0.2, z - 0.3) < 0.5
    image = np.where(hit[..., None], np.where(marked[..., None], (90, 60, 40), (150, 160, 170)), image)
    upright = hit | (image == np.round(255 * np.array(BOARD))).all(axis=-1)
    normal = np.where(upright[..., None], np.array([0.0, -1.0, 0.0]), UP) @ camera.camera_to_world[:3, :3]
    # As a photo alone tells them, walls are turned towards the camera by some degrees.
    turned = normal + 0.15 * np.array([0.0, 0.0, 1.0])
    turned /= np.linalg.norm(turned, axis=-1, keepdims=True)
    view = StereoView(camera, image.astype(np.uint8), np.where(hit, wall, depth))
    return view, turned.astype(np.float32), hit


def normals_of(views: list[StereoView]) -> list[np.ndarray]:
    """Return the true normals, camera frame."""
    found = []
    for view in views:
        _, _, ground = seen(view.camera)
        normal = np.where(ground[..., None], UP, np.array([0.0, -1.0, 0.0]))
        found.append((normal @ view.camera.camera_to_world[:3, :3]).astype(np.float32))
    return found


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
    plane = find_planes(views, normals_of(views), UP, np.zeros(3))[0]
    assert plane.offset == pytest.approx(HEIGHT, abs=0.01)
    assert plane.normal_world @ UP > np.cos(np.deg2rad(0.6))


def test_an_up_that_is_off_is_mended(views: list[StereoView]) -> None:
    tilted = np.array([np.sin(np.deg2rad(1.5)), 0.0, np.cos(np.deg2rad(1.5))])
    plane = find_planes(views, normals_of(views), tilted, np.zeros(3))[0]
    assert plane.normal_world @ UP > np.cos(np.deg2rad(0.8))


def test_nothing_is_found_where_nothing_matches(views: list[StereoView]) -> None:
    random = np.random.default_rng(0)
    noise = [StereoView(v.camera, random.integers(0, 256, v.image.shape, np.uint8), v.depth) for v in views]
    assert find_planes(noise, normals_of(views), UP, np.zeros(3)) == []
    assert find_planes(views[:1], normals_of(views[:1]), UP, np.zeros(3)) == []


def test_a_wall_is_found_and_its_plain_parts_belong_to_it(views: list[StereoView]) -> None:
    walled, normals, walls = zip(*map(before_a_wall, views), strict=True)
    planes = find_planes(walled, normals, UP, np.zeros(3))
    upright = [plane for plane in planes if abs(plane.normal_world @ UP) < 0.1]
    assert planes[0].offset == pytest.approx(HEIGHT, abs=0.01) and len(upright) == 1
    assert upright[0].normal_world @ np.array([0.0, -1.0, 0.0]) > np.cos(np.deg2rad(2.0))
    assert upright[0].offset == pytest.approx(-WALL_AT, abs=0.03)
    estimates = [replace(e, depth=0.9 * v.depth) for e, v in zip(unsure(views), walled, strict=True)]
    labelled = with_planes(estimates, walled, normals, planes, UP, 0.002)
    for view, found, wall in zip(walled, labelled, walls, strict=True):
        chosen = (found.scale == 0.002) & wall
        assert chosen.sum() > 0.5 * wall.sum()
        assert np.isclose(found.depth, view.depth, rtol=0.03)[chosen].mean() > 0.95


def unsure(views: list[StereoView]) -> list[ViewEstimate]:
    """Return what a network says that is unsure of the ground, and takes it for a wall that is nearer."""
    found = []
    for view in views:
        _, depth, ground = seen(view.camera)
        normal = np.zeros((*depth.shape, 3)) + np.array([0.0, 0.0, 1.0])
        wrong = np.where(ground, 0.85 * depth, depth).astype(np.float32)
        found.append(ViewEstimate(view.camera, wrong, normal, np.where(ground, 0.1, 0.01), np.ones(depth.shape)))
    return found


def test_windows_that_face_elsewhere_do_not_vote(views: list[StereoView]) -> None:
    towards = [np.zeros((*view.depth.shape, 3), np.float32) + np.float32([0.0, 0.0, 1.0]) for view in views]
    assert find_planes(views, towards, UP, np.zeros(3)) == []


def test_plain_ground_gets_the_depth_of_its_plane_and_a_board_does_not(views: list[StereoView]) -> None:
    estimates = unsure(views)
    after = with_planes(estimates, views, normals_of(views), [Plane(UP, HEIGHT)], UP, 0.002)
    for view, before, found in zip(views, estimates, after, strict=True):
        _, depth, ground = seen(view.camera)
        chosen = found.scale == 0.002
        assert chosen[ground].mean() > 0.8 and chosen[~ground].mean() < 0.02
        np.testing.assert_allclose(found.depth[chosen & ground], depth[chosen & ground], rtol=1e-4)
        np.testing.assert_array_equal(found.depth[~chosen], before.depth[~chosen])


def test_a_plane_above_the_ground_ends_where_nothing_matches_on_it(views: list[StereoView]) -> None:
    # Nothing lies on the upper plane, but the plain ground has the same colour in all views there, too.
    planes = [Plane(UP, HEIGHT + 0.25), Plane(UP, HEIGHT)]
    for view, found in zip(views, with_planes(unsure(views), views, normals_of(views), planes, UP, 0.002), strict=True):
        _, depth, ground = seen(view.camera)
        chosen = (found.scale == 0.002) & ground
        assert chosen.mean() > 0.6
        assert np.isclose(found.depth, depth, rtol=1e-3)[chosen].mean() > 0.95


def test_a_photo_alone_tells_normals_whatever_depth_is_known(views: list[StereoView]) -> None:
    network = shipped_network("cpu")
    first, second = (
        photo_normals(network, [replace(views[0], depth=d)], UP)[0]
        for d in (views[0].depth, 9 * np.ones((96, 128), np.float32))
    )
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(np.linalg.norm(first, axis=-1), 1.0, atol=1e-5)


def test_without_planes_nothing_changes(views: list[StereoView]) -> None:
    assert with_planes(same := unsure(views), views, normals_of(views), [], UP, 0.002) == same
