"""Trainings that are killed at any time go on with the same command and end with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from relightnerf.cli import main
from relightnerf.io.files import file_digest
from relightnerf.pipeline.prepare import Prepare
from relightnerf.scene import Scene

ROOT = Path(__file__).parents[2]
EAGER = "_main._silence_libraries(); from relightnerf.field import fitting; fitting._SECONDS_PER_SAVE = 0.0; "
OWN = ("manifest.json", "config.yml", ".progress.json")  # these hold times and the scene's own path


@pytest.fixture
def scenes(tiny_capture: Path, tmp_path: Path) -> tuple[Scene, Scene]:
    """Two scenes with the tiny capture, prepared."""
    for name in ("whole", "killed"):
        Prepare(tiny_capture, tmp_path / name).run()
    return Scene.load(tmp_path / "whole"), Scene.load(tmp_path / "killed")


@pytest.mark.parametrize("checkpoints", [0, 3])
def test_geometry_killed_before_and_after_checkpoints_gives_the_same_bytes(
    scenes: tuple[Scene, Scene], tiny_capture: Path, checkpoints: int, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, killed = scenes
    flags = ["--steps", "12", "--depth-source", f"folder:{tiny_capture / 'depth'}", "--device", "cpu"]
    assert main(["geometry", "--scene", str(whole.root), *flags]) == 0
    _kill(["geometry", "--scene", str(killed.root), *flags], killed.geometry, checkpoints)
    _resume_and_compare(["geometry", "--scene", str(killed.root), *flags], killed.geometry, whole.geometry, capsys)


def test_a_fit_killed_after_checkpoints_gives_the_same_bytes(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    copied = copy_scene(tiny_scene)
    command = ["fit", "--scene", str(copied.root), "--steps", "30", "--device", "cpu"]
    _kill([*command, "--force"], copied.field, 3)
    _resume_and_compare(command, copied.field, tiny_scene.field, capsys)


def _kill(arguments: list[str], folder: Path, checkpoints: int) -> None:
    """Start a command that saves after every step, and kill it when it has saved so many checkpoints."""
    before = EAGER if checkpoints else ""
    code = f"import sys; from relightnerf.cli import _main; {before}sys.exit(_main.main(sys.argv[1:]))"
    environment, pipe = {**os.environ, "PYTHONPATH": str(ROOT)}, subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], env=environment, stdout=pipe, stderr=pipe)
    seen: set[str] = set()
    end = time.monotonic() + 120.0
    ready = False
    while not ready and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
        seen |= {path.name for path in folder.rglob("step-*.ckpt") if not path.name.startswith(".")}
        started = any(folder.rglob("config.yml")) and (folder / ".progress.json").is_file()
        ready = started and len(seen) >= checkpoints
    process.send_signal(signal.SIGKILL)
    _, printed = process.communicate()
    assert (process.returncode, printed) == (-signal.SIGKILL, b"")
    assert ready and not (folder / "manifest.json").exists()
    assert bool(checkpoints) == any(folder.rglob("step-*.ckpt"))


def _resume_and_compare(command: list[str], resumed: Path, whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(command) == 0
    assert "going on where it stopped" in capsys.readouterr().out
    assert _digests(resumed) == _digests(whole)


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in OWN)
    return {str(path.relative_to(folder)): file_digest(path) for path in files}
