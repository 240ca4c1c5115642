"""The plan of `relightnerf run`, with estimated times; imports nothing heavy, writes nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from rich.table import Table

from relightnerf.errors import InputError
from relightnerf.field.checkpoints import checkpoint_step, newest_checkpoint, run_folder
from relightnerf.pipeline.steps import RunSteps
from relightnerf.scene import Scene
from relightnerf.scene.stage import MANIFEST, Standing, read_record, stage_record
from relightnerf.status.costs import done_seconds, stage_seconds
from relightnerf.status.scene_status import StageCommand, render_standings
from relightnerf.status.workload import run_workload

Action = Literal["runs", "goes on", "is up to date", "is left out"]
_ENOUGH_SECONDS = 20.0
_SOME_MINUTES = 9.95


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
        speed: seconds that this machine takes for one of two CPU cores, as the stages that are done here tell; None if
            they do not.
    """

    steps: tuple[Step, ...]
    speed: float | None

    @property
    def summary(self) -> str:
        """The minutes in all, and what they rest on."""
        known = sum(step.seconds or 0.0 for step in self.steps)
        least = "at least " if any(step.seconds is None for step in self.steps) else "about "
        basis = "at the speed of the stages that are done here" if self.speed else "on two CPU cores without a GPU"
        return f"in all {least}{_minutes(known)} minutes {basis}; nothing was written"


def run_plan(run: RunSteps) -> Plan:
    """Compare what is in the scene folder with what a run would put there.

    Raises:
        InputError: the run would end with this error, too.
    """
    commands, work, is_elsewhere = run.commands()._asdict(), run_workload(run), _is_elsewhere(run.relighter)
    expected = stage_seconds(work)
    took: dict[str, float] = {}
    steps: list[Step] = []
    for name, command in commands.items():
        if name == "synthesize" and is_elsewhere:
            step = Step(name, "runs", f"{run.relighter} is no folder here: it would be fetched from the hub", None)
        else:
            step = _step(run.force or _any_runs(steps), name, command, expected[name])
        if step.action == "goes on":
            step = replace(step, seconds=_left(step.seconds, done_seconds(name, work, _done(name, command))))
        if step.action == "is up to date":
            took |= _took(name, command)
        steps.append(step)
    steps += list(_ends(run, expected, _any_runs(steps), work.held_out))
    return _at_speed(tuple(steps), took, expected)


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
    standing = command.stage().standing()
    if standing.state == "broken":
        raise InputError(standing.reason, "repair or remove the file, or give --force")
    return _as_step(name, standing, seconds)


def _as_step(name: str, standing: Standing, seconds: float | None) -> Step:
    if standing.state == "complete":
        return Step(name, "is up to date", "", 0.0)
    return Step(name, "goes on" if standing.state == "partial" else "runs", standing.reason, seconds)


def _is_elsewhere(relighter: str) -> bool:
    from relightnerf.relighters import relighter_recipe

    try:
        relighter_recipe(relighter)
    except InputError:
        if "/" not in relighter:
            raise
        return True
    return False


def _done(name: str, command: StageCommand) -> int:
    """Count what a stopped stage has done already: steps of training, or pictures."""
    folder = command.stage().folder
    if name in ("geometry", "fit"):
        checkpoint = newest_checkpoint(run_folder(folder / "field" if name == "geometry" else folder))
        return 0 if checkpoint is None else checkpoint_step(checkpoint) + 1
    return sum(1 for _ in folder.glob("*__*.png"))


def _left(seconds: float | None, done: float) -> float | None:
    return None if seconds is None else max(0.0, seconds - done)


def _took(name: str, command: StageCommand) -> dict[str, float]:
    record = stage_record(command.stage().folder)
    return {} if record.get("resumed") or "seconds" not in record else {name: float(record["seconds"])}


def _ends(run: RunSteps, expected: Mapping[str, float | None], follows_change: bool, held_out: int) -> Iterator[Step]:
    """Yield what is made of the field: a video, a contact sheet, the evaluation, and a page about all of it."""
    found = {} if follows_change or run.force else _found_pictures(Scene.load(run.scene))
    for name in ("video", "contact sheet", "evaluate", "report"):
        standing = found.get(name, Standing("not run"))
        if name == "evaluate" and held_out == 0:
            yield Step(name, "is left out", "no view is held out, there is nothing to compare with", 0.0)
        else:
            yield _as_step(name, standing, expected[name])


def _found_pictures(scene: Scene) -> dict[str, Standing]:
    from relightnerf.pipeline.evaluate import held_out_stage, held_out_views
    from relightnerf.pipeline.report import PAGE
    from relightnerf.pipeline.steps import sheet_folder, video_path

    video = video_path(scene.root)
    standings = render_standings(scene.renders, scene)
    found = {"video": standings.get(video.with_name(f".{video.name}.json"), Standing("not run"))}
    found["contact sheet"] = standings.get(sheet_folder(scene) / MANIFEST, Standing("not run"))
    if read_record(scene.report / f".{PAGE}.json"):
        found["report"] = Standing("complete")
    if held_out_views(scene):
        with_lpips = stage_record(scene.report).get("parameters", {}).get("lpips", False)
        found["evaluate"] = held_out_stage(scene, with_lpips).standing()
    return found


def _at_speed(steps: tuple[Step, ...], took: Mapping[str, float], expected: Mapping[str, float | None]) -> Plan:
    """Scale the seconds by what the stages that are done here took."""
    reference = sum(expected[name] or 0.0 for name in took)
    measured = sum(seconds for name, seconds in took.items() if expected[name] is not None)
    if reference < _ENOUGH_SECONDS or measured <= 0.0:
        return Plan(steps, None)
    speed = measured / reference
    scaled = (replace(step, seconds=None if step.seconds is None else step.seconds * speed) for step in steps)
    return Plan(tuple(scaled), speed)
