"""The field's frame: where the capture's world has its origin, its unit and its up makes no difference."""

import numpy as np
import pytest

from relightnerf.cameras import Cameras
from relightnerf.cameras.paths import look_at
from relightnerf.field.frame import FieldFrame
from relightnerf.lights import rotation_between

UP = (0.0, 0.0, 1.0)
TURN = rotation_between(np.array([0.0, 0.0, 1.0]), np.array([0.6, -0.64, 0.48]))
SHIFT, GROWTH = np.array([5.0, -3.0, 40.0]), 7.0


def _cameras() -> Cameras:
    random = np.random.default_rng(0)
    poses = np.stack([look_at(random.normal(size=3) * [2, 2, 0.3] + [0, 0, 3], np.zeros(3), UP) for _ in range(9)])
    return Cameras(tuple("abcdefghi"), poses, np.tile([60.0, 60.0, 32.0, 24.0], (9, 1)), 64, 48)


def _moved(cameras: Cameras, turn: np.ndarray) -> Cameras:
    """The same photos in a world that was turned, made larger and shifted."""
    poses = cameras.camera_to_world.copy()
    poses[:, :3, :3] = turn @ poses[:, :3, :3]
    poses[:, :3, 3] = GROWTH * poses[:, :3, 3] @ turn.T + SHIFT
    return Cameras(cameras.names, poses, cameras.intrinsics, cameras.width, cameras.height)


@pytest.mark.parametrize("has_points", [False, True])
def test_the_world_s_origin_and_unit_make_no_difference(has_points: bool) -> None:
    cameras = _cameras()
    points = np.random.default_rng(1).normal(size=(200, 3)) * 0.3 if has_points else None
    moved, moved_points = _moved(cameras, np.eye(3)), None if points is None else GROWTH * points + SHIFT
    before, after = FieldFrame.from_capture(cameras, UP, points), FieldFrame.from_capture(moved, UP, moved_points)
    assert after.scale * GROWTH == pytest.approx(before.scale)
    assert after.poses(moved.camera_to_world) == pytest.approx(before.poses(cameras.camera_to_world), abs=1e-9)


def test_the_cameras_stand_outside_the_inner_cube_s_middle_and_look_into_it() -> None:
    cameras = _cameras()
    poses = FieldFrame.from_capture(cameras, UP, None).poses(cameras.camera_to_world)
    distance = np.linalg.norm(poses[:, :3, 3], axis=-1)
    assert np.median(distance) == pytest.approx(2.0, rel=0.1)
    missed = np.linalg.norm(np.cross(poses[:, :3, 3], poses[:, :3, 2]), axis=-1)
    assert missed.max() < 0.2


def test_a_light_keeps_its_direction_in_every_camera() -> None:
    cameras, light = _cameras(), np.array([0.36, 0.48, 0.8])
    moved = _moved(cameras, TURN)
    frame = FieldFrame.from_capture(moved, tuple((TURN @ UP).tolist()), None)
    in_camera = cameras.camera_to_world[:, :3, :3].transpose(0, 2, 1) @ light
    poses = frame.poses(moved.camera_to_world)
    assert poses[:, :3, :3].transpose(0, 2, 1) @ frame.directions(TURN @ light) == pytest.approx(in_camera)


def test_nerfstudio_s_transform_and_scale_are_the_frame() -> None:
    cameras = _cameras()
    frame = FieldFrame.from_capture(cameras, (0.0, 0.6, 0.8), None)
    transform = np.vstack([frame.transform(), [0, 0, 0, 1]])
    poses = transform @ cameras.camera_to_world
    poses[:, :3, 3] *= frame.scale
    assert frame.poses(cameras.camera_to_world) == pytest.approx(poses)
    assert frame.directions(np.array([0.0, 0.6, 0.8])) == pytest.approx([0, 0, 1])
