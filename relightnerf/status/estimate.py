"""About how long the steps of a run take: what there is to do, at the speed that this machine had before.

The speed comes from the manifests of this machine: those of the scene, and those of the scenes beside it. What was
never done here is estimated from a short table.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from relightnerf.capture import FULL, QUICK, Source
from relightnerf.errors import InputError
from relightnerf.field.split import held_out
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.steps import SHEET_LIGHTS, SHEET_VIEWS, VIDEO_FPS, VIDEO_SECONDS, RunSteps
from relightnerf.relighters import COMPACT, SHADING, relighter_name
from relightnerf.scene import Scene
from relightnerf.scene.stage import StageStatus, machine, stage_record

Units = Mapping[str, float]
"""How much there is to do of each kind of work in ``FIRST_RUN``."""

FIRST_RUN: Units = {
    "photo pixel": 0.2e-6,
    "pair of photos": 0.03,
    "base step": 0.035,
    "surface pixel": 12e-6,
    f"pixel relit by {COMPACT}": 3.2e-6,
    f"pixel relit by {SHADING}": 1.1e-6,
    "matched pixel": 1.1e-6,
    "light step": 0.013,
    "pixel of a camera": 5e-6,
    "pixel of a light": 0.64e-6,
}
"""Seconds on two cores of a server: reading a photo, comparing two photos for their poses, a training step of the base
field, stereo and mesh and normals, relighting, matching, a training step on relit images, a pass through the field, and
a light on what that pass saw."""

_LEAST_SECONDS = 10.0
"""Stages that took less tell how long programs take to start, not how fast the work is."""


@dataclass(frozen=True)
class Speed:
    """How much longer than ``FIRST_RUN`` says this machine takes.

    Attributes:
        factors: by stage, and by relighter where there are several.
    """

    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_measured(self) -> bool:
        """Whether any stage was done here before."""
        return bool(self.factors)

    def seconds(self, step: str, units: Units) -> float | None:
        """Return about how long a step takes; None for work of a kind that nobody has measured.

        A step that was not done here takes as much longer than the table says as those that were, in the middle.
        """
        if step in self.factors:
            return self.factors[step] * _table_seconds(units)
        if not units.keys() <= FIRST_RUN.keys():
            return None
        return (median(self.factors.values()) if self.factors else 1.0) * _table_seconds(units)


def machine_speed(root: Path) -> Speed:
    """Return the speed that the manifests of a scene and of those beside it tell, if they are of this machine."""
    found = defaultdict(list)
    folders = [root, *(path for path in _beside(root) if path != root)]
    for folder in folders:
        for step, units, record in _recorded(folder):
            seconds, is_here = record.get("seconds"), record.get("machine") == machine()
            if isinstance(seconds, int | float) and seconds >= _LEAST_SECONDS and is_here and not record.get("resumed"):
                found[step].append(seconds / _table_seconds(units))
    return Speed({step: median(factors) for step, factors in found.items()})


def run_units(run: RunSteps) -> dict[str, Units]:
    """Return what each step of a run has to do, by the names of ``RunSteps.steps``; ``synthesize`` by its relighter.

    Counted in the scene where it is prepared, else in the capture.

    Raises:
        InputError: the capture or a flag cannot be used.
    """
    from relightnerf.pipeline.report import REPORT_VIEWS
    from relightnerf.report_page import RINGS

    commands = run.commands()
    commands.prepare.check()
    source = commands.prepare.source()
    names, pixels = _prepared(commands.prepare, source)
    views, lights = len(names), len(commands.synthesize.light_set().names)
    pairs = (QUICK if run.preset == "quick" else FULL).pairs(source.count) if source.finds_poses else 0
    unseen, frames = len(held_out(names, commands.geometry.eval_every)), round(VIDEO_SECONDS * VIDEO_FPS)
    poses = 1 if run.video().path == "stand" else frames
    return {
        "prepare": {"photo pixel": views * math.prod(source.size), "pair of photos": pairs},
        "geometry": _geometry(commands.geometry.training_steps(), views * pixels),
        synthesize_step(run.relighter): _synthesize(run.relighter, views * lights * pixels),
        "match": {"matched pixel": views * lights * pixels},
        "fit": {"light step": commands.fit.training_steps()},
        "video": _pictures(poses, frames, pixels),
        "contact sheet": _pictures(SHEET_VIEWS, SHEET_VIEWS * (len(SHEET_LIGHTS) + 1), pixels),
        "evaluate": _pictures(unseen, unseen, pixels),
        "report": _pictures(REPORT_VIEWS, REPORT_VIEWS * (1 + sum(count for _, count in RINGS)), pixels),
    }


def done_units(step: str, count: int, pixels: int) -> Units:
    """Return what a stopped stage has done already: ``count`` training steps, or pictures of so many pixels."""
    if step in ("geometry", "fit"):
        return {"base step" if step == "geometry" else "light step": count}
    return {"matched pixel" if step == "match" else _relit(step.removeprefix("synthesize ")): count * pixels}


def synthesize_step(relighter: str) -> str:
    """Return what relighting by one relighter is called: each has a speed of its own."""
    return f"synthesize {relighter_name(relighter)}"


def _prepared(prepare: Prepare, source: Source) -> tuple[tuple[str, ...], int]:
    """Return the views, and the pixels of each: those that are there if they are what would be there."""
    if not prepare.force and prepare.stage().status() == StageStatus("complete"):
        try:
            scene = Scene.load(prepare.scene)
            return scene.cameras().names, scene.width * scene.height
        except InputError:
            pass  # scene.json is written again
    return tuple(f"{index:05d}" for index in range(source.count)), math.prod(prepare.prepared_size(source))


def _beside(root: Path) -> list[Path]:
    """Return the scenes in the folder in which a scene lies, or will lie."""
    parent = root.absolute().parent
    return sorted(path.parent for path in parent.glob("*/scene.json")) if parent.is_dir() else []


def _recorded(root: Path) -> Iterator[tuple[str, Units, Mapping[str, Any]]]:
    """Yield the complete stages of a scene whose work is known: step, units, manifest; what cannot be read is not."""
    try:
        scene = Scene.load(root)
        views, pixels = len(scene.cameras()), scene.width * scene.height
        relit = sorted((scene.root / "relit").glob("*/"))
        records = [stage_record(folder) for folder in (scene.geometry, *relit, scene.matched, scene.field)]
        for record in records:
            yield from _units_of(record, views, pixels)
    except (InputError, KeyError, TypeError, ValueError):
        return


def _units_of(record: Mapping[str, Any], views: int, pixels: int) -> Iterator[tuple[str, Units, Mapping[str, Any]]]:
    stage, parameters = record.get("stage"), record.get("parameters", {})
    if record.get("state") != "complete":
        return
    if stage == "geometry":
        yield stage, _geometry(parameters["steps"], views * pixels), record
    elif stage == "synthesize":
        relighter, pictures = parameters["relighter"], views * len(parameters["lights"])
        yield synthesize_step(relighter), _synthesize(relighter, pictures * pixels), record
    elif stage == "match":
        pictures = sum(name.endswith(".png") for name in record["outputs"])
        yield stage, {"matched pixel": pictures * pixels}, record
    elif stage == "fit":
        yield stage, {"light step": parameters["steps"]}, record


def _geometry(steps: int, pixels: int) -> Units:
    return {"base step": steps, "surface pixel": pixels}


def _synthesize(relighter: str, pixels: int) -> Units:
    return {_relit(relighter_name(relighter)): pixels}


def _relit(relighter: str) -> str:
    return f"pixel relit by {relighter}"


def _pictures(cameras: int, pictures: int, pixels: int) -> Units:
    return {"pixel of a camera": cameras * pixels, "pixel of a light": pictures * pixels}


def _table_seconds(units: Units) -> float:
    """Return the table's seconds; for work that is not in it, such that its own factor is seconds a unit."""
    return sum(FIRST_RUN.get(unit, 1.0) * count for unit, count in units.items())
