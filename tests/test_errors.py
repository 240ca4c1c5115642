"""What users get wrong: one clear line that names it, exit code 2, and nothing that was computed is lost."""

import json
import os
import pickle
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from relightnerf.cameras import Cameras, save_cameras
from relightnerf.cameras.paths import look_at
from relightnerf.cli import main
from relightnerf.errors import InputError
from relightnerf.io.files import file_digest, read_json, write_json
from relightnerf.io.images import write_array, write_image
from relightnerf.lights import LightSet, save_lights
from relightnerf.scene import Scene

ROOT = Path(__file__).parents[1]
VIEWS, LIGHTS = ("a", "b"), ("left", "right")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Two photos of a wall, relit but for real, and an empty file in place of a field."""
    scene = Scene(tmp_path / "scene", "box", "nowhere", (0.0, 0.0, 1.0), 32, 24)
    scene.save()
    poses = np.array([look_at(np.array([3.0, y, 1.0]), np.zeros(3), scene.world_up) for y in (0.0, 1.0)])
    save_cameras(scene.capture / "transforms.json", Cameras(VIEWS, poses, np.tile([30.0, 30, 16, 12], (2, 1)), 32, 24))
    noise = np.random.default_rng(0)
    for view in VIEWS:
        write_image(scene.image_path(view), noise.integers(0, 255, (24, 32, 3), np.uint8))
        write_array(scene.depth_path(view), np.full((24, 32), 3.0))
        write_array(scene.normal_path(view), np.tile([0.0, 0.0, 1.0], (24, 32, 1)))
        for light in LIGHTS:
            write_image(scene.relit("compact") / f"{view}__{light}.png", noise.integers(0, 255, (24, 32, 3), np.uint8))
    save_lights(scene.relit("compact") / "lights.json", LightSet("camera", LIGHTS, np.eye(3)[:2]))
    (scene.field / "run").mkdir(parents=True)
    (scene.field / "run" / "step-000000001.ckpt").touch()
    write_json(scene.field / "manifest.json", {"stage": "fit"})
    return scene


@pytest.fixture
def fails(scene: Scene, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., str]]:
    """Run a command that must end with one line and code 2; afterwards the scene's files must be as before."""
    before = _files(scene.root)

    def run(*arguments: object) -> str:
        nonlocal before
        before = _files(scene.root)
        code = main([str(argument) for argument in arguments])
        return _one_line(code, capsys.readouterr().err)

    yield run
    assert _files(scene.root) == before


def test_no_scene(fails: Callable[..., str], tmp_path: Path) -> None:
    assert "relightnerf prepare" in fails("match", "--scene", tmp_path / "absent")


@pytest.mark.parametrize("command", ["geometry", "synthesize", "match", "fit", "render", "evaluate", "view"])
def test_a_scene_folder_of_another_version(fails: Callable[..., str], scene: Scene, command: str) -> None:
    write_json(scene.root / "scene.json", {**read_json(scene.root / "scene.json"), "format": 99})
    line = fails(command, "--scene", scene.root)
    assert "scene.json" in line and "99" in line


def test_run_does_not_touch_a_scene_folder_of_another_version(fails: Callable[..., str], scene: Scene) -> None:
    write_json(scene.root / "scene.json", {**read_json(scene.root / "scene.json"), "format": 99})
    assert "99" in fails("run", "--capture", scene.capture, "--scene", scene.root)


def test_a_broken_scene_file(fails: Callable[..., str], scene: Scene) -> None:
    (scene.root / "scene.json").write_text('{"format": 1')
    assert "not valid JSON" in fails("match", "--scene", scene.root)


@pytest.mark.parametrize("value", ["up", [0, 0], [0, 0, float("nan")], [0, 0, 0]])
def test_a_scene_file_with_a_wrong_value(fails: Callable[..., str], scene: Scene, value: object) -> None:
    write_json(scene.root / "scene.json", {**read_json(scene.root / "scene.json"), "world_up": value})
    assert "world_up: direction" in fails("match", "--scene", scene.root)


