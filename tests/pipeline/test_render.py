import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from stopping import stop_after

from relightnerf.cameras import save_cameras
from relightnerf.errors import InputError
from relightnerf.imaging.color import srgb_to_linear, to_float
from relightnerf.io.hdr import write_hdr
from relightnerf.io.images import read_image
from relightnerf.lights import LightSet, save_lights
from relightnerf.pipeline.render import Render
from relightnerf.render import scene_renderer
from relightnerf.render.camera_specs import cameras_from_file
from relightnerf.render.request import parse_light
from relightnerf.scene import Scene

AXES = np.eye(3)


@pytest.fixture
def two_cameras(tiny_scene: Scene, tmp_path: Path) -> Path:
    """The file of two of the capture's cameras."""
    path = tmp_path / "cams.json"
    save_cameras(path, tiny_scene.cameras().subset(tiny_scene.cameras().names[:2]))
    return path


@pytest.fixture
def three_lights(tmp_path: Path) -> Path:
    """The file of lights along the world's axes."""
    save_lights(tmp_path / "lights.json", LightSet("world", ("x", "y", "z"), AXES))
    return tmp_path / "lights.json"


def test_pictures_are_all_pairs_in_the_cameras_size(
    tiny_scene: Scene, two_cameras: Path, three_lights: Path, tmp_path: Path
) -> None:
    Render(tiny_scene.root, tmp_path / "out", two_cameras, three_lights, capture_light=True).run()
    names = tiny_scene.cameras().names[:2]
    expected = {f"{camera}__{light}.png" for camera in names for light in ("x", "y", "z", "capture")}
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == expected
    sizes = {read_image(path).shape for path in (tmp_path / "out").glob("*.png")}
    assert sizes == {(tiny_scene.height, tiny_scene.width, 3)}


def test_without_lights_the_capture_s_own_is_rendered(tiny_scene: Scene, two_cameras: Path, tmp_path: Path) -> None:
    Render(tiny_scene.root, tmp_path / "out", two_cameras).run()
    assert {p.name for p in (tmp_path / "out").glob("*.png")} == {
        f"{camera}__capture.png" for camera in tiny_scene.cameras().names[:2]
    }


def test_lights_in_the_camera_frame_turn_with_each_camera(tiny_scene: Scene, two_cameras: Path, tmp_path: Path) -> None:
    cameras = tiny_scene.cameras()
    save_lights(tmp_path / "camera.json", LightSet("camera", ("x", "y"), AXES[:2]))
    Render(tiny_scene.root, tmp_path / "camera", two_cameras, tmp_path / "camera.json").run()
    for index in range(2):
        directions = AXES[:2] @ cameras.camera_to_world[index, :3, :3].T
        save_lights(tmp_path / "world.json", LightSet("world", ("x", "y"), directions))
        Render(tiny_scene.root, tmp_path / f"world{index}", two_cameras, tmp_path / "world.json").run()
        for light in ("x", "y"):
            name = f"{cameras.names[index]}__{light}.png"
            ours, same = (read_image(tmp_path / folder / name) for folder in ("camera", f"world{index}"))
            np.testing.assert_allclose(ours.astype(int), same, atol=1)


def test_one_light_may_be_given_by_its_angles(
    tiny_scene: Scene, two_cameras: Path, three_lights: Path, tmp_path: Path
) -> None:
    Render(tiny_scene.root, tmp_path / "file", two_cameras, three_lights).run()
    Render(tiny_scene.root, tmp_path / "angles", two_cameras, light=("90,0",)).run()
    assert tiny_scene.world_up == (0.0, 0.0, 1.0)
    camera = tiny_scene.cameras().names[0]
    same = read_image(tmp_path / "file" / f"{camera}__y.png")
    np.testing.assert_allclose(read_image(tmp_path / "angles" / f"{camera}__az90_el0.png").astype(int), same, atol=1)


def test_pictures_of_a_stopped_run_stay_and_the_rest_are_the_same(
    tiny_scene: Scene, two_cameras: Path, three_lights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Render(tiny_scene.root, tmp_path / "whole", two_cameras, three_lights).run()
    with monkeypatch.context() as patch:
        stop_after(patch, scene_renderer, 4)
        with pytest.raises(KeyboardInterrupt):
            Render(tiny_scene.root, tmp_path / "stopped", two_cameras, three_lights).run()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "stopped").glob("*.png")}
    assert len(before) == 4
    Render(tiny_scene.root, tmp_path / "stopped", two_cameras, three_lights).run()
    assert {n: (tmp_path / "stopped" / n).stat().st_mtime_ns for n in before} == before
    assert _bytes(tmp_path / "stopped") == _bytes(tmp_path / "whole")


