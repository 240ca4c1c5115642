"""Saved views, light paths, layouts and formats of rendered files, of a scene that the real stages have made."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from relightnerf.errors import InputError
from relightnerf.field.renderer import FieldRenderer
from relightnerf.imaging.color import linear_to_srgb, to_float
from relightnerf.io.hdr import read_hdr
from relightnerf.io.images import read_image
from relightnerf.lights import Lighting, LightSet, direction_from_angles, save_lights
from relightnerf.pipeline.render import Render
from relightnerf.render.saved_views import SavedView, save_keyframes, save_view
from relightnerf.scene import Scene

AXES = np.eye(3)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The poses for which the field is passed."""
    seen, features = [], FieldRenderer.features

    def counted(self: FieldRenderer, camera):
        seen.append(camera.camera_to_world.tobytes())
        return features(self, camera)

    monkeypatch.setattr(FieldRenderer, "features", counted)
    return seen


@pytest.fixture
def three_lights(tmp_path: Path) -> Path:
    """The file of lights along the world's axes."""
    save_lights(tmp_path / "lights.json", LightSet("world", ("x", "y", "z"), AXES))
    return tmp_path / "lights.json"


def _frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_a_saved_view_is_the_picture_of_its_camera_and_light(tiny_scene: Scene, tmp_path: Path) -> None:
    camera = tiny_scene.cameras()[2]
    save_view(tmp_path / "v.json", SavedView(camera, Lighting.directional(direction_from_angles(90.0, 20.0))))
    Render(tiny_scene.root, tmp_path / "v.png", view=tmp_path / "v.json").run()
    Render(tiny_scene.root, tmp_path / "out", tmp_path / "v.json", light=("90,20",)).run()
    same = read_image(tmp_path / "out" / f"{camera.name}__az90_el20.png")
    np.testing.assert_array_equal(read_image(tmp_path / "v.png"), same)


def test_keyframes_become_a_video_that_passes_them_and_the_field_once_where_the_camera_stands(
    tiny_scene: Scene, tmp_path: Path, passes: list[bytes]
) -> None:
    cameras, light = tiny_scene.cameras(), Lighting.directional(direction_from_angles(0.0, 40.0), (1.0, 0.5, 0.2))
    views = [SavedView(cameras[0], None), SavedView(cameras[0], light), SavedView(cameras[1], light)]
    save_keyframes(tmp_path / "k.json", views, seconds=0.9)
    Render(tiny_scene.root, tmp_path / "k", view=tmp_path / "k.json", fps=10, format="png", gray_ball=True).run()
    files = sorted((tmp_path / "k").glob("*.png"))
    assert [file.name for file in files] == [f"{i:05d}.png" for i in range(9)]
    assert len(passes) == 5
    Render(tiny_scene.root, tmp_path / "first", tmp_path / "k.json").run()
    first = read_image(tmp_path / "first" / "00000__capture.png")
    np.testing.assert_array_equal(read_image(files[0]), first)
    redness = [float(np.subtract(*to_float(read_image(file)).mean((0, 1))[[0, 2]])) for file in files[:5]]
    assert (np.diff(redness) > 0).all()


def test_a_path_of_saved_keyframes_takes_only_their_cameras(tiny_scene: Scene, tmp_path: Path) -> None:
    cameras = tiny_scene.cameras()
    save_keyframes(tmp_path / "k.json", [SavedView(cameras[i], None) for i in (0, 1)], seconds=0.3)
    Render(tiny_scene.root, tmp_path / "a.mp4", path=str(tmp_path / "k.json"), light=("0,30",), fps=10).run()
    assert len(_frames(tmp_path / "a.mp4")) == 3


def test_a_standing_camera_passes_the_field_once_and_circle_is_sweep(
    tiny_scene: Scene, tmp_path: Path, passes: list[bytes]
) -> None:
    name = tiny_scene.cameras().names[3]
    for light_path in ("circle", "sweep"):
        Render(tiny_scene.root, tmp_path / f"{light_path}.mp4", path=name, light_path=light_path, seconds=0.5).run()
    assert passes == [tiny_scene.cameras()[3].camera_to_world.tobytes()] * 2
    assert (tmp_path / "circle.mp4").read_bytes() == (tmp_path / "sweep.mp4").read_bytes()
    assert len(_frames(tmp_path / "circle.mp4")) == 12


def test_a_list_of_lights_is_passed_in_order(tiny_scene: Scene, three_lights: Path, tmp_path: Path) -> None:
    name, light_path = tiny_scene.cameras().names[0], str(three_lights)
    common = {"path": name, "fps": 10, "format": "png"}
    Render(tiny_scene.root, tmp_path / "few", light_path=light_path, seconds=0.3, **common).run()
    Render(tiny_scene.root, tmp_path / "arc", light_path="arc", light=("0,0", "90,0"), seconds=0.2, **common).run()
    for i in range(2):
        ours, same = (read_image(tmp_path / folder / f"{i:05d}.png") for folder in ("few", "arc"))
        np.testing.assert_allclose(ours.astype(int), same, atol=1)


