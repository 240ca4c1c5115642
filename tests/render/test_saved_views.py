"""Views and keyframes: what is written is read again; what cannot be used is named."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relightnerf.cameras import Camera, load_cameras
from relightnerf.errors import InputError
from relightnerf.lights import Lighting
from relightnerf.render.saved_views import SavedView, load_view, load_views, save_keyframes, save_view

CAMERA = Camera("v", np.eye(4), np.array([50.0, 51.0, 32.0, 23.0]), 64, 48)
LIGHTS = {
    "far": Lighting.directional(np.array([0.0, 0.6, 0.8]), (1.0, 0.5, 0.25)),
    "near": Lighting.point(np.array([1.0, 2.0, 3.0]), 0.3),
    "dark": Lighting(),
    "both": Lighting.directional(np.array([1.0, 0.0, 0.0])) + Lighting.point(np.array([1.0, 2.0, 3.0])),
}


def _same(one: SavedView, other: SavedView) -> None:
    assert (one.camera.name, one.camera.width, one.camera.height) == (
        other.camera.name, other.camera.width, other.camera.height
    )  # fmt: skip
    np.testing.assert_array_equal(one.camera.camera_to_world, other.camera.camera_to_world)
    np.testing.assert_array_equal(one.camera.intrinsics, other.camera.intrinsics)
    assert (one.light is None) == (other.light is None)
    if one.light is not None and other.light is not None:
        for name, value in vars(one.light).items():
            np.testing.assert_array_equal(value, getattr(other.light, name))


@pytest.mark.parametrize("name", [None, *LIGHTS])
def test_a_saved_view_is_read_as_it_was(tmp_path: Path, name: str | None) -> None:
    view = SavedView(CAMERA, LIGHTS[name] if name else None)
    save_view(tmp_path / "v.json", view)
    _same(load_view(tmp_path / "v.json"), view)


@pytest.mark.parametrize("seconds", [None, 2.5])
def test_saved_keyframes_are_read_as_they_were(tmp_path: Path, seconds: float | None) -> None:
    views = [SavedView(CAMERA, light) for light in (None, *LIGHTS.values())]
    save_keyframes(tmp_path / "k.json", views, seconds)
    read = load_views(tmp_path / "k.json")
    assert read.seconds == seconds
    for one, other in zip(read.views, views, strict=True):
        _same(one, other)


@pytest.mark.parametrize("name", LIGHTS)
def test_a_described_light_is_the_light(name: str) -> None:
    again = Lighting.from_described(LIGHTS[name].described(), "here")
    assert again.described() == LIGHTS[name].described()


def test_the_camera_of_a_view_is_a_transforms_json(tmp_path: Path) -> None:
    save_view(tmp_path / "v.json", SavedView(CAMERA, None))
    content = json.loads((tmp_path / "v.json").read_text())
    assert (content["format"], content["kind"], content["light"]) == (1, "relightnerf-view", None)
    (tmp_path / "transforms.json").write_text(json.dumps(content["camera"]))
    np.testing.assert_array_equal(load_cameras(tmp_path / "transforms.json").intrinsics[0], CAMERA.intrinsics)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "other"}, "neither a view nor keyframes"),
        ({"format": 2}, "format 2"),
        ({"camera": None}, '"camera" or "light" is missing'),
        ({"light": {"colour": [1, 1, 1]}}, "not a light"),
        ({"light": {"directions": [[0, 0, 1]]}}, 'not as many "colors"'),
        ({"light": {"directions": [[0, 0]], "colors": [[1, 1, 1]]}}, '"directions": not rows of three'),
        ({"light": {"directions": [[0, 0, 0]], "colors": [[1, 1, 1]]}}, "has no length"),
        ({"light": {"ambient": [1, -1, 1]}}, "a negative colour"),
        ({"kind": "relightnerf-keyframes"}, 'no "views"'),
        ({"kind": "relightnerf-keyframes", "views": [{}]}, "view 0"),
    ],
)
def test_what_is_no_view_is_named(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    save_view(tmp_path / "v.json", SavedView(CAMERA, LIGHTS["far"]))
    content = json.loads((tmp_path / "v.json").read_text())
    (tmp_path / "v.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(InputError, match=re.escape(said)):
        load_views(tmp_path / "v.json")


def test_several_views_are_not_one(tmp_path: Path) -> None:
    save_keyframes(tmp_path / "k.json", [SavedView(CAMERA, None)] * 2)
    with pytest.raises(InputError, match="2 views"):
        load_view(tmp_path / "k.json")
