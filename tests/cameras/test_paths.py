import numpy as np
import pytest

from relightnerf.cameras import Cameras
from relightnerf.cameras.paths import (
    along_capture,
    covered_arc,
    focus_point,
    look_at,
    orbit,
    spiral,
    standing,
    through,
)

UP = (0.0, 0.0, 1.0)
FOCUS = np.array([1.0, -2.0, 0.5])


def _capture(
    azimuths_deg: np.ndarray, height: float = 1.5, radius: float = 4.0, turn: np.ndarray | None = None
) -> Cameras:
    angles = np.radians(azimuths_deg)
    places = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full_like(angles, height)], -1)
    poses = np.array([look_at(FOCUS + place, FOCUS, UP) for place in places])
    if turn is not None:
        poses = turn @ poses
    intrinsics = np.repeat([[200.0, 200.0, 128.0, 96.0]], len(poses), axis=0)
    return Cameras(tuple(f"v{i}" for i in range(len(poses))), poses, intrinsics, 256, 192)


def _turn(seed: int) -> np.ndarray:
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turn = np.eye(4)
    turn[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    return turn


def test_look_at_is_an_upright_opengl_pose_that_sees_its_target_in_the_middle() -> None:
    pose = look_at(np.array([3.0, 1.0, 2.0]), FOCUS, UP)
    target_camera = np.linalg.inv(pose) @ [*FOCUS, 1.0]
    np.testing.assert_allclose(target_camera[:2], 0.0, atol=1e-12)
    assert target_camera[2] < 0
    assert pose[2, 0] == pytest.approx(0.0)
    assert pose[2, 1] > 0
    np.testing.assert_allclose(np.linalg.det(pose), 1.0)


def test_focus_is_where_the_optical_axes_meet() -> None:
    np.testing.assert_allclose(focus_point(_capture(np.arange(0, 360, 15.0)), UP), FOCUS, atol=1e-9)


def test_focus_of_parallel_views_is_at_the_given_depth_in_front_of_them() -> None:
    capture = _capture(np.zeros(6))
    poses = capture.camera_to_world.copy()
    poses[:, :3, 3] += np.linspace(-1, 1, 6)[:, None] * poses[0, :3, 0]
    parallel = Cameras(capture.names, poses, capture.intrinsics, 256, 192)
    focus = focus_point(parallel, UP, depth=3.0)
    assert (focus - poses[:, :3, 3]) @ -poses[0, :3, 2] == pytest.approx(3.0)


def test_focus_of_a_room_seen_from_its_middle_is_in_front_of_a_view() -> None:
    capture = _capture(np.arange(0, 360, 15.0), height=0.0, radius=0.3)
    outward = capture.camera_to_world @ np.diag([-1.0, 1.0, -1.0, 1.0])
    focus = focus_point(Cameras(capture.names, outward, capture.intrinsics, 256, 192), UP, depth=3.0)
    distances = np.linalg.norm(outward[:, :3, 3] - focus, axis=-1)
    assert distances.min() == pytest.approx(3.0)


def test_orbit_goes_all_the_way_round_at_the_capture_s_height_and_distance() -> None:
    path = orbit(_capture(np.arange(0, 360, 15.0)), UP, frames=40)
    offsets = path.camera_to_world[:, :3, 3] - FOCUS
    np.testing.assert_allclose(np.linalg.norm(offsets[:, :2], axis=-1), 4.0)
    np.testing.assert_allclose(offsets[:, 2], 1.5)
    steps = np.diff(np.unwrap(np.arctan2(offsets[:, 1], offsets[:, 0])))
    np.testing.assert_allclose(steps, 2 * np.pi / 40)


def test_orbit_stays_on_the_side_that_was_photographed() -> None:
    path = orbit(_capture(np.linspace(20, 110, 30)), UP, frames=60)
    offsets = path.camera_to_world[:, :3, 3] - FOCUS
    azimuths = np.degrees(np.arctan2(offsets[:, 1], offsets[:, 0]))
    assert 20 <= azimuths.min() < 25
    assert 105 < azimuths.max() <= 110


def test_the_covered_arc_may_pass_the_seam_and_ignores_a_stray_camera() -> None:
    azimuths = np.radians(np.concatenate([np.linspace(160, 200, 80), [330.0]]))
    middle, half = covered_arc(azimuths)
    assert np.degrees(middle) % 360 == pytest.approx(180, abs=4)
    assert np.degrees(half) < 25


@pytest.mark.parametrize("make", [orbit, spiral, standing])
def test_paths_turn_with_the_world(make) -> None:
    turn, azimuths = _turn(5), np.linspace(-40, 50, 13)
    straight = make(_capture(azimuths), UP, 9).camera_to_world
    turned = make(_capture(azimuths, turn=turn), tuple(turn[:3, 2]), 9).camera_to_world
    np.testing.assert_allclose(turned, turn @ straight, atol=1e-9)


def test_spiral_stays_near_the_central_view_looks_at_the_focus_and_moves_in_and_out() -> None:
    capture = _capture(np.linspace(-30, 30, 13))
    path = spiral(capture, UP, 48)
    centre = capture.camera_to_world[6]
    offsets = path.camera_to_world[:, :3, 3] - centre[:3, 3]
    assert np.linalg.norm(offsets, axis=-1).max() < 0.3 * np.hypot(4.0, 1.5)
    assert np.ptp(offsets @ centre[:3, 2]) > 0.1
    to_focus = FOCUS - path.camera_to_world[:, :3, 3]
    cosines = np.sum(to_focus * -path.camera_to_world[:, :3, 2], -1) / np.linalg.norm(to_focus, axis=-1)
    np.testing.assert_allclose(cosines, 1.0)


def test_the_capture_s_own_path_starts_and_ends_on_its_photos() -> None:
    capture = _capture(np.linspace(0, 90, 7))
    path = along_capture(capture, 25)
    np.testing.assert_allclose(path.camera_to_world[[0, 4, -1]], capture.camera_to_world[[0, 1, -1]], atol=1e-9)
    assert len(path) == 25


def test_another_size_keeps_the_vertical_field_of_view_and_square_pixels() -> None:
    wide = _capture(np.zeros(1)).resized(640, 360)
    fx, fy, cx, cy = wide.intrinsics[0]
    assert fy / 360 == pytest.approx(200 / 192)
    assert (fx, cx, cy) == (pytest.approx(fy), 320, 180)


def test_keyframes_are_passed_smoothly_and_reached_exactly() -> None:
    capture = _capture(np.array([0.0, 20.0, 70.0, 90.0]))
    path = through(capture, 301)
    np.testing.assert_allclose(path.camera_to_world[::100], capture.camera_to_world, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(path.camera_to_world[:, :3, :3]), 1.0)
    velocity = np.diff(path.camera_to_world.reshape(301, -1), axis=0)
    speed = np.linalg.norm(velocity, axis=-1)
    assert max(speed[0], speed[-1]) < 0.1 * speed.max()
    assert np.linalg.norm(np.diff(velocity, axis=0), axis=-1).max() < 0.1 * speed.max()


def test_between_equal_keyframes_the_camera_stands_to_the_last_bit() -> None:
    path = through(_capture(np.array([0.0, 30.0, 30.0, 60.0])), 31).camera_to_world
    assert len({pose.tobytes() for pose in path[10:21]}) == 1
    assert len({pose.tobytes() for pose in path}) == 21


def test_a_single_keyframe_is_stood_at() -> None:
    capture = _capture(np.array([40.0]))
    np.testing.assert_array_equal(through(capture, 5).camera_to_world, np.repeat(capture.camera_to_world, 5, axis=0))


def test_keyframes_turn_with_the_world() -> None:
    azimuths, turn = np.array([0.0, 50.0, 90.0]), _turn(3)
    turned = through(_capture(azimuths, turn=turn), 17).camera_to_world
    np.testing.assert_allclose(turned, turn @ through(_capture(azimuths), 17).camera_to_world, atol=1e-9)
