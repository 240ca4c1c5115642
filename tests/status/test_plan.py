"""Plans of runs: what would happen, in how many minutes, and that nothing happens."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relightnerf.cli.run import Run
from relightnerf.errors import InputError
from relightnerf.pipeline import geometry
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.geometry import Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.steps import StageCommands
from relightnerf.pipeline.synthesize import Synthesize
from relightnerf.scene import Scene
from relightnerf.status.costs import Workload, stage_seconds
from relightnerf.status.plan import Plan, run_plan

ROOT = Path(__file__).parents[2]
DEMO = Workload(
    views=30,
    source_pixels=256 * 192,
    pixels=256 * 192,
    poses=None,
    lights=18,
    relighter="compact",
    consistency=True,
    base_steps=1500,
    light_steps=3600,
    held_out=4,
    frames=96,
    moving=False,
    sheet=(3, 4),
    page=(4, 32),
)
MEASURED = {
    "geometry": 76,
    "synthesize": 91,
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


def test_the_demo_s_minutes_are_those_that_it_takes() -> None:
    expected = stage_seconds(DEMO)
    for name, seconds in MEASURED.items():
        assert expected[name] == pytest.approx(seconds, rel=0.25), name
    assert sum(value or 0.0 for value in expected.values()) == pytest.approx(sum(MEASURED.values()), rel=0.1)


def test_more_to_do_takes_longer() -> None:
    for change in (
        {"views": 60},
        {"pixels": 10**6},
        {"lights": 36},
        {"base_steps": 9000},
        {"light_steps": 12000},
        {"moving": True},
        {"held_out": 9},
    ):
        more, less = stage_seconds(replace(DEMO, **change)), stage_seconds(DEMO)
        assert all((more[name] or 0.0) >= (seconds or 0.0) for name, seconds in less.items())
        assert sum(filter(None, more.values())) > sum(filter(None, less.values()))
    assert stage_seconds(replace(DEMO, relighter="models/mine"))["synthesize"] is None


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


def test_stages_that_are_done_are_left_alone_and_tell_the_machine_s_speed(
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
    before = _listed(root)
    plan = run_plan(Run(tiny_capture, root))
    assert list(_actions(plan).values()) == [*["is up to date"] * 5, *["runs"] * 4]
    assert plan.speed is None  # seconds of work tell nothing
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
