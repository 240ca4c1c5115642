"""prepare: what it writes, that it resumes with the same bytes, and what it refuses before it clears anything."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relightnerf.cameras import load_cameras
from relightnerf.errors import InputError
from relightnerf.io.images import read_mask
from relightnerf.pipeline.prepare import Prepare
from relightnerf.scene import Scene

K = {"fl_x": 90.0, "fl_y": 91.0, "cx": 50.0, "cy": 40.0, "k1": -0.2, "k2": 0.05, "p1": 0.001, "p2": -0.002}


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A nerfstudio dataset of five pictures of 96x72 through a barrel lens, one with a mask."""
    random, frames = np.random.default_rng(0), []
    (tmp_path / "data" / "images").mkdir(parents=True)
    for index in range(5):
        coarse = Image.fromarray(random.integers(0, 255, (9, 12, 3), dtype=np.uint8))
        coarse.resize((96, 72)).save(tmp_path / "data" / "images" / f"f__{index}.jpg")
        pose = np.eye(4)
        pose[:3, 3] = random.normal(size=3)
        frames.append({"file_path": f"images/f__{index}.jpg", "transform_matrix": pose.tolist()})
    mask = np.zeros((72, 96), dtype=np.uint8)
    mask[:, 48:] = 255
    (tmp_path / "data" / "masks").mkdir()
    Image.fromarray(mask).save(tmp_path / "data" / "masks" / "f__2.png")
    (tmp_path / "data" / "transforms.json").write_text(json.dumps({"w": 96, "h": 72, **K, "frames": frames}))
    return tmp_path / "data"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name != "manifest.json"}  # fmt: skip


def test_what_it_writes(capture: Path, tmp_path: Path) -> None:
    Prepare(capture, tmp_path / "scene", max_size=48).run()
    scene = Scene.load(tmp_path / "scene")
    cameras = load_cameras(scene.capture / "transforms.json")
    assert cameras.names == tuple(f"f_{index}" for index in range(5))
    assert (scene.width, scene.height, scene.name, scene.source) == (48, 36, "scene", str(capture))
    assert sorted(p.name for p in scene.capture.iterdir()) == ["images", "manifest.json", "masks", "transforms.json"]
    assert {Image.open(scene.image_path(name)).size for name in cameras.names} == {(48, 36)}
    mask = np.asarray(Image.open(scene.capture / "masks" / "f_2.png"))
    assert set(np.unique(mask)) == {0, 255}
    assert mask[:, :20].max() == 0
    assert mask[:, 28:].min() == 255
    assert len(list((scene.capture / "masks").iterdir())) == 1


@pytest.mark.parametrize("white", [1, 127, 255])
def test_any_value_above_0_of_a_mask_is_use(white: int, capture: Path, tmp_path: Path) -> None:
    Prepare(capture, tmp_path / "before", max_size=48).run()
    path = capture / "masks" / "f__2.png"
    mask = np.asarray(Image.open(path))
    Image.fromarray(np.where(mask, white, 0).astype(np.uint8)).save(path)
    Prepare(capture, tmp_path / "scene", max_size=48).run()
    assert _bytes(tmp_path / "scene" / "capture") == _bytes(tmp_path / "before" / "capture")
    assert Prepare(capture, tmp_path / "scene", max_size=48).stage().version == 2
    path.unlink()
    assert Prepare(capture, tmp_path / "scene", max_size=48).stage().version == 1


