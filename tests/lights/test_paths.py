"""Lights that move: where they start, pass and end, and that what they give changes evenly."""

import numpy as np
import pytest

from relightnerf.cameras import Cameras
from relightnerf.cameras.paths import look_at
from relightnerf.errors import InputError
from relightnerf.lights import (
    DirectionalLight,
    Lighting,
    LightSet,
    angles_from_direction,
    direction_from_angles,
    turn_about,
)
from relightnerf.lights.paths import Blend, between, listed, passing
from relightnerf.render.light_specs import LightSpec, light_label, light_specs, moved

Z_UP, Y_UP = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)
POINT = Lighting.point(np.array([1.0, 2.0, 3.0]))


def _cameras(count: int) -> Cameras:
    places = [np.array([3.0 * np.cos(a), 3.0 * np.sin(a), 1.0]) for a in np.linspace(0.0, 2.0, count)]
    poses = np.array([look_at(place, np.zeros(3), Z_UP) for place in places])
    names = tuple(f"{i:05d}" for i in range(count))
    return Cameras(names, poses, np.tile([50.0, 50.0, 32.0, 24.0], (count, 1)), 64, 48)


def _spec(*angles: tuple[float, float], frame: str = "world", up: tuple[float, float, float] = Z_UP) -> LightSpec:
    return LightSpec("name", tuple(DirectionalLight(*pair) for pair in angles), frame, up)


def _angles(lights: list, up: tuple[float, float, float] = Z_UP) -> np.ndarray:
    return np.array([angles_from_direction(light.directions[0], "world", up) for light in lights])


@pytest.mark.parametrize("up", [Z_UP, Y_UP])
def test_a_circling_light_turns_once_in_even_steps_at_its_elevation(up: tuple[float, float, float]) -> None:
    angles = _angles(moved(_spec((20.0, 35.0), up=up), "circle", _cameras(12)), up)
    np.testing.assert_allclose(angles[:, 0] % 360.0, (20.0 + 30.0 * np.arange(12)) % 360.0)
    np.testing.assert_allclose(angles[:, 1], 35.0)


def test_an_arc_of_one_light_goes_over_the_zenith_to_the_other_side() -> None:
    angles = _angles(moved(_spec((20.0, 10.0)), "arc", _cameras(5)))
    np.testing.assert_allclose(angles[:, 1], [10.0, 50.0, 90.0, 50.0, 10.0])
    np.testing.assert_allclose(angles[[0, 1, 3, 4], 0], [20.0, 20.0, -160.0, -160.0])


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_an_arc_of_two_lights_is_the_great_circle_between_them(frame: str) -> None:
    cameras = _cameras(7)
    lights = moved(_spec((0.0, 0.0), (90.0, 60.0), frame=frame), "arc", cameras)
    directions = np.array([light.directions[0] for light in lights])
    if frame == "camera":
        directions = np.einsum("nk,nkj->nj", directions, cameras.camera_to_world[:, :3, :3])
    np.testing.assert_allclose(
        directions[[0, -1]], [direction_from_angles(*a, frame) for a in ((0, 0), (90, 60))], atol=1e-12
    )
    np.testing.assert_allclose(np.sum(directions[1:] * directions[:-1], -1), np.cos(np.radians(15.0)))


def test_an_arc_needs_its_ends() -> None:
    for angles in ((), ((0.0, 0.0),) * 3):
        with pytest.raises(InputError, match="--light-path arc"):
            moved(_spec(*angles), "arc", _cameras(3))


def test_only_directional_lights_and_the_map_turn() -> None:
    spec = LightSpec(
        "all", (DirectionalLight(0.0, 0.0),), "world", Z_UP, POINT, Lighting.directional(np.eye(3)[1]), 2.0
    )
    start, _, half, _ = moved(spec, "circle", _cameras(4))
    np.testing.assert_allclose(half.directions, -start.directions, atol=1e-12)
    np.testing.assert_array_equal(half.positions, POINT.positions)
    np.testing.assert_array_equal(half.ambient, [6.0, 6.0, 6.0])


