"""Angles of the light panel mean the same as everywhere else: the capture's world, whatever frame the field is in."""

import numpy as np
import pytest

from relightnerf.cameras.paths import look_at
from relightnerf.lights import (
    DirectionalLight,
    Lighting,
    direction_from_angles,
    environment_lighting,
    rotation_between,
)
from relightnerf.viewer.settings import LightSettings, preset_direction

UP = (0.48, -0.6, 0.64)
POSE = look_at(np.array([2.0, 1.0, 1.5]), np.zeros(3), UP)


def test_world_angles_are_those_of_the_capture_s_world() -> None:
    lighting = LightSettings(directional=(DirectionalLight(120.0, 20.0),)).lighting(POSE, UP)
    assert lighting is not None
    np.testing.assert_allclose(lighting.directions[0], direction_from_angles(120.0, 20.0, "world", UP))


def test_a_light_in_the_camera_s_frame_goes_with_the_camera() -> None:
    settings = LightSettings(frame="camera", directional=(DirectionalLight(90.0, 0.0),))
    for pose in (POSE, look_at(np.array([-2.0, 1.0, 1.0]), np.zeros(3), UP)):
        np.testing.assert_allclose(settings.light_direction(0, pose, UP), pose[:3, 0], atol=1e-12)


def test_the_first_settings_are_the_canonical_light() -> None:
    lighting, canonical = (
        LightSettings().lighting(POSE, UP),
        Lighting.directional(direction_from_angles(45.0, 45.0, "world", UP)),
    )
    assert lighting is not None
    assert lighting.described() == canonical.described()


def test_the_capture_s_own_light_is_none() -> None:
    assert LightSettings(uses_capture_light=True).lighting(POSE, UP) is None


def test_another_frame_leaves_the_lights_where_they_are() -> None:
    settings = LightSettings(
        directional=(DirectionalLight(30.0, 60.0), DirectionalLight(-100.0, 10.0, (1.0, 0.5, 0.25), 2.0))
    )
    before, after = (s.lighting(POSE, UP) for s in (settings, settings.in_frame("camera", POSE, UP)))
    assert before is not None and after is not None
    np.testing.assert_allclose(after.directions, before.directions, atol=1e-12)
    np.testing.assert_allclose(after.colors, before.colors)


def test_a_light_moved_towards_a_direction_is_there() -> None:
    direction = np.array([0.6, 0.0, 0.8])
    for settings in (LightSettings(), LightSettings(frame="camera")):
        moved = settings.with_light_towards(0, direction, POSE, UP)
        np.testing.assert_allclose(moved.light_direction(0, POSE, UP), direction, atol=1e-12)


def test_a_whole_turn_leads_back_and_the_map_turns_along() -> None:
    environment = environment_lighting(np.random.default_rng(0).random((8, 16, 3)), 4, world_up=UP)
    settings = LightSettings(directional=(DirectionalLight(170.0, 10.0),), environment=environment)
    turn = rotation_between(np.array([0.0, 0.0, 1.0]), np.array(UP))
    quarter = turn @ np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ turn.T
    before, after, whole = (settings.turned(angle).lighting(POSE, UP) for angle in (0.0, 90.0, 360.0))
    assert before is not None and after is not None and whole is not None
    np.testing.assert_allclose(after.directions, before.directions @ quarter.T, atol=1e-12)
    np.testing.assert_allclose(whole.directions, before.directions, atol=1e-12)


def test_lights_turned_down_are_left_out() -> None:
    lighting = LightSettings(directional=(DirectionalLight(intensity=0.0),), ambient=0.5).lighting(POSE, UP)
    assert lighting is not None
    assert lighting.directions.shape == (0, 3)
    np.testing.assert_array_equal(lighting.ambient, 0.5)


@pytest.mark.parametrize(("name", "across", "towards"), [("left", -1, 0), ("right", 1, 0), ("back", 0, -1)])
def test_presets_are_as_seen_from_the_camera(name: str, across: int, towards: int) -> None:
    direction = preset_direction(name, POSE, UP)
    assert direction @ UP > 0.2
    right, back = direction @ POSE[:3, 0], direction @ POSE[:3, 2]
    assert right == pytest.approx(0.0, abs=1e-9) if across == 0 else right * across > 0.8
    assert towards == 0 or back * towards > 0.1


def test_light_from_the_top_comes_from_above() -> None:
    assert preset_direction("top", POSE, UP) @ UP > 0.99
