"""Each of the examples runs, on a tiny scene, and does what it says."""

import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tyro

from relightnerf.imaging.color import srgb_to_linear, to_float
from relightnerf.io.hdr import write_hdr
from relightnerf.io.images import read_image
from relightnerf.lights import angles_from_direction, fit_ball_direction
from relightnerf.pipeline.match import Match
from relightnerf.scene import Scene

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def _run(number: int, *arguments: object) -> None:
    main = runpy.run_path(str(EXAMPLES[number - 1]))["main"]
    tyro.cli(main, args=[str(argument) for argument in arguments])


def test_examples_are_numbered_and_short() -> None:
    assert [path.name[:3] for path in EXAMPLES] == [f"{number:02d}_" for number in range(1, len(EXAMPLES) + 1)]
    assert all(len(path.read_text().splitlines()) <= 60 for path in EXAMPLES)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_tells_its_flags(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tyro.cli(runpy.run_path(str(path))["main"], args=["--help"])
    assert "--" in capsys.readouterr().out
    assert f"python examples/{path.name}" in path.read_text()


def test_light_directions(tmp_path: Path) -> None:
    ball = tmp_path / "ball.png"
    command = [sys.executable, EXAMPLES[0], "--azimuth-deg", "-40", "--elevation-deg", "25", "--output", ball]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert "camera: towards the light [-0.583  0.423  0.694]" in printed
    seen = fit_ball_direction(srgb_to_linear(to_float(read_image(ball))), np.hypot(*np.mgrid[-63.5:64, -63.5:64]) < 63)
    assert np.allclose(angles_from_direction(seen, "camera"), (-40.0, 25.0), atol=3.0)


def test_scene_and_cameras(tiny_scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    _run(2, "--scene", tiny_scene.root, "--view", 3)
    printed = capsys.readouterr().out
    assert "8 views of 32x24, up is (0.0, 0.0, 1.0)" in printed
    assert "v0: at [3.  0.  1.2], looks along [-0.97" in printed
    assert "right of v3" in printed


@pytest.mark.parametrize("relighter", ["compact", "shading"])
def test_relight_a_photo(tmp_path: Path, relighter: str) -> None:
    _run(3, "--output", tmp_path / "relit.png", "--relighter", relighter, "--size", 64)
    sheet = to_float(read_image(tmp_path / "relit.png"))
    photo, right, _ = (sheet[20:84, start : start + 64] for start in (4, 72, 140))
    assert _pull(photo) < -0.02 < 0.02 < _pull(right)


def _pull(picture: np.ndarray) -> float:
    """Return by how much a picture's ball is brighter on its right than on its left."""
    ball = picture.mean(axis=-1)[20:40, 20:44]
    return float(ball[:, 12:].mean() - ball[:, :12].mean())


def test_render_under_lights(tiny_scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(4, "--scene", tiny_scene.root, "--output", tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == {"capture", "warm", "cool", "both"}
    assert float(capsys.readouterr().out.split()[-1]) < 1e-3
    warm, cool = (read_image(tmp_path / f"{name}.png").mean(axis=(0, 1)) for name in ("warm", "cool"))
    assert warm[0] / warm[2] > cool[0] / cool[2]


def test_environment_map(tiny_scene: Scene, tmp_path: Path) -> None:
    _run(5, "--scene", tiny_scene.root, "--output", tmp_path / "made.png", "--samples", 8, "--turns", 2)
    assert read_image(tmp_path / "made.png").shape == (24 + 16 + 8, 2 * (32 + 4) + 4, 3)
    write_hdr(tmp_path / "dark.exr", np.full((8, 16, 3), 0.01, np.float32))
    flags = ("--envmap", tmp_path / "dark.exr", "--samples", 4, "--turns", 1)
    _run(5, "--scene", tiny_scene.root, "--output", tmp_path / "dark.png", *flags)
    assert read_image(tmp_path / "dark.png")[20:, 4:36].mean() < read_image(tmp_path / "made.png")[20:, 4:36].mean()


def test_your_own_relighter(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> None:
    scene = copy_scene(tiny_scene)
    _run(6, "--scene", scene.root)
    assert len(list(scene.relit("lambert").glob("*.png"))) == 8 * 18
    Match(scene.root, relighter="lambert").run()
    assert len(list(scene.matched.glob("*.png"))) == 8 * 18


def test_light_sweep(tiny_scene: Scene, tmp_path: Path) -> None:
    import av

    _run(7, "--scene", tiny_scene.root, "--output", tmp_path / "sweep.mp4", "--frames", 6)
    with av.open(str(tmp_path / "sweep.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 6
    assert np.abs(frames[0].astype(int) - frames[3]).mean() > 0.5