def test_exr_holds_the_linear_values_of_the_png_and_more(tiny_scene: Scene, tmp_path: Path) -> None:
    for kind in ("png", "exr"):
        common = {"path": tiny_scene.cameras().names[0], "format": kind, "fps": 1, "seconds": 1.0}
        Render(tiny_scene.root, tmp_path / kind, light=("0,60",), layout="compare", **common).run()
        Render(tiny_scene.root, tmp_path / f"bright_{kind}", light=("0,60,9",), **common).run()
    linear = read_hdr(tmp_path / "exr" / "00000.exr")
    encoded = to_float(read_image(tmp_path / "png" / "00000.png"))
    np.testing.assert_allclose(linear_to_srgb(linear), encoded, atol=0.5 / 255 + 1e-4)
    assert read_hdr(tmp_path / "bright_exr" / "00000.exr").max() > 1.0


def test_panels_are_the_single_pictures(tiny_scene: Scene, three_lights: Path, tmp_path: Path) -> None:
    scene, width = tiny_scene, tiny_scene.width
    cameras = tmp_path / "v.json"
    save_view(cameras, SavedView(scene.cameras()[1], None))
    for layout in ("single", "compare", "photo", "grid"):
        Render(scene.root, tmp_path / layout, cameras, three_lights, capture_light=True, layout=layout, columns=4).run()
    name = scene.cameras().names[1]
    single = {light: read_image(tmp_path / "single" / f"{name}__{light}.png") for light in ("x", "y", "z", "capture")}
    for light, picture in single.items():
        compared, beside = (read_image(tmp_path / f / f"{name}__{light}.png") for f in ("compare", "photo"))
        for sheet in (compared, beside):
            np.testing.assert_array_equal(sheet[:, -width:], picture)
        np.testing.assert_array_equal(compared[:, :width], single["capture"])
        np.testing.assert_array_equal(beside[:, :width], read_image(scene.image_path(name)))
    grid = read_image(tmp_path / "grid" / f"{name}__grid.png")
    for index, picture in enumerate(single.values()):
        np.testing.assert_array_equal(grid[:, index * (width + 4) :][:, :width], picture)


def test_a_photo_beside_needs_a_camera_of_the_capture(tiny_scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--path NAME"):
        Render(tiny_scene.root, tmp_path / "a.mp4", path="orbit", layout="photo").run()


def test_a_grid_video_moves_every_light_of_its_own(tiny_scene: Scene, three_lights: Path, tmp_path: Path) -> None:
    flags = {"layout": "grid", "light_path": "circle", "seconds": 0.3, "fps": 10, "labels": True, "gray_ball": True}
    Render(tiny_scene.root, tmp_path / "a.mp4", lights=three_lights, path="stand", capture_light=True, **flags).run()
    Render(tiny_scene.root, tmp_path / "b.mp4", path="stand", light=("0,30", "90,30"), **flags).run()
    height, width = tiny_scene.height, tiny_scene.width
    assert [frame.shape[:2] for frame in _frames(tmp_path / "a.mp4")] == [(2 * height + 4, 2 * width + 4)] * 3
    assert [frame.shape[:2] for frame in _frames(tmp_path / "b.mp4")] == [(height, 2 * width + 4)] * 3


def test_a_shorter_sequence_replaces_a_longer_one_and_nothing_else(tiny_scene: Scene, tmp_path: Path) -> None:
    flags = {"path": "stand", "format": "png", "fps": 5}
    Render(tiny_scene.root, tmp_path / "out", seconds=0.8, **flags).run()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    Render(tiny_scene.root, tmp_path / "out", seconds=0.4, **flags).run()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "00000.png", "00001.png", "manifest.json", "notes.txt"
    }  # fmt: skip
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "00000.png").write_bytes(b"mine")
    with pytest.raises(InputError, match="no sequence"):
        Render(tiny_scene.root, tmp_path / "other", seconds=0.4, **flags).run()
    assert (tmp_path / "other" / "00000.png").read_bytes() == b"mine"


@pytest.mark.parametrize("suffix", [".mp4", ""])
def test_a_killed_render_goes_on_and_gives_the_same_bytes(tiny_scene: Scene, tmp_path: Path, suffix: str) -> None:
    flags = {"path": "orbit", "light": ("20,30",), "light_path": "circle", "seconds": 3.0, "fps": 20}
    flags |= {} if suffix else {"format": "png"}
    killed, whole = tmp_path / f"killed{suffix}", tmp_path / f"whole{suffix}"
    frames = tmp_path / f".{killed.name}.frames" if suffix else killed
    text = [f"--{name.replace('_', '-')}={value}" for name, value in {**flags, "light": "20,30"}.items()]
    command = [sys.executable, "-m", "relightnerf", "render", f"--scene={tiny_scene.root}", f"--output={killed}", *text]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while len(list(frames.glob("0*.png"))) < 5 and process.poll() is None:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
    done = {path.name: path.stat().st_mtime_ns for path in frames.glob("0*.png")}
    assert 5 <= len(done) < 60
    Render(tiny_scene.root, killed, **flags).run()
    Render(tiny_scene.root, whole, **flags).run()
    if suffix:
        assert killed.read_bytes() == whole.read_bytes()
        assert len(_frames(killed)) == 60
    else:
        assert all((killed / name).stat().st_mtime_ns == at for name, at in done.items())
        ours, same = ({path.name: path.read_bytes() for path in f.glob("*.png")} for f in (killed, whole))
        assert len(ours) == 60
        assert ours == same