def test_a_video_stopped_at_any_time_becomes_the_same_video(
    tiny_scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"path": "orbit", "light": ("20,30",), "light_path": "sweep", "seconds": 0.5, "fps": 12}
    Render(tiny_scene.root, tmp_path / "whole.mp4", **arguments).run()
    for stop in (2, 3):
        with monkeypatch.context() as patch:
            stop_after(patch, scene_renderer, stop)
            with pytest.raises(KeyboardInterrupt):
                Render(tiny_scene.root, tmp_path / "stopped.mp4", **arguments).run()
        assert not (tmp_path / "stopped.mp4").exists()
    assert len(list((tmp_path / ".stopped.mp4.frames").glob("*.png"))) == 5
    Render(tiny_scene.root, tmp_path / "stopped.mp4", **arguments).run()
    assert (tmp_path / "stopped.mp4").read_bytes() == (tmp_path / "whole.mp4").read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {
        "whole.mp4", ".whole.mp4.json", "stopped.mp4", ".stopped.mp4.json"
    }  # fmt: skip


@pytest.mark.parametrize("path", ["orbit", "spiral", "capture", "stand"])
def test_a_video_has_the_length_rate_and_size_asked_for(tiny_scene: Scene, tmp_path: Path, path: str) -> None:
    Render(tiny_scene.root, tmp_path / "a.mp4", path=path, seconds=0.5, fps=10, width=40).run()
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.average_rate, stream.codec_context.width) == (5, 10, 40)


def test_a_sweeping_light_goes_once_around_a_standing_camera(tiny_scene: Scene, tmp_path: Path) -> None:
    common = {"path": "stand", "light": ("0,0",), "seconds": 0.4, "fps": 10}
    Render(tiny_scene.root, tmp_path / "sweep.gif", light_path="sweep", **common).run()
    with Image.open(tmp_path / "sweep.gif") as gif:
        frames = [np.asarray(gif.convert("RGB")).astype(int) for _ in _seek(gif)]
    assert len(frames) == 4
    assert all(np.abs(frames[i] - frames[0]).mean() > 1 for i in range(1, 4))


def test_a_file_of_cameras_is_a_path_with_a_frame_each(tiny_scene: Scene, two_cameras: Path, tmp_path: Path) -> None:
    Render(tiny_scene.root, tmp_path / "a.mp4", path=str(two_cameras), fps=5).run()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].frames == 2


def test_a_camera_path_saved_by_the_viewer_is_brought_into_the_capture_s_frame(
    tiny_scene: Scene, tmp_path: Path
) -> None:
    from relightnerf.field.dataparser import scene_frame

    cameras = tiny_scene.cameras()
    in_field = scene_frame(tiny_scene, cameras).poses(cameras.camera_to_world)
    entries = [{"camera_to_world": pose.ravel().tolist(), "fov": 40.0} for pose in in_field]
    size = {"render_width": 32, "render_height": 24}
    (tmp_path / "path.json").write_text(json.dumps({"camera_path": entries, **size}))
    back = cameras_from_file(tmp_path / "path.json", tiny_scene)
    np.testing.assert_allclose(back.camera_to_world, cameras.camera_to_world, atol=1e-6)