def test_lights_pass_those_of_a_list_evenly_and_as_many_are_taken_as_they_are() -> None:
    directions = np.array([direction_from_angles(a, 0.0) for a in (0.0, 90.0, 180.0)])
    lights = [Lighting.directional(d, c) for d, c in zip(directions, (1.0, 0.5, 0.0), strict=True)]
    for light, same in zip(passing(lights, 3, Z_UP), lights, strict=True):
        assert light is same
    angles = _angles(passing(lights, 9, Z_UP))
    np.testing.assert_allclose(angles[:, 0], np.linspace(0.0, 180.0, 9), atol=1e-9)
    np.testing.assert_allclose([light.colors[0, 0] for light in passing(lights, 9, Z_UP)], np.linspace(1.0, 0.0, 9))


def test_a_light_to_the_opposite_side_goes_over_the_top() -> None:
    ends = [Lighting.directional(direction_from_angles(a, 0.0)) for a in (0.0, 180.0)]
    np.testing.assert_allclose(passing(ends, 3, Z_UP)[1].directions[0], Z_UP, atol=1e-12)
    poles = [Lighting.directional(np.array([0.0, 0.0, z])) for z in (1.0, -1.0)]
    assert abs(passing(poles, 3, Z_UP)[1].directions[0, 2]) < 1e-12


def test_lights_that_are_not_alike_and_the_capture_s_own_fade() -> None:
    one, two = Lighting.directional(np.eye(3)[0]), Lighting.directional(np.eye(3)[0]) + POINT
    mixed = between(one, two, 0.25, Z_UP)
    np.testing.assert_array_equal(mixed.colors[:, 0], [0.75, 0.25])
    np.testing.assert_array_equal(mixed.position_colors[:, 0], [0.25])
    for start, end, capture in ((None, one, 0.75), (one, None, 0.25)):
        blend = between(start, end, 0.25, Z_UP)
        assert isinstance(blend, Blend)
        assert (blend.capture, blend.others.colors[0, 0]) == (capture, 1.0 - capture)
    assert between(None, None, 0.5, Z_UP) is None


def test_point_lights_move_on_straight_lines() -> None:
    ends = [Lighting.point(np.array([x, 0.0, 1.0])) for x in (0.0, 2.0)]
    np.testing.assert_allclose(between(*ends, 0.25, Z_UP).positions, [[0.5, 0.0, 1.0]])


def test_a_list_in_the_camera_frame_stays_in_each_camera_s() -> None:
    cameras, lights = _cameras(3), LightSet("camera", ("a", "b", "c"), np.eye(3))
    for light, direction, pose in zip(listed(lights, cameras, Z_UP), np.eye(3), cameras.camera_to_world, strict=True):
        np.testing.assert_allclose(light.directions[0], pose[:3, :3] @ direction)


def test_listed_lights_can_be_asked_for_one_by_one() -> None:
    lights = LightSet("world", ("a", "b"), np.array([[0.6, 0.0, 0.8], [0.0, -1.0, 0.0]]))
    camera = _cameras(1)[0]
    for spec, direction in zip(light_specs(lights, Y_UP), lights.directions, strict=True):
        np.testing.assert_allclose(spec.at(camera).directions[0], direction, atol=1e-12)
        turned = spec.at(camera, 90.0).directions[0]
        np.testing.assert_allclose(turned, turn_about(Y_UP, 90.0) @ direction, atol=1e-12)
        assert spec.label(spec.at(camera), camera) == spec.name


def test_labels_tell_the_angles_of_a_single_light() -> None:
    camera = _cameras(1)[0]
    assert light_label(Lighting.directional(direction_from_angles(-90.0, 30.0)), camera, Z_UP) == "az 270° el 30°"
    behind = Lighting.directional(camera.camera_to_world[:3, 2])
    assert light_label(behind, camera, Z_UP, "camera") == "az 0° el 0°"
    assert light_label(None, camera, Z_UP) == "capture's light"
    assert light_label(POINT, camera, Z_UP) == "a point light"
    assert light_label(POINT + POINT, camera, Z_UP) == "2 lights"
