"""The plan of `relightnerf run`, with estimated times; imports nothing heavy, writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rich.table import Table

from relightnerf.errors import InputError
from relightnerf.field.checkpoints import checkpoint_step, newest_checkpoint, run_folder
from relightnerf.pipeline.steps import RunSteps
from relightnerf.scene import Scene
from relightnerf.scene.stage import MANIFEST, StageStatus, read_record, stage_record
from relightnerf.status.estimate import Speed, done_units, machine_speed, run_units, synthesize_step
from relightnerf.status.scene_status import StageCommand, render_statuses

Action = Literal["runs", "goes on", "is up to date", "is left out"]
_SOME_MINUTES = 9.95
"""Minutes from which on tenths are not told."""


@dataclass(frozen=True)
class Step:
    """One stage of a run.

    Attributes:
        name: of the stage.
        action: what would happen to it.
        reason: why; empty where that is plain.
        seconds: about how long it would take; None if unknown.
    """

    name: str
    action: Action
    reason: str
    seconds: float | None


@dataclass(frozen=True)
class Plan:
    """The stages of a run in their order.

    Attributes:
        steps: the stages.
        is_measured: whether the seconds rest on what this machine took before.
    """

    steps: tuple[Step, ...]
    is_measured: bool

    @property
    def summary(self) -> str:
        """The minutes in all, and what they rest on."""
        known = sum(step.seconds or 0.0 for step in self.steps)
        least = "at least " if any(step.seconds is None for step in self.steps) else "about "
        basis = "at the speed of earlier runs here" if self.is_measured else "on two CPU cores without a GPU"
        return f"in all {least}{_minutes(known)} minutes {basis}; nothing was written"


def run_plan(run: RunSteps) -> Plan:
    """Compare what is in the scene folder with what a run would put there.

    Raises:
        InputError: the run would end with this error, too.
    """
    commands, units, is_elsewhere = run.commands()._asdict(), run_units(run), _is_elsewhere(run.relighter)
    speed, relit = machine_speed(run.scene), synthesize_step(run.relighter)
    expected = {"synthesize" if name == relit else name: speed.seconds(name, work) for name, work in units.items()}
    steps: list[Step] = []
    for name, command in commands.items():
        if name == "synthesize" and is_elsewhere:
            step = Step(name, "runs", f"{run.relighter} is no folder here: it would be fetched from the hub", None)
        else:
            step = _step(run.force or _any_runs(steps), name, command, expected[name])
        if step.action == "goes on" and step.seconds is not None:
            done = _done_seconds(speed, relit if name == "synthesize" else name, command)
            step = replace(step, seconds=max(0.0, step.seconds - done))
        steps.append(step)
    steps += list(_ends(run, expected, _any_runs(steps)))
    return Plan(tuple(steps), speed.is_measured)


def plan_table(plan: Plan) -> Table:
    """Return the plan as a table: stage, what would happen, minutes."""
    table = Table(box=None, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("what", no_wrap=True)
    table.add_column("minutes", justify="right", no_wrap=True)
    for step in plan.steps:
        idle = step.action in ("is up to date", "is left out")
        table.add_row(step.name, step.action, "" if idle else _minutes(step.seconds))
    return table


def _minutes(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes = seconds / 60.0
    return f"{minutes:.1f}" if minutes < _SOME_MINUTES else f"{minutes:.0f}"


def _any_runs(steps: list[Step]) -> bool:
    return any(step.action in ("runs", "goes on") for step in steps)


def _step(is_due: bool, name: str, command: StageCommand, seconds: float | None) -> Step:
    if is_due:
        return Step(name, "runs", "" if seconds is not None else "nobody has measured how long this takes", seconds)
    status = command.stage().status()
    if status.state == "broken":
        raise InputError(status.reason, "repair or remove the file, or give --force")
    return _as_step(name, status, seconds)


def _as_step(name: str, status: StageStatus, seconds: float | None) -> Step:
    if status.state == "complete":
        return Step(name, "is up to date", "", 0.0)
    return Step(name, "goes on" if status.state == "partial" else "runs", status.reason, seconds)


def _is_elsewhere(relighter: str) -> bool:
    from relightnerf.relighters import relighter_recipe

    try:
        relighter_recipe(relighter)
    except InputError:
        if "/" not in relighter:
            raise
        return True
    return False


def _done_seconds(speed: Speed, step: str, command: StageCommand) -> float:
    """Return about how long it took what a stopped stage has done already: steps of training, or pictures."""
    folder = command.stage().folder
    if step == "prepare":
        return 0.0
    if step in ("geometry", "fit"):
        checkpoint = newest_checkpoint(run_folder(folder / "field" if step == "geometry" else folder))
        count = 0 if checkpoint is None else checkpoint_step(checkpoint) + 1
    else:
        count = sum(1 for _ in folder.glob("*__*.png"))
    scene = Scene.load(command.scene)
    return speed.seconds(step, done_units(step, count, scene.width * scene.height)) or 0.0


def _ends(run: RunSteps, expected: Mapping[str, float | None], follows_change: bool) -> Iterator[Step]:
    """Yield what is made of the field: a video, a contact sheet, the evaluation, and a page about all of it."""
    found = {} if follows_change or run.force else _found_pictures(Scene.load(run.scene))
    for name in ("video", "contact sheet", "evaluate", "report"):
        status = found.get(name, StageStatus("not run"))
        if name == "evaluate" and not expected[name]:
            yield Step(name, "is left out", "no view is held out, there is nothing to compare with", 0.0)
        else:
            yield _as_step(name, status, expected[name])


def _found_pictures(scene: Scene) -> dict[str, StageStatus]:
    from relightnerf.pipeline.evaluate import held_out_stage
    from relightnerf.pipeline.report import PAGE
    from relightnerf.pipeline.steps import sheet_folder, video_path

    video = video_path(scene.root)
    statuses = render_statuses(scene.renders, scene)
    found = {"video": statuses.get(video.with_name(f".{video.name}.json"), StageStatus("not run"))}
    found["contact sheet"] = statuses.get(sheet_folder(scene) / MANIFEST, StageStatus("not run"))
    if read_record(scene.report / f".{PAGE}.json"):
        found["report"] = StageStatus("complete")
    if scene.held_out():
        with_lpips = stage_record(scene.report).get("parameters", {}).get("lpips", False)
        found["evaluate"] = held_out_stage(scene, with_lpips).status()
    return found
