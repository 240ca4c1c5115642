import numpy as np
import pytest

from relightnerf.lights import Lighting
from relightnerf.viewing.overlays import split, with_ball

BLACK, WHITE = np.zeros((40, 60, 3), np.float32), np.ones((40, 60, 3), np.float32)


@pytest.mark.parametrize(("share", "dark"), [(0.0, 0), (0.25, 15), (1.0, 60)])
def test_a_split_shows_one_picture_left_and_the_other_right(share: float, dark: int) -> None:
    shown = split(BLACK, WHITE, share)
    assert (shown[:, :dark] == 0.0).all()
    assert (shown[:, dark:] == 1.0).all()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_ball_s_bright_side_is_towards_the_light_as_the_camera_sees_it(side: float) -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]  # looks along -x, its right is +y
    shown = with_ball(BLACK, Lighting.far(np.array([0.0, side, 0.0])), pose)
    ball = shown[33:39, 53:59, 0]
    assert (shown[:30] == 0.0).all() and (shown[:, :50] == 0.0).all()
    assert side * (ball[:, 3:].mean() - ball[:, :3].mean()) > 0.1


def test_a_tiny_picture_has_no_room_for_a_ball() -> None:
    np.testing.assert_array_equal(with_ball(BLACK[:5, :5], Lighting.far(np.eye(3)[2]), np.eye(4)), BLACK[:5, :5])
