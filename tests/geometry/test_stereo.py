"""Which views are compared with one another, and at what size."""

from dataclasses import replace

import numpy as np
import pytest
from posed_ball import arc_camera, ball_depth

from relightnerf.geometry.stereo import StereoView, neighbours, working_camera

SIZE = 96


def test_neighbours_are_those_at_the_best_angle_that_look_the_same_way() -> None:
    cameras = [arc_camera(angle, SIZE, SIZE) for angle in (0.0, 1.0, 20.0, 50.0, 130.0)]
    views = [StereoView(camera, np.zeros((SIZE, SIZE, 3), np.uint8), ball_depth(camera)) for camera in cameras]
    turned = np.diag([-1.0, 1.0, -1.0, 1.0])
    away = replace(views[2].camera, camera_to_world=views[2].camera.camera_to_world @ turned)
    assert neighbours([*views, replace(views[2], camera=away)], 0) == [2, 3, 1]
    assert neighbours([replace(views[0], depth=np.zeros((SIZE, SIZE), np.float32)), *views[1:]], 0) == []


def test_large_pictures_are_worked_on_at_a_smaller_size() -> None:
    assert working_camera(arc_camera(0.0, SIZE, SIZE)).width == SIZE
    small = working_camera(arc_camera(0.0, 1600, 1600))
    assert (small.width, small.height) == (400, 400)
    assert small.intrinsics == pytest.approx(np.array([480.0, 480.0, 200.0, 200.0]))
