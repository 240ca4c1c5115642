from collections.abc import Callable
from pathlib import Path

import pytest

from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.pipeline.evaluate import Evaluate
from relightnerf.pipeline.report import PAGE, Report
from relightnerf.scene import Scene


@pytest.fixture
def scene(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> Scene:
    """A copy to write reports into."""
    return copy_scene(tiny_scene)


def test_a_report_is_written_once_and_resumes(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    page, report = scene.report / PAGE, Report(scene.root, views=2)
    report.run()
    first = page.read_bytes()
    pictures = sorted((scene.report / "explorer").glob("*.png"))
    assert len(pictures) == 2 * 33
    assert 20_000 < len(first) < 25_000_000
    capsys.readouterr()
    report.run()
    assert capsys.readouterr().out.count("up to date, skipped") == 2
    pictures[5].unlink()
    page.unlink()
    report.run()
    assert page.read_bytes() == first


def test_a_stage_that_runs_later_appears_on_the_page(scene: Scene) -> None:
    report = Report(scene.root, views=1)
    report.run()
    page = scene.report / PAGE
    assert "relightnerf evaluate" in page.read_text()
    Evaluate(scene.root).run()
    report.run()
    text = page.read_text()
    assert "relightnerf evaluate" not in text and "PSNR by held-out view" in text
    assert read_json(scene.report / f".{PAGE}.json")["stage"] == "report"


def test_what_cannot_be_reported_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a scene folder"):
        Report(tmp_path).run()
    for flags in ({"views": 0}, {"size": 8}):
        with pytest.raises(InputError, match="too small"):
            Report(tmp_path, **flags).run()
