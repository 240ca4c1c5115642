from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relightnerf.cli.run import Run
from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image
from relightnerf.pipeline.match import Match
from relightnerf.scene import Scene


@pytest.fixture
def run(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> Run:
    """The end of a run: every stage before the pictures is done."""
    return Run(tiny_scene.capture, copy_scene(tiny_scene).root)


def test_every_stage_has_its_turn_and_takes_the_flags_of_the_run(run: Run) -> None:
    stages = ["prepare", "geometry", "synthesize", "match", "fit", "video", "contact sheet", "evaluate", "report"]
    assert list(run.steps()) == stages
    for consistency in (True, False):
        match = replace(run, consistency=consistency).steps()["match"]
        assert match.__self__ == Match(run.scene, run.relighter, consistency=consistency)


def test_the_pictures_at_the_end(run: Run) -> None:
    for name in ("video", "contact sheet", "evaluate", "report"):
        run.steps()[name]()
    scene = Scene.load(run.scene)
    assert (scene.renders / "light_sweep.mp4").stat().st_size > 1000
    assert read_image(scene.report / "contact_sheet.png").shape[1] > 6 * scene.width
    assert "data:video/mp4" in (scene.report / "index.html").read_text()
    assert "this run" in read_json(scene.report / "metrics.json")["rows"]


def test_arguments_are_checked_before_the_first_stage(tiny_scene: Scene, tmp_path: Path) -> None:
    new = tmp_path / "new"
    for arguments in (
        {"capture": tmp_path / "absent", "scene": new},
        {"capture": tiny_scene.capture, "scene": new, "relighter": "sunlamp"},
        {"capture": tiny_scene.capture, "scene": new, "device": "tpu"},
    ):
        with pytest.raises(InputError):
            Run(**arguments).run()
    assert not new.exists()


def test_a_scene_that_is_a_file_is_refused(tiny_scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="not a folder"):
        Run(tiny_scene.capture, tmp_path / "file").run()
    assert (tmp_path / "file").read_text() == "mine"
