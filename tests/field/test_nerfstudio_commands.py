"""nerfstudio's own commands work on a scene folder: train, then evaluate, render and view what was trained, offline."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import pixels
from servers import free_port, page

from relightnerf.io.images import read_image
from relightnerf.scene import Scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
NOWHERE = "http://127.0.0.1:9"


def _start(folder: Path, name: str, *arguments: object) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        **{"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "TORCH_HOME": str(folder / "torch")},
        **{"HF_HUB_OFFLINE": "1", "http_proxy": NOWHERE, "https_proxy": NOWHERE, "no_proxy": ""},
    }
    command = [str(Path(sys.executable).with_name(name)), *map(str, arguments)]
    output = (folder / f"{name}.log").open("w")
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output, text=True)


def _finish(process: subprocess.Popen[str], log: Path) -> None:
    assert process.wait(timeout=240) == 0, log.read_text()


@pytest.fixture(scope="module")
def run(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a nerfstudio run of two steps on photos and two on relit images."""
    folder = tmp_path_factory.mktemp("nerfstudio")
    warmup = ["--pipeline.model.warmup-steps", 2, "--pipeline.datamanager.warmup-steps", 2]
    warmup += ["--pipeline.model.resize-steps", 1, 2]
    names = ["--output-dir", folder, "--experiment-name", "tiny", "--timestamp", "run"]
    steps = ["--max-num-iterations", 4, "--vis", "tensorboard", "--machine.device-type", "cpu"]
    process = _start(folder, "ns-train", "relightnerf", "--data", tiny_scene.root, *steps, *warmup, *names)
    _finish(process, folder / "ns-train.log")
    return folder / "tiny" / "relightnerf" / "run"


@pytest.fixture(scope="module")
def results(run: Path) -> Iterator[tuple[Path, str]]:
    """The folder that ns-eval and ns-render have written to, and ns-viewer's address; they run side by side."""
    folder = run.parents[2]
    port, config = free_port(), ["--load-config", run / "config.yml"]
    processes = {
        "ns-eval": _start(folder, "ns-eval", *config, "--output-path", folder / "eval.json"),
        "ns-render": _start(folder, "ns-render", "dataset", *config, "--output-path", folder / "renders"),
        "ns-viewer": _start(folder, "ns-viewer", *config, "--viewer.websocket-port", port),
    }
    try:
        assert b"<html" in page(port, processes["ns-viewer"], folder / "ns-viewer.log").lower()
        for name in ("ns-eval", "ns-render"):
            _finish(processes[name], folder / f"{name}.log")
        yield folder, f"http://127.0.0.1:{port}"
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def test_training_saves_its_last_step(run: Path) -> None:
    assert (run / "config.yml").is_file()
    assert [path.name for path in (run / "nerfstudio_models").iterdir()] == ["step-000000003.ckpt"]


def test_the_saved_run_is_evaluated(results: tuple[Path, str]) -> None:
    scores = json.loads((results[0] / "eval.json").read_text())
    assert scores["method_name"] == "relightnerf"
    assert 5.0 < scores["results"]["psnr"] < 60.0


def test_the_saved_run_is_rendered(results: tuple[Path, str], tiny_scene: Scene) -> None:
    (picture,) = (results[0] / "renders").rglob("rgb*")
    assert read_image(picture).shape == (tiny_scene.height, tiny_scene.width, 3)
    assert read_image(picture).std() > 2.0


def test_the_saved_run_is_shown_in_the_viewer_with_the_light_s_panel(
    results: tuple[Path, str], browser: "Browser"
) -> None:
    viewer = browser.new_page(viewport={"width": 900, "height": 560})
    viewer.goto(results[1])
    viewer.get_by_role("button", name="Sweep").wait_for(timeout=120_000)
    end = time.monotonic() + 120.0
    while pixels(viewer.locator("canvas[data-engine]")).std() < 5.0:
        assert time.monotonic() < end, "no picture"
        viewer.wait_for_timeout(200)
