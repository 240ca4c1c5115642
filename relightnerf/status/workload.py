"""The amount of work in a run: counted in the scene if it is prepared, else in the capture."""

import math
from typing import TYPE_CHECKING

from relightnerf.capture import FULL, QUICK
from relightnerf.errors import InputError
from relightnerf.field.split import held_out
from relightnerf.pipeline.steps import RunSteps
from relightnerf.relighters import relighter_name
from relightnerf.scene import Scene
from relightnerf.scene.stage import Standing
from relightnerf.status.costs import Poses, Workload

if TYPE_CHECKING:
    from relightnerf.capture import Source
    from relightnerf.pipeline.steps import StageCommands


def run_workload(run: RunSteps) -> Workload:
    """Count the views, lights, pixels and steps of a run.

    Raises:
        InputError: the capture or a flag cannot be used.
    """
    from relightnerf.pipeline.report import REPORT_VIEWS
    from relightnerf.pipeline.steps import SHEET_LIGHTS, SHEET_VIEWS, VIDEO_FPS, VIDEO_SECONDS
    from relightnerf.report_page import RINGS

    commands = run.commands()
    commands.prepare.check()
    source = commands.prepare.source()
    names, (width, height) = _prepared(commands, source)
    video = run.video()
    return Workload(
        views=len(names),
        source_pixels=math.prod(source.size),
        pixels=width * height,
        poses=_poses(source, run.preset == "quick") if source.finds_poses else None,
        lights=len(commands.synthesize.light_set().names),
        relighter=relighter_name(run.relighter),
        consistency=run.consistency,
        base_steps=commands.geometry.training_steps(),
        light_steps=commands.fit.training_steps(),
        held_out=len(held_out(names, commands.geometry.eval_every)),
        frames=round(VIDEO_SECONDS * VIDEO_FPS),
        moving=video.path != "stand",
        sheet=(SHEET_VIEWS, len(SHEET_LIGHTS)),
        page=(REPORT_VIEWS, sum(count for _, count in RINGS)),
    )


def _prepared(commands: "StageCommands", source: "Source") -> tuple[tuple[str, ...], tuple[int, int]]:
    """Return the views and their size: those that are there if they are what would be there."""
    prepare = commands.prepare
    if not prepare.force and prepare.stage().standing() == Standing("complete"):
        try:
            scene = Scene.load(prepare.scene)
            return scene.cameras().names, (scene.width, scene.height)
        except InputError:
            pass  # scene.json is written again
    return tuple(f"{index:05d}" for index in range(source.count)), prepare.prepared_size(source)


def _poses(source: "Source", quick: bool) -> Poses:
    effort = QUICK if quick else FULL
    scale = min(1.0, effort.max_size / max(source.size))
    return Poses(round(math.prod(source.size) * scale**2), effort.features, effort.pairs(source.count))
