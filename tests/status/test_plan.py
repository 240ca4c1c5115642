"""Plans of runs: what would happen, in how many minutes, and that nothing happens."""

import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relightnerf.cli.run import Run
from relightnerf.errors import InputError
from relightnerf.io.files import write_json
from relightnerf.pipeline import geometry
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.geometry import Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.steps import StageCommands
from relightnerf.pipeline.synthesize import Synthesize
from relightnerf.scene import Scene
from relightnerf.scene.stage import machine
from relightnerf.status import estimate
from relightnerf.status.estimate import Speed, machine_speed, run_units
from relightnerf.status.plan import Plan, run_plan

ROOT = Path(__file__).parents[2]
MEASURED = {
    "geometry": 76,
    "synthesize compact": 91,
    "match": 29,
    "fit": 52,
    "video": 4,
    "contact sheet": 2,
    "evaluate": 2,
    "report": 6,
}
"""Seconds of `scripts/demo.sh` on two CPU cores with nothing beside it."""


def _actions(plan: Plan) -> dict[str, str]:
    return {step.name: step.action for step in plan.steps}


def _listed(folder: Path) -> list[tuple[str, int]]:
    return [(str(path), path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))]


def _demo(folder: Path) -> dict[str, dict[str, float]]:
    return run_units(Run(ROOT / "datasets" / "demo" / "capture", folder / "scene", preset="quick"))


def test_on_a_first_run_the_demo_takes_about_what_it_took_elsewhere(tmp_path: Path) -> None:
    units, speed = _demo(tmp_path), machine_speed(tmp_path / "scene")
    assert not speed.is_measured
    expected = {step: speed.seconds(step, work) for step, work in units.items()}
    for step in ("geometry", "synthesize compact", "match", "fit"):
        assert expected[step] == pytest.approx(MEASURED[step], rel=0.3), step
    assert sum(expected[step] for step in MEASURED) == pytest.approx(sum(MEASURED.values()), rel=0.15)


def _recorded(path: Path, stage: str, seconds: float, **content: object) -> None:
    content = {"parameters": {"steps": 1500, "relighter": "compact", "lights": dict.fromkeys(range(18))}, **content}
    outputs = {f"v__{i}.png": 1 for i in range(8 * 18)}
    values = {"stage": stage, "state": "complete", "seconds": seconds, "machine": machine(), "outputs": outputs}
    write_json(path / "manifest.json", {**values, **content})


def test_seconds_follow_what_this_machine_took_in_this_scene_and_those_beside_it(
    tiny_scene: Scene, tmp_path: Path
) -> None:
    units, plain = _demo(tmp_path), Speed()
    for number, factor in enumerate((2.0, 3.0, 4.0)):
        root = tmp_path / f"other{number}"
        shutil.copytree(tiny_scene.capture, root / "capture")
        shutil.copy(tiny_scene.root / "scene.json", root)
        pixels = 8 * tiny_scene.width * tiny_scene.height
        table = plain.seconds("geometry", {"base step": 1500, "surface pixel": pixels})
        _recorded(root / "geometry", "geometry", factor * table)
    speed = machine_speed(tmp_path / "scene")
    assert speed.factors == {"geometry": pytest.approx(3.0)}
    for step in ("geometry", "fit"):  # what was never done here is as slow as what was
        assert speed.seconds(step, units[step]) == pytest.approx(3.0 * plain.seconds(step, units[step]))


@pytest.mark.parametrize(
    "content", [{"machine": "2 x another"}, {"resumed": True}, {"seconds": 3.0}, {"state": "begun"}, {"parameters": {}}]
)
def test_what_tells_nothing_of_this_machine_s_speed_is_left_out(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], content: dict[str, object]
) -> None:
    root = copy_scene(tiny_scene).root
    for folder in ("relit/compact", "matched", "field"):
        (root / folder / "manifest.json").unlink()
    _recorded(root / "geometry", "geometry", 100.0)
    assert machine_speed(root).is_measured
    _recorded(root / "geometry", "geometry", **{"seconds": 100.0, **content})
    assert not machine_speed(root).is_measured


def test_a_relighter_of_one_s_own_is_estimated_once_it_was_used(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]
) -> None:
    root, units = copy_scene(tiny_scene).root, {"pixel relit by mine": 1e6}
    assert Speed().seconds("synthesize mine", units) is None
    parameters = {"relighter": "mine", "lights": dict.fromkeys(range(18))}
    _recorded(root / "relit" / "mine", "synthesize", 60.0, parameters=parameters)
    pixels = 8 * 18 * tiny_scene.width * tiny_scene.height
    assert machine_speed(root).seconds("synthesize mine", units) == pytest.approx(60.0 * 1e6 / pixels)


def test_a_dry_run_in_a_process_of_its_own_writes_nothing(tiny_capture: Path, tmp_path: Path) -> None:
    before = _listed(tiny_capture)
    flags = ["--capture", str(tiny_capture), "--scene", str(tmp_path / "new" / "scene"), "--dry-run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "relightnerf", "run", *flags]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=60)
    lines = result.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:10]] == [
        *("prepare", "geometry", "synthesize", "match", "fit", "video", "contact sheet", "evaluate", "report")
    ]
    assert all("runs" in line for line in lines[1:10])
    assert lines[-1].startswith("in all about ") and lines[-1].endswith("nothing was written")
    assert list(tmp_path.iterdir()) == []
    assert _listed(tiny_capture) == before


def test_a_plan_tells_what_is_done_what_goes_on_and_what_changed(
    tiny_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tiny_capture, tmp_path / "scene", preset="quick")
    run.commands().prepare.run()

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(geometry, "_work", stopped)
        with pytest.raises(KeyboardInterrupt):
            run.commands().geometry.run()
    before = _listed(run.scene)
    actions = list(_actions(run_plan(run)).values())
    assert actions == ["is up to date", "goes on", *["runs"] * 7]
    other = run_plan(replace(run, preset="full"))
    assert list(_actions(other).values()) == ["runs"] * 9
    assert other.steps[0].reason == "other max_size"
    assert _listed(run.scene) == before


def test_stages_that_are_done_are_left_alone(
    tiny_capture: Path, tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = copy_scene(tiny_scene).root
    depth = f"folder:{tiny_capture / 'depth'}"
    own = StageCommands(
        Prepare(tiny_capture, root),
        Geometry(root, steps=20, depth_source=depth),
        Synthesize(root),
        Match(root),
        Fit(root, steps=30),
    )
    monkeypatch.setattr(Run, "commands", lambda self: own)
    monkeypatch.setattr(estimate, "_LEAST_SECONDS", math.inf)  # stages of a few seconds tell nothing
    before = _listed(root)
    plan = run_plan(Run(tiny_capture, root))
    assert list(_actions(plan).values()) == [*["is up to date"] * 5, *["runs"] * 4]
    assert not plan.is_measured
    assert all(step.seconds == 0.0 for step in plan.steps[:5])
    assert list(_actions(run_plan(Run(tiny_capture, root, force=True))).values()) == ["runs"] * 9
    assert _listed(root) == before


def test_a_relighter_that_is_not_here(tiny_capture: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown relighter 'sunlamp'"):
        run_plan(Run(tiny_capture, tmp_path / "new", relighter="sunlamp"))
    plan = run_plan(Run(tiny_capture, tmp_path / "new", relighter="nobody/no-such-model"))
    step = next(step for step in plan.steps if step.name == "synthesize")
    assert step.seconds is None and "fetched from the hub" in step.reason
    assert plan.summary.startswith("in all at least ")