def test_an_absent_capture_is_found_before_anything_starts(fails: Callable[..., str], tmp_path: Path) -> None:
    assert "no such capture" in fails("run", "--capture", tmp_path / "absent", "--scene", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photos."""
    for index in range(3):
        write_image(tmp_path / "photos" / f"{index}.png", np.full((48, 64, 3), 60 * index, np.uint8))
    return tmp_path / "photos"


def _keep_one(folder: Path) -> None:
    for name in ("0.png", "2.png"):
        (folder / name).unlink()


PHOTO_FAULTS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "absent": (shutil.rmtree, ("photos: no such file or folder",)),
    "empty": (lambda folder: [path.unlink() for path in folder.iterdir()], ("photos: an empty folder",)),
    "one": (_keep_one, ("photos: only one photo",)),
    "unreadable": (lambda folder: (folder / "1.png").write_text("broken"), ("1.png: cannot be read as an image",)),
    "cut off": (
        lambda folder: (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60]),
        ("1.png: cannot be read as an image",),
    ),
    "mixed sizes": (lambda folder: write_image(folder / "1.png", np.zeros((40, 64, 3), np.uint8)), ("1.png", "64x40")),
    "of text": (lambda folder: [path.rename(path.with_suffix(".txt")) for path in folder.iterdir()], ("photos",)),
}


@pytest.mark.parametrize("fault", PHOTO_FAULTS)
def test_photos_that_cannot_be_used(fails: Callable[..., str], photos: Path, tmp_path: Path, fault: str) -> None:
    spoil, expected = PHOTO_FAULTS[fault]
    spoil(photos)
    line = fails("prepare", "--capture", photos, "--scene", tmp_path / "new")
    assert all(text in line for text in expected), line
    assert not (tmp_path / "new" / "scene.json").exists()


DATASET_FAULTS: dict[str, tuple[Callable[[dict], object], tuple[str, ...]]] = {
    "no frames": (lambda content: content.pop("frames"), ("transforms.json", "frames")),
    "empty frames": (lambda content: content["frames"].clear(), ("transforms.json", "frames")),
    "no focal length": (lambda content: content["frames"][1].pop("fl_x"), ("transforms.json: frame 1", "fl_x")),
    "no pose": (lambda content: content["frames"][1].pop("transform_matrix"), ("frame 1", "transform_matrix")),
    "no file": (lambda content: content["frames"][1].pop("file_path"), ("frame 1", "file_path")),
    "a pose that is no number": (
        lambda content: content["frames"][1]["transform_matrix"][0].__setitem__(3, float("nan")),
        ("frame 1", "pose"),
    ),
    "a file that is absent": (
        lambda content: content["frames"][1].update(file_path="images/gone.png"),
        ("gone.png",),
    ),
}


@pytest.mark.parametrize("fault", DATASET_FAULTS)
def test_a_dataset_that_cannot_be_used(fails: Callable[..., str], scene: Scene, tmp_path: Path, fault: str) -> None:
    shutil.copytree(scene.capture, tmp_path / "dataset")
    content = read_json(tmp_path / "dataset" / "transforms.json")
    spoil, expected = DATASET_FAULTS[fault]
    spoil(content)
    (tmp_path / "dataset" / "transforms.json").write_text(json.dumps(content))
    line = fails("prepare", "--capture", tmp_path / "dataset", "--scene", tmp_path / "new")
    assert all(text in line for text in expected), line
    assert not (tmp_path / "new" / "scene.json").exists()


@pytest.mark.parametrize("picture", ["capture/images/b.png", "relit/compact/b__right.png"])
def test_a_picture_that_broke_later_is_found_before_anything_is_cleared(
    fails: Callable[..., str], scene: Scene, picture: str
) -> None:
    assert main(["match", "--scene", str(scene.root)]) == 0
    path = scene.root / picture
    path.write_bytes(path.read_bytes()[:200])
    assert f"{picture}: cannot be read as an image" in fails("match", "--scene", scene.root)
    write_image(path, np.zeros((20, 32, 3), np.uint8))
    assert "another size" in fails("match", "--scene", scene.root)


@pytest.mark.parametrize("command", ["run", "synthesize"])
def test_an_unknown_relighter(fails: Callable[..., str], scene: Scene, command: str) -> None:
    capture = ["--capture", scene.capture] if command == "run" else []
    assert "sunlamp" in fails(command, *capture, "--scene", scene.root, "--relighter", "sunlamp")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
@pytest.mark.parametrize("command", ["run", "geometry", "synthesize", "fit", "render", "evaluate", "view"])
def test_cuda_that_is_absent(fails: Callable[..., str], scene: Scene, command: str) -> None:
    capture = ["--capture", scene.capture] if command == "run" else []
    assert "--device cuda" in fails(command, *capture, "--scene", scene.root, "--device", "cuda")


def test_a_port_in_use(fails: Callable[..., str], scene: Scene) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        line = fails("view", "--scene", scene.root, "--port", port)
    assert f"--port {port}" in line and f"--port {port + 1}" in line


@pytest.mark.parametrize("flags", [["--port", "0"], ["--port", "70000"], ["--host", "203.0.113.1"]])
def test_an_address_that_cannot_be_listened_on(fails: Callable[..., str], scene: Scene, flags: list[str]) -> None:
    assert "--port" in fails("view", "--scene", scene.root, *flags)


def test_a_light_of_zero_length(fails: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    content = {"frame": "world", "lights": [{"name": "dark", "direction": [0, 0, 0]}]}
    (tmp_path / "lights.json").write_text(json.dumps(content))
    line = fails("render", "--scene", scene.root, "--lights", tmp_path / "lights.json", "--output", tmp_path / "out")
    assert "lights.json" in line and "'dark'" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("key", "value"), [("fl_x", None), ("transform_matrix", None), ("fl_x", float("nan"))])
def test_a_camera_file_with_a_hole(
    fails: Callable[..., str], scene: Scene, tmp_path: Path, key: str, value: float | None
) -> None:
    content = read_json(scene.capture / "transforms.json")
    content["frames"][1].update({key: value}) if value else content["frames"][1].pop(key)
    (tmp_path / "cams.json").write_text(json.dumps(content))
    line = fails("render", "--scene", scene.root, "--cameras", tmp_path / "cams.json", "--output", tmp_path / "out")
    assert "cams.json: frame 1" in line
    assert not (tmp_path / "out").exists()


def test_a_scene_that_was_not_fitted(fails: Callable[..., str], scene: Scene) -> None:
    (scene.field / "manifest.json").unlink()
    for command in ("render", "evaluate", "view"):
        assert "relightnerf fit" in fails(command, "--scene", scene.root)


def test_a_file_in_place_of_the_output_folder(fails: Callable[..., str], scene: Scene, tmp_path: Path) -> None:
    scene.matched.write_text("in the way")
    assert "matched: cannot be written" in fails("match", "--scene", scene.root)
    (tmp_path / "out").write_text("in the way")
    assert "out: cannot be written" in fails("render", "--scene", scene.root, "--output", tmp_path / "out")


def test_a_folder_that_cannot_be_made(fails: Callable[..., str], scene: Scene) -> None:
    assert "/proc/out" in fails("render", "--scene", scene.root, "--output", "/proc/out")


def test_a_disk_that_is_full_loses_nothing_and_the_same_command_goes_on(scene: Scene) -> None:
    flat = np.full((24, 32, 3), 128, np.uint8)  # the first view's files are small, the second view's are not
    for path in (scene.image_path("a"), *(scene.relit("compact") / f"a__{light}.png" for light in LIGHTS)):
        write_image(path, flat)
    before = _files(scene.root)
    command = ["match", "--scene", scene.root, "--no-consistency"]
    result = _process(command, file_limit=2000)
    line = _one_line(result.returncode, result.stderr)
    assert "no space left" in line and str(scene.root) in line
    assert {name: digest for name, digest in _files(scene.root).items() if not name.startswith("matched")} == before
    assert len(list(scene.matched.glob("a__*.png"))) == len(LIGHTS)
    result = _process(command)
    assert (result.returncode, result.stderr) == (0, "")
    assert "going on where it stopped" in result.stdout
    assert len(list(scene.matched.glob("*.png"))) == len(VIEWS) * len(LIGHTS)


def test_a_full_file_system(scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene.matched.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", scene.matched]
    mounted = subprocess.run(mount, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        line = _one_line(main(["match", "--scene", str(scene.root)]), capsys.readouterr().err)
    finally:
        subprocess.run(["umount", scene.matched], check=True)
    assert "no space left" in line


def _process(arguments: list[object], file_limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        if file_limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))

    command = [sys.executable, "-B", "-m", "relightnerf", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, preexec_fn=limited, timeout=120
    )


def _one_line(code: int, printed: str) -> str:
    assert code == 2, printed
    assert printed.startswith("error: ")
    assert printed.count("\n") == 1
    return printed


def _files(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): file_digest(p) for p in sorted(root.rglob("*")) if p.is_file()}


def test_it_comes_whole_out_of_another_process() -> None:
    error = pickle.loads(pickle.dumps(InputError("a.png: broken", "replace it")))
    assert (str(error), error.what, error.fix) == ("a.png: broken. Replace it.", "a.png: broken", "replace it")