def test_a_complete_render_is_skipped_until_something_changes(
    tiny_scene: Scene, two_cameras: Path, three_lights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = Render(tiny_scene.root, tmp_path / "out", two_cameras, three_lights)
    job.run()
    job.run()
    assert capsys.readouterr().out.count("up to date, skipped") == 1
    save_lights(three_lights, LightSet("world", ("x", "y", "z"), AXES[::-1]))
    job.run()
    assert "skipped" not in capsys.readouterr().out


def test_other_files_in_the_folder_stay(
    tiny_scene: Scene, two_cameras: Path, three_lights: Path, tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "holiday.png").write_bytes(b"mine")
    Render(tiny_scene.root, tmp_path / "out", two_cameras, three_lights).run()
    Render(tiny_scene.root, tmp_path / "out", two_cameras, three_lights, force=True).run()
    assert (tmp_path / "out" / "holiday.png").read_bytes() == b"mine"


def test_an_unfitted_scene_is_named(tiny_scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(tiny_scene.capture, tmp_path / "capture")
    shutil.copy(tiny_scene.root / "scene.json", tmp_path)
    with pytest.raises(InputError, match="relightnerf fit"):
        Render(tmp_path, tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"light": ("45",)}, "--light 45"),
        ({"light": ("45,nan",)}, "--light 45,nan"),
        ({"light": ("0,91",)}, "--light 0,91"),
        ({"light": ("1,2",), "lights": Path("l.json")}, "--lights"),
        ({"light": ("1,2,3,4",)}, "--light 1,2,3,4"),
        ({"light": ("1,2,-3",)}, "--light 1,2,-3"),
        ({"point": ("1,2",)}, "--point 1,2"),
        ({"point": ("1,2,x",)}, "--point 1,2,x"),
        ({"envmap": Path("sky.exr"), "lights": Path("l.json")}, "--envmap"),
        ({"samples": 0}, "--samples"),
        ({"intensity": -1.0}, "--intensity"),
        ({"light_path": "sweep"}, "--light-path"),
        ({"output": Path("a.mp4")}, "--path"),
        ({"path": "orbit", "output": Path("a.avi")}, "a.avi"),
        ({"path": "orbit", "output": Path("folder")}, ".mp4"),
        ({"path": "orbit", "output": Path("a.mp4"), "format": "gif"}, "a.mp4"),
        ({"path": "orbit", "output": Path("a.mp4"), "format": "png"}, "a.mp4"),
        ({"path": "orbit", "output": Path("a.png")}, "a.png"),
        ({"path": "orbit", "light_path": "nowhere"}, "--light-path nowhere"),
        ({"path": "orbit", "light_path": __file__, "light": ("1,2",)}, "brings its own lights"),
        ({"path": "orbit", "capture_light": True}, "--capture-light"),
        ({"view": Path("v.json"), "light": ("1,2",)}, "--view v.json"),
        ({"view": Path("v.json"), "layout": "grid"}, "--view v.json"),
        ({"format": "exr", "labels": True}, "--format exr"),
        ({"format": "mp4"}, "--path"),
        ({"output": Path("a.png")}, "give a folder".capitalize()),
        ({"columns": 0}, "--columns"),
        ({"path": "orbit", "cameras": Path("c.json")}, "--cameras"),
        ({"path": "orbit", "seconds": 0.0}, "--seconds"),
        ({"path": "orbit", "fps": 0}, "--fps"),
        ({"width": -1}, "--width"),
    ],
)
def test_flags_that_do_not_go_together_are_named(flags: dict, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)):
        Render(Path("absent"), **flags).run()


def test_light_angles_are_read_with_signs_fractions_and_factors() -> None:
    for text, angles, color in (
        ("-45,30.5", (-45.0, 30.5), [1, 1, 1]),
        (" 400 , -90,0.5", (400.0, -90.0), [0.5, 0.5, 0.5]),
        ("1,2,1,0.5,0", (1.0, 2.0), [1, 0.5, 0]),
    ):
        read = parse_light(text)
        assert read[0] == angles
        np.testing.assert_array_equal(read[1], color)


def test_several_lights_a_lamp_and_a_map_light_one_picture(
    tiny_scene: Scene, two_cameras: Path, tmp_path: Path
) -> None:
    write_hdr(tmp_path / "sky.exr", np.full((8, 16, 3), 0.1, np.float32))
    lights = {"light": ("90,0,0.2", "0,45,0.1,0,0"), "point": ("0,0,2,0.1",), "envmap": tmp_path / "sky.exr"}
    for name, flags in {"all": lights, **{key: {key: value} for key, value in lights.items()}}.items():
        Render(tiny_scene.root, tmp_path / name, two_cameras, samples=8, **flags).run()
    camera = tiny_scene.cameras().names[0]
    pictures = {path.parent.name: path for path in tmp_path.glob(f"*/{camera}__*.png")}
    assert pictures["all"].name == f"{camera}__az90_el0+az0_el45+point_0_0_2+sky.png"
    parts = sum(srgb_to_linear(to_float(read_image(pictures[name]))) for name in lights)
    assert parts.max() < 1.0
    np.testing.assert_allclose(srgb_to_linear(to_float(read_image(pictures["all"]))), parts, atol=0.015)


def test_an_unreadable_environment_map_is_named(tiny_scene: Scene, two_cameras: Path, tmp_path: Path) -> None:
    (tmp_path / "sky.hdr").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"sky\.hdr"):
        Render(tiny_scene.root, tmp_path / "out", two_cameras, envmap=tmp_path / "sky.hdr").run()


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.glob("*.png")}


def _seek(gif: Image.Image):
    for index in range(gif.n_frames):
        gif.seek(index)
        yield index
