"""Panels beside each other, what is written on them, and balls that show their lights."""

import numpy as np
import pytest

from relightnerf.layouts import grid, labelled, with_ball
from relightnerf.lights import Lighting, turn_about

HEIGHT, WIDTH = 48, 64


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
    right = with_ball(picture, Lighting.far(np.array([1.0, 0.0, 0.0])), pose, np.zeros(3)).astype(int)
    rows, columns = np.nonzero((right != 100).any(-1))
    assert rows.min() > HEIGHT / 2
    assert columns.min() > WIDTH / 2
    middle = (columns.min() + columns.max()) // 2
    ball = right[rows.min() : rows.max() + 1]
    assert ball[:, middle + 1 : columns.max()].mean() > ball[:, columns.min() + 1 : middle].mean() + 30


def test_the_ball_turns_with_the_camera_and_shows_lamps_where_they_are() -> None:
    pose = np.eye(4)
    pose[:3, :3] = turn_about((0.0, 1.0, 0.0), 90.0)
    center, light = np.array([1.0, 2.0, 3.0]), np.array([0.6, 0.0, 0.8])
    plain, turned = (
        with_ball(_flat(50), Lighting.far(matrix[:3, :3] @ light), matrix, center) for matrix in (np.eye(4), pose)
    )
    np.testing.assert_array_equal(plain, turned)
    lamp = with_ball(_flat(50), Lighting.near(center + 5.0 * light), np.eye(4), center)
    np.testing.assert_array_equal(lamp, plain)