def test_black_of_a_jpeg_is_not_use(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[:, 29:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.jpg", quality=60)
    assert np.asarray(Image.open(tmp_path / "mask.jpg"))[:, :29].max() > 0
    assert np.array_equal(read_mask(tmp_path / "mask.jpg"), mask > 0)


def test_masks_that_leave_out_all(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("L", (96, 72)).save(capture / "masks" / "f__2.png")
    Prepare(capture, tmp_path / "scene", max_size=48).run()
    assert "masks leave out every pixel of 1 of 5 photos (the first: f_2)" in capsys.readouterr().out
    for index in range(5):
        Image.new("L", (96, 72)).save(capture / "masks" / f"f__{index}.png")
    with pytest.raises(InputError, match=r"f__0.png: leaves out every pixel, as all masks do"):
        Prepare(capture, tmp_path / "scene", max_size=48).run()


def test_sizes_by_preset_never_enlarge(capture: Path, tmp_path: Path) -> None:
    Prepare(capture, tmp_path / "scene", "full").run()
    assert Scene.load(tmp_path / "scene").width == 96
    assert Prepare(capture, tmp_path, "quick")._size() == 256
    assert Prepare(capture, tmp_path, "full")._size() == 768


def test_a_second_run_is_skipped(capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Prepare(capture, tmp_path / "scene").run()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "scene").rglob("*")}
    Prepare(capture, tmp_path / "scene").run()
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "scene").rglob("*")} == before
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize("after", [0, 2, 5])
def test_a_resumed_run_equals_an_uninterrupted_one(
    after: int, capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relightnerf.capture import _prepared

    Prepare(capture, tmp_path / "whole").run()
    written = 0
    write = _prepared._write_photo

    def killed(*args: object) -> None:
        nonlocal written
        if written == after:
            raise KeyboardInterrupt
        written += 1
        write(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(_prepared, "_write_photo", killed)
        patch.setattr(_prepared, "save_cameras", lambda *args, **kwargs: killed())
        Prepare(capture, tmp_path / "resumed").run()
    assert not (tmp_path / "resumed" / "scene.json").exists()
    Prepare(capture, tmp_path / "resumed").run()
    assert _bytes(tmp_path / "resumed" / "capture") == _bytes(tmp_path / "whole" / "capture")
    assert Scene.load(tmp_path / "resumed").world_up == Scene.load(tmp_path / "whole").world_up


def test_scene_json_comes_back(capture: Path, tmp_path: Path) -> None:
    Prepare(capture, tmp_path / "scene").run()
    before = (tmp_path / "scene" / "scene.json").read_bytes()
    (tmp_path / "scene" / "scene.json").unlink()
    Prepare(capture, tmp_path / "scene").run()
    assert (tmp_path / "scene" / "scene.json").read_bytes() == before


def _refused(what: str) -> Callable[..., None]:
    def run(*args: object, **kwargs: object) -> None:
        with pytest.raises(InputError, match=what) as caught:
            Prepare(*args, **kwargs).run()  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

    return run


def test_a_broken_capture_leaves_the_scene_as_it_is(capture: Path, tmp_path: Path) -> None:
    Prepare(capture, tmp_path / "scene").run()
    before = _bytes(tmp_path / "scene")
    (capture / "images" / "f__3.jpg").write_text("broken")
    _refused("f__3.jpg: cannot be read as an image")(capture, tmp_path / "scene")
    _refused("f__3.jpg: cannot be read as an image")(capture, tmp_path / "scene", force=True)
    assert _bytes(tmp_path / "scene") == before


def test_captures_that_are_refused(capture: Path, tmp_path: Path) -> None:
    _refused("no such file or folder")(tmp_path / "absent", tmp_path / "scene")
    (tmp_path / "empty").mkdir()
    _refused("an empty folder")(tmp_path / "empty", tmp_path / "scene")
    _refused("max-size 8: too small")(capture, tmp_path / "scene", max_size=8)
    _refused("max-views 1: too few")(capture, tmp_path / "scene", max_views=1)
    assert not (tmp_path / "scene").exists()


def test_a_capture_in_the_folder_that_is_written(capture: Path, tmp_path: Path) -> None:
    inside = tmp_path / "scene" / "capture"
    inside.parent.mkdir()
    capture.rename(inside)
    before = _bytes(inside)
    _refused("lies in the folder")(inside, tmp_path / "scene")
    _refused("lies in the folder")(inside / "images", tmp_path / "scene")
    assert _bytes(inside) == before


def test_a_scene_of_another_version(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "scene").mkdir()
    (tmp_path / "scene" / "scene.json").write_text('{"format": 99}')
    _refused("format 99, made by a newer version")(capture, tmp_path / "scene")
    assert not (tmp_path / "scene" / "capture").exists()


def test_an_unwritable_scene_folder(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    _refused("cannot be written")(capture, tmp_path / "file")
    _refused("cannot be written")(capture, tmp_path / "file" / "scene")
