import json
from pathlib import Path

import numpy as np
import pytest

from relightnerf.errors import InputError
from relightnerf.lights import LightSet, angles_from_direction, load_lights, reference_lights, save_lights


def _named(name: str) -> np.ndarray:
    lights = reference_lights()
    return lights.directions[lights.names.index(name)]


def test_reference_is_18_unit_directions_in_the_camera_frame() -> None:
    lights = reference_lights()
    assert (lights.frame, len(lights.names), lights.directions.shape) == ("camera", 18, (18, 3))
    np.testing.assert_allclose(np.linalg.norm(lights.directions, axis=-1), 1.0)
    assert not {f"dir_{i}" for i in (2, 3, 19, 20, 21, 22, 24)} & set(lights.names)


def test_reference_left_is_23_right_18_top_14_and_behind_the_camera_10() -> None:
    left, right, top, behind = (_named(f"dir_{i}") for i in (23, 18, 14, 10))
    assert left[0] == min(reference_lights().directions[:, 0]) < -0.7
    assert right[0] == max(reference_lights().directions[:, 0]) > 0.9
    assert top[1] > 0.8 and abs(top[0]) < 0.2
    assert behind[2] == max(reference_lights().directions[:, 2]) > 0.9


def test_reference_lights_come_from_above_the_horizon_and_most_from_behind_the_camera() -> None:
    directions = reference_lights().directions
    assert (directions[:, 1] > 0).all()
    assert (directions[:, 2] > 0).mean() > 0.9


def test_reference_right_is_right_in_the_angles_that_people_use() -> None:
    assert angles_from_direction(_named("dir_18"), "camera")[0] == pytest.approx(81, abs=1)
    assert angles_from_direction(_named("dir_23"), "camera")[0] == pytest.approx(-58, abs=1)


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_saving_and_loading_changes_nothing(tmp_path: Path, frame) -> None:
    lights = LightSet(frame, reference_lights().names, reference_lights().directions)
    save_lights(tmp_path / "lights.json", lights)
    again = load_lights(tmp_path / "lights.json")
    assert (again.frame, again.names) == (frame, lights.names)
    np.testing.assert_allclose(again.directions, lights.directions, atol=1e-15)


def test_a_light_of_any_length_is_a_unit_direction(tmp_path: Path) -> None:
    content = {"frame": "world", "lights": [{"name": "far", "direction": [0, -30, 40]}]}
    (tmp_path / "lights.json").write_text(json.dumps(content))
    np.testing.assert_allclose(load_lights(tmp_path / "lights.json").directions, [[0, -0.6, 0.8]])


@pytest.mark.parametrize("frame", ["world", "camera"])
def test_both_frames_of_a_view_differ_by_its_rotation(frame) -> None:
    rotation, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    pose = np.eye(4)
    pose[:3, :3] = rotation * np.sign(np.linalg.det(rotation))
    pose[:3, 3] = [4, 5, 6]
    lights = LightSet(frame, reference_lights().names, reference_lights().directions)
    world, camera = lights.directions_world(pose), lights.directions_camera(pose)
    np.testing.assert_allclose(world, camera @ pose[:3, :3].T, atol=1e-12)
    np.testing.assert_array_equal(world if frame == "world" else camera, lights.directions)


LIGHT = {"name": "left", "direction": [1, 0, 0]}
BROKEN = {
    "no frame": ({"lights": [LIGHT]}, '"frame"'),
    "unknown frame": ({"frame": "sky", "lights": [LIGHT]}, "'sky'"),
    "no lights": ({"frame": "world"}, 'no "lights"'),
    "empty lights": ({"frame": "world", "lights": []}, 'no "lights"'),
    "no name": ({"frame": "world", "lights": [{"direction": [1, 0, 0]}]}, "light 0"),
    "no direction": ({"frame": "world", "lights": [LIGHT, {"name": "x"}]}, "light 1"),
    "no object": ({"frame": "world", "lights": ["left"]}, "light 0"),
    "no length": ({"frame": "world", "lights": [{"name": "dark", "direction": [0, 0, 0]}]}, "'dark'"),
    "not finite": ({"frame": "world", "lights": [{"name": "odd", "direction": [float("nan"), 0, 0]}]}, "'odd'"),
    "words": ({"frame": "world", "lights": [{"name": "odd", "direction": ["a", "b", "c"]}]}, "'odd'"),
    "two of a name": ({"frame": "world", "lights": [LIGHT, LIGHT]}, "'left'"),
    "reserved name": ({"frame": "world", "lights": [{**LIGHT, "name": "capture"}]}, "'capture'"),
    "name with a path in it": ({"frame": "world", "lights": [{**LIGHT, "name": "../left"}]}, "'../left'"),
    "name with the separator in it": ({"frame": "world", "lights": [{**LIGHT, "name": "a__b"}]}, "'a__b'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_light_file_is_named(tmp_path: Path, name: str) -> None:
    content, said = BROKEN[name]
    path = tmp_path / "lights.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        load_lights(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)
