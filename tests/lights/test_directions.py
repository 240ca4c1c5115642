import numpy as np
import pytest

from relightnerf.errors import InputError
from relightnerf.lights import (
    angles_from_direction,
    direction_from_angles,
    normalized_direction,
    rotation_between,
    spread_directions,
)

Z_UP = (0.0, 0.0, 1.0)
UPS = [Z_UP, (0.0, 1.0, 0.0), (0.0, 0.0, -1.0), (0.6, 0.0, 0.8), (-0.88, 0.148, 0.451)]


def _unit(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("frame", ["world", "camera"])
@pytest.mark.parametrize("world_up", UPS)
def test_angles_of_a_direction_give_the_direction_back(frame, world_up) -> None:
    up = tuple(np.array(world_up) / np.linalg.norm(world_up))
    for direction in _unit(1, 200):
        again = direction_from_angles(*angles_from_direction(direction, frame, up), frame, up)
        np.testing.assert_allclose(again, direction, atol=1e-9)


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_the_direction_of_angles_gives_the_angles_back(frame) -> None:
    for azimuth in range(-170, 181, 25):
        for elevation in range(-80, 81, 20):
            again = angles_from_direction(direction_from_angles(azimuth, elevation, frame), frame)
            np.testing.assert_allclose(again, (azimuth, elevation), atol=1e-9)


@pytest.mark.parametrize(
    ("angles", "direction"),
    [((0, 0), (1, 0, 0)), ((90, 0), (0, 1, 0)), ((180, 0), (-1, 0, 0)), ((-90, 0), (0, -1, 0)), ((33, 90), (0, 0, 1))],
)
def test_world_angles_count_from_x_towards_y_and_rise_to_z(angles, direction) -> None:
    np.testing.assert_allclose(direction_from_angles(*angles), direction, atol=1e-12)


@pytest.mark.parametrize(
    ("angles", "direction"),
    [((0, 0), (0, 0, 1)), ((90, 0), (1, 0, 0)), ((-90, 0), (-1, 0, 0)), ((180, 0), (0, 0, -1)), ((7, 90), (0, 1, 0))],
)
def test_camera_angles_count_from_behind_the_camera_to_the_right_and_up(angles, direction) -> None:
    np.testing.assert_allclose(direction_from_angles(*angles, frame="camera"), direction, atol=1e-12)


@pytest.mark.parametrize("world_up", UPS)
def test_elevation_is_measured_from_the_world_s_own_horizon(world_up) -> None:
    up = np.array(world_up) / np.linalg.norm(world_up)
    for azimuth, elevation in ((0, 0), (140, 30), (-60, -45), (0, 90)):
        direction = direction_from_angles(azimuth, elevation, "world", tuple(up))
        assert direction @ up == pytest.approx(np.sin(np.radians(elevation)))
        assert np.linalg.norm(direction) == pytest.approx(1)


def test_azimuth_turns_counter_clockwise_seen_from_above_for_every_up() -> None:
    for world_up in UPS:
        up = np.array(world_up) / np.linalg.norm(world_up)
        first, second = (direction_from_angles(a, 0, "world", tuple(up)) for a in (20, 30))
        assert np.cross(first, second) @ up == pytest.approx(np.sin(np.radians(10)))


@pytest.mark.parametrize("pair", [*zip(_unit(2, 20), _unit(3, 20), strict=True), (np.eye(3)[0], -np.eye(3)[0])])
def test_rotation_between_is_a_rotation_that_does_it(pair) -> None:
    source, target = pair
    rotation = rotation_between(source, target)
    np.testing.assert_allclose(rotation @ source, target, atol=1e-9)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("nearly", [1e-4, 1e-5, 3e-6, 1e-7])
def test_rotation_between_nearly_opposite_vectors_is_still_a_rotation(nearly: float) -> None:
    source, target = np.array([0.0, 0.0, 1.0]), np.array([np.sin(nearly), 0.0, -np.cos(nearly)])
    rotation = rotation_between(source, target)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(rotation @ source, target, atol=1e-4)


def test_normalizing_keeps_the_direction() -> None:
    np.testing.assert_allclose(normalized_direction(np.array([3.0, 0.0, -4.0])), [0.6, 0.0, -0.8])


@pytest.mark.parametrize(
    "direction", [[0, 0, 0], [1e-9, 0, 0], [float("nan"), 0, 1], [1, 2], "left", None, [[1, 2, 3]]]
)
def test_what_is_no_direction_is_refused(direction) -> None:
    with pytest.raises(InputError, match="the sun"):
        normalized_direction(direction, "the sun")


@pytest.mark.parametrize("lowest_z", [-1.0, -0.3, 0.0])
def test_spread_directions_are_even(lowest_z) -> None:
    directions = spread_directions(500, lowest_z)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
    assert directions[:, 2].min() > lowest_z
    np.testing.assert_allclose(directions.mean(axis=0), [0.0, 0.0, (1.0 + lowest_z) / 2.0], atol=2e-3)
    nearest = np.sort(directions @ directions.T, axis=-1)[:, -2]
    even = 1.0 - (1.0 - lowest_z) / 500  # cosine of the radius of a cap of each one's share of the area
    assert np.degrees(np.arccos(nearest)).min() > np.degrees(np.arccos(even))
