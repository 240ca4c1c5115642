"""Panels beside each other, what is written on them, and balls that show their lights."""

import numpy as np
import pytest

from relightnerf.lights import Lighting, turn_about
from relightnerf.render.overlays import grid, labelled, split, with_ball

HEIGHT, WIDTH = 48, 64
DARK_FLOAT, BRIGHT_FLOAT = np.zeros((40, 60, 3), np.float32), np.ones((40, 60, 3), np.float32)


def _flat(value: float, dtype: type = np.uint8) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), value, dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_panels_are_in_order_and_unchanged(dtype: type) -> None:
    sheet = grid([_flat(10 * i, dtype) for i in range(1, 6)], columns=3)
    assert sheet.shape == (2 * HEIGHT + 4, 3 * WIDTH + 8, 3)
    assert sheet.dtype == dtype
    for index in range(5):
        top, left = index // 3 * (HEIGHT + 4), index % 3 * (WIDTH + 4)
        assert (sheet[top : top + HEIGHT, left : left + WIDTH] == 10 * (index + 1)).all()
    assert sheet.astype(float).sum() == 150 * HEIGHT * WIDTH * 3


@pytest.mark.parametrize(("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 2)), (6, (2, 3))])
def test_a_grid_is_about_square(count: int, shape: tuple[int, int]) -> None:
    height, width, _ = grid([_flat(1)] * count).shape
    assert ((height + 4) // (HEIGHT + 4), (width + 4) // (WIDTH + 4)) == shape


def test_a_label_is_at_the_top_left_and_changes_nothing_else() -> None:
    picture = _flat(100)
    changed = (labelled(picture, "az 90°") != picture).any(-1)
    rows, columns = np.nonzero(changed)
    assert rows.max() < HEIGHT / 3
    assert columns.min() < 8
    assert (picture == 100).all()
    np.testing.assert_array_equal(labelled(picture, ""), picture)


def test_the_ball_is_at_the_lower_right_and_bright_where_the_light_is() -> None:
    picture, pose = _flat(100), np.eye(4)
    right = with_ball(picture, Lighting.directional(np.array([1.0, 0.0, 0.0])), pose, np.zeros(3)).astype(int)
    rows, columns = np.nonzero((right != 100).any(-1))
    assert rows.min() > HEIGHT / 2
    assert columns.min() > WIDTH / 2
    middle = (columns.min() + columns.max()) // 2
    ball = right[rows.min() : rows.max() + 1]
    assert ball[:, middle + 1 : columns.max()].mean() > ball[:, columns.min() + 1 : middle].mean() + 30


def test_the_ball_turns_with_the_camera_and_shows_point_lights_where_they_are() -> None:
    pose = np.eye(4)
    pose[:3, :3] = turn_about((0.0, 1.0, 0.0), 90.0)
    center, light = np.array([1.0, 2.0, 3.0]), np.array([0.6, 0.0, 0.8])
    plain, turned = (
        with_ball(_flat(50), Lighting.directional(matrix[:3, :3] @ light), matrix, center)
        for matrix in (np.eye(4), pose)
    )
    np.testing.assert_array_equal(plain, turned)
    near = with_ball(_flat(50), Lighting.point(center + 5.0 * light), np.eye(4), center)
    np.testing.assert_array_equal(near, plain)


@pytest.mark.parametrize(("share", "dark"), [(0.0, 0), (0.25, 15), (1.0, 60)])
def test_a_split_shows_one_picture_left_and_the_other_right(share: float, dark: int) -> None:
    shown = split(DARK_FLOAT, BRIGHT_FLOAT, share)
    assert (shown[:, :dark] == 0.0).all()
    assert (shown[:, dark:] == 1.0).all()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_the_ball_s_bright_side_is_towards_the_light_as_the_camera_sees_it(side: float) -> None:
    pose = np.eye(4)
    pose[:3, :3] = [[0.0, 0, 1], [1, 0, 0], [0, 1, 0]]  # looks along -x, its right is +y
    shown = with_ball(DARK_FLOAT, Lighting.directional(np.array([0.0, side, 0.0])), pose, share=0.16)
    ball = shown[33:39, 53:59, 0]
    assert (shown[:30] == 0.0).all() and (shown[:, :50] == 0.0).all()
    assert side * (ball[:, 3:].mean() - ball[:, :3].mean()) > 0.1


def test_a_tiny_picture_has_no_room_for_a_ball() -> None:
    np.testing.assert_array_equal(
        with_ball(DARK_FLOAT[:5, :5], Lighting.directional(np.eye(3)[2]), np.eye(4)), DARK_FLOAT[:5, :5]
    )
