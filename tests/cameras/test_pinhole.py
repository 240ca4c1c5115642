import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relightnerf.cameras import Camera, Cameras, load_cameras, save_cameras
from relightnerf.errors import InputError

POSE = [[1.0, 0.0, 0.0, 2.0], [0.0, 0.0, -1.0, -3.0], [0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]
"""At (2, -3, 1), looking along +y with z up."""


def _content() -> dict[str, Any]:
    frames = [{"file_path": f"images/v{i}.png", "transform_matrix": POSE} for i in range(2)]
    return {"w": 64, "h": 48, "fl_x": 50.0, "fl_y": 51.0, "cx": 31.0, "cy": 25.0, "frames": frames}


def _path(tmp_path: Path, content: dict[str, Any]) -> Path:
    (tmp_path / "cams.json").write_text(json.dumps(content))
    return tmp_path / "cams.json"


def test_saving_and_loading_changes_nothing(tmp_path: Path) -> None:
    poses = np.array([POSE, POSE]) + np.pad(np.random.default_rng(1).normal(size=(2, 3, 4)), ((0, 0), (0, 1), (0, 0)))
    cameras = Cameras(("a", "b"), poses, np.array([[50.0, 51, 31, 25], [60.0, 61, 32, 24]]), 64, 48)
    save_cameras(tmp_path / "t.json", cameras, ply_file_path="points.ply")
    again = load_cameras(tmp_path / "t.json")
    assert (again.names, again.width, again.height) == (cameras.names, 64, 48)
    np.testing.assert_array_equal(again.camera_to_world, poses)
    np.testing.assert_array_equal(again.intrinsics, cameras.intrinsics)


def test_focal_length_may_be_given_as_an_angle_and_the_centre_left_out(tmp_path: Path) -> None:
    content = _content()
    for key in ("fl_x", "fl_y", "cx", "cy"):
        del content[key]
    content["camera_angle_x"] = 2 * math.atan(0.5)
    cameras = load_cameras(_path(tmp_path, content))
    np.testing.assert_allclose(cameras.intrinsics[0], [64, 64, 32, 24])


def test_camera_path_of_the_viewer_gives_names_poses_and_vertical_field_of_view(tmp_path: Path) -> None:
    entry = {"camera_to_world": np.ravel(POSE).tolist(), "fov": math.degrees(2 * math.atan(0.5)), "aspect": 1.5}
    content = {"render_width": 640, "render_height": 480, "camera_path": [entry, entry]}
    cameras = load_cameras(_path(tmp_path, content))
    assert (cameras.names, cameras.width, cameras.height) == (("00000", "00001"), 640, 480)
    np.testing.assert_allclose(cameras.intrinsics[1], [480, 480, 320, 240])
    np.testing.assert_array_equal(cameras.camera_to_world[1], POSE)


def test_points_project_back_to_their_pixels(tmp_path: Path) -> None:
    camera = load_cameras(_path(tmp_path, _content()))[0]
    depth = np.random.default_rng(2).uniform(1, 5, (48, 64))
    points = camera.points_world(depth)
    in_camera = (points - camera.position) @ camera.camera_to_world[:3, :3]
    np.testing.assert_allclose(-in_camera[..., 2], depth)
    x = in_camera[..., 0] / depth * 50 + 31
    y = -in_camera[..., 1] / depth * 51 + 25
    np.testing.assert_allclose(x, np.broadcast_to(np.arange(64) + 0.5, x.shape))
    np.testing.assert_allclose(y, np.broadcast_to(np.arange(48)[:, None] + 0.5, y.shape))


def test_the_camera_looks_along_its_minus_z_with_x_right_and_y_up(tmp_path: Path) -> None:
    camera = load_cameras(_path(tmp_path, _content()))[0]
    points = camera.points_world(np.full((48, 64), 4.0))
    np.testing.assert_allclose(points[..., 1], 1.0)
    assert (np.diff(points[..., 0], axis=1) > 0).all()
    assert (np.diff(points[..., 2], axis=0) < 0).all()


def test_a_resized_camera_sees_the_same(tmp_path: Path) -> None:
    camera = load_cameras(_path(tmp_path, _content()))[0]
    small = camera.resampled(32, 24)
    fine, coarse = camera.rays_camera(), small.rays_camera()
    np.testing.assert_allclose(fine.reshape(24, 2, 32, 2, 3).mean((1, 3)), coarse)


def _without(*keys: str) -> Callable[[dict[str, Any]], None]:
    return lambda content: [content.pop(key) for key in keys]


def _frame(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["frames"][1].update({key: value})


def _set(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content.update({key: value})


def _nan_pose(content: dict[str, Any]) -> None:
    content["frames"][1]["transform_matrix"] = [[math.nan] * 4] * 4


BROKEN = {
    "no frames": (_without("frames"), 'no "frames"'),
    "empty frames": (_set("frames", []), 'no "frames"'),
    "frame that is no object": (_set("frames", ["v0"]), "frame 0"),
    "no size": (_without("w"), '"w" is missing'),
    "no focal length": (_without("fl_x"), "camera_angle_x"),
    "size that is no number": (_set("w", "wide"), "w"),
    "size of nothing": (_set("h", 0), "h"),
    "focal length of nothing": (_set("fl_x", 0), "fl_x"),
    "focal length not finite": (_set("fl_y", math.nan), "fl_y"),
    "no pose": (lambda content: content["frames"][1].pop("transform_matrix"), '"transform_matrix" is missing'),
    "pose not finite": (_nan_pose, "frame 1"),
    "pose of another shape": (_frame("transform_matrix", [1, 2, 3]), "frame 1"),
    "pose of words": (_frame("transform_matrix", [["a"] * 4] * 4), "frame 1"),
    "ragged pose": (_frame("transform_matrix", [[1, 2], [3]]), "frame 1"),
    "no name": (lambda content: content["frames"][0].pop("file_path"), '"file_path" is missing'),
    "two of a name": (_frame("file_path", "other/v0.jpg"), "v0"),
    "two sizes": (_frame("w", 128), "different sizes"),
    "lens distortion": (_set("k1", 0.1), "distortion"),
    "camera path without size": (_set("camera_path", []), "render_width"),
    "camera path of nothing": (lambda c: c.update(camera_path=[], render_width=4, render_height=4), "no cameras"),
    "camera path with short pose": (
        lambda c: c.update(camera_path=[{"camera_to_world": [1, 2], "fov": 40}], render_width=4, render_height=4),
        "camera 0",
    ),
    "camera path without angle": (
        lambda c: c.update(camera_path=[{"camera_to_world": np.ravel(POSE).tolist()}], render_width=4, render_height=4),
        '"fov" is missing',
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_wrong_with_a_camera_file_is_named(tmp_path: Path, name: str) -> None:
    breaks, said = BROKEN[name]
    content = _content()
    breaks(content)
    path = _path(tmp_path, content)
    with pytest.raises(InputError) as error:
        load_cameras(path)
    assert str(path) in str(error.value)
    assert said in str(error.value)


def test_cameras_are_iterated_sliced_and_stacked() -> None:
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = range(4)
    cameras = Cameras(tuple("abcd"), poses, np.arange(16.0).reshape(4, 4) + 1.0, 64, 48)
    assert [camera.name for camera in cameras] == list("abcd")
    assert [camera.position[0] for camera in cameras] == [0.0, 1.0, 2.0, 3.0]
    for chosen, names in ((cameras[1:3], "bc"), (cameras[::-2], "db"), (cameras[[3, 0]], "da"), (cameras[[]], "")):
        assert chosen.names == tuple(names)
        assert chosen.camera_to_world.shape == (len(names), 4, 4) and (chosen.width, chosen.height) == (64, 48)
        assert [camera.intrinsics[0] for camera in chosen] == [1.0 + 4.0 * "abcd".index(name) for name in names]
    assert cameras.subset({"d", "b"}).names == ("b", "d")
    again = Cameras.stack(list(cameras))
    assert again.names == cameras.names
    np.testing.assert_array_equal(again.camera_to_world, cameras.camera_to_world)
    np.testing.assert_array_equal(again.intrinsics, cameras.intrinsics)
    for wrong in ([cameras[0], cameras[0]], [cameras[0], cameras[1].resampled(10, 10)], []):
        with pytest.raises(ValueError, match="cameras of the sizes"):
            Cameras.stack(wrong)


def test_a_camera_of_a_field_of_view_sees_so_much() -> None:
    camera = Camera.from_fov("c", 64, 48, 90.0)
    left, right = camera.rays_camera()[24, [0, -1], 0]
    assert (left, right) == (pytest.approx(-1.0 + 1 / 64), pytest.approx(1.0 - 1 / 64))
    np.testing.assert_array_equal(camera.camera_to_world, np.eye(4))
