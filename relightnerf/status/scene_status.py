"""The state of a scene's stages: complete, stopped, or out of date; imports nothing heavy.

Each stage makes its recipe itself, from the flags in its manifest.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, cast

from relightnerf.errors import InputError
from relightnerf.io.files import is_temporary
from relightnerf.pipeline.evaluate import Evaluate, pictures_folder
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.flags import restored
from relightnerf.pipeline.geometry import Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.synthesize import Synthesize
from relightnerf.relighters import COMPACT, relighter_name
from relightnerf.scene import NewerScene, Scene
from relightnerf.scene.stage import (
    MANIFEST,
    PROGRESS,
    Stage,
    StageStatus,
    changed_inputs,
    lost_outputs,
    read_record,
    stage_record,
)
from relightnerf.status.former import recorded_flags

UNKNOWN_CAPTURE = Path("PHOTOS")
"""Stands for a capture that is not written down anywhere."""
_STOPPED = StageStatus("partial", "was stopped")
_STAGE_FOLDERS = ("capture", "geometry", "relit", "matched", "field")


class StageCommand(Protocol):
    """A stage's flags; its recipe is known without running it."""

    scene: Path
    force: bool

    def run(self) -> None:
        """Do the stage's work."""

    def stage(self) -> Stage:
        """Return the recipe."""


@dataclass(frozen=True)
class Row:
    """One stage of a scene.

    Attributes:
        name: of the stage, for people.
        folder: that it writes to.
        status: where it stands.
        record: its manifest, or the note of a stage at work; empty if there is none or it cannot be read.
        command: what brings it up to date; None where its flags are not known.
    """

    name: str
    folder: Path
    status: StageStatus
    record: Mapping[str, Any]
    command: Any = None
    is_aside: bool = False
    """Whether the scene's field does not depend on it."""
    manifests: tuple[Path, ...] | None = None
    """Where it is written down that it is complete; the folder's own manifest if None."""

    @property
    def written(self) -> float | None:
        """When it was completed, seconds since 1970; None if it is not."""
        paths = (self.folder / MANIFEST,) if self.manifests is None else self.manifests
        return max((path.stat().st_mtime for path in paths if path.is_file()), default=None)

    @property
    def seconds(self) -> float | None:
        """How long the work took; None where it is not complete, or was done in several runs."""
        seconds = self.record.get("seconds")
        return seconds if isinstance(seconds, int | float) and not self.record.get("resumed") else None


def scene_rows(root: Path) -> list[Row]:
    """Return the stages of a scene in their order; a stage is out of date, too, when one before it is not complete.

    Raises:
        InputError: there is no such folder, or it is no scene and not empty.
    """
    _check_place(root)
    scene = _scene(root)
    prepare = _prepare_row(root, scene)
    geometry = _row("geometry", root / "geometry", Geometry(root, _preset(prepare)), _compared(Geometry))
    relighter = _relighter(root)
    synthesize = _synthesize_row(root, relighter)
    match = _row("match", root / "matched", Match(root, relighter), _compared(Match))
    fit = _row("fit", root / "field", Fit(root, _preset(geometry)), _compared(Fit))
    chain = _in_order([prepare, geometry, synthesize, match, fit])
    others = [_in_order([chain[1], _synthesize_row(root, name)])[1] for name in _other_relit(root, relighter)]
    others = [replace(row, is_aside=True) for row in others]
    ends = [_in_order([chain[-1], row])[1] for row in (_render_row(root, scene), _evaluate_row(root, scene))]
    return [*chain[:3], *others, *chain[3:], *ends]


def next_command(rows: list[Row]) -> StageCommand | None:
    """Return what to run next to have everything up to date; None if it is, or if nobody can tell."""
    behind = (row for row in rows if row.status.state != "complete" and not row.is_aside)
    return next((row.command for row in behind if row.command is not None), None)


def _check_place(root: Path) -> None:
    if not root.is_dir():
        raise InputError(f"{root}: {'not a folder' if root.exists() else 'no such folder'}", "give a scene's folder")
    ours = [root / "scene.json", *(root / name for name in _STAGE_FOLDERS)]
    if any(root.iterdir()) and not any(path.exists() for path in ours):
        raise InputError(f"{root}: not a scene folder (no scene.json)", "give a folder that `relightnerf run` wrote to")


def _scene(root: Path) -> Scene | InputError | None:
    """Return the scene; None if it is not prepared yet, or what is wrong with it."""
    try:
        return Scene.load(root) if (root / "scene.json").is_file() else None
    except NewerScene:
        raise
    except InputError as error:
        return error


_Recorded = Callable[[Path, Mapping[str, Any]], tuple[StageCommand, StageStatus]]
"""Gives, for a scene's folder and a stage's record, the flags that it was made with, and where it stands."""


def _row(name: str, folder: Path, fresh: StageCommand, recorded: _Recorded) -> Row:
    """Compare a stage's folder with its recipe; ``fresh`` is the command for a stage that was never run."""
    record, row = _record(name, folder, fresh)
    if row is not None:
        return row
    try:
        command, status = recorded(fresh.scene, record)
    except InputError as error:
        command, status = fresh, StageStatus("out of date", error.what)
    except (KeyError, TypeError, ValueError, AttributeError):
        command, status = fresh, StageStatus("broken", f"{folder / MANIFEST}: not a manifest of {name}")
    return Row(name, folder, status, record, _forced(command) if status.state == "broken" else command)


def _record(name: str, folder: Path, fresh: StageCommand) -> tuple[dict[str, Any], Row | None]:
    """Return what is written down about a stage, and its row if that is all there is to know."""
    try:
        record = stage_record(folder)
    except InputError as error:
        return {}, Row(name, folder, StageStatus("broken", error.what), {}, _forced(fresh))
    if "parameters" in record:
        return record, None
    if record.get("recipe"):
        return {}, Row(name, folder, StageStatus("partial", "by an older version"), {}, fresh)
    if not record and folder.exists() and _holds_files(folder):
        status = StageStatus("broken", f"{folder} holds files that no stage wrote: move them away")
        return {}, Row(name, folder, status, {}, fresh)
    return {}, Row(name, folder, StageStatus("not run"), {}, fresh)


def _holds_files(folder: Path) -> bool:
    return not folder.is_dir() or any(not is_temporary(path) for path in folder.iterdir())


def _forced(command: StageCommand) -> StageCommand:
    return cast(StageCommand, replace(cast(Any, command), force=True))


def _in_order(rows: list[Row]) -> list[Row]:
    """Mark what follows a stage that is not complete: it was made of something else than what will be there."""
    first = next((index for index, row in enumerate(rows) if row.status.state != "complete"), len(rows))
    late = StageStatus("out of date", f"{rows[first].name} comes first") if first < len(rows) else None
    after = rows[first + 1 :]
    return rows[: first + 1] + [
        replace(row, status=late) if late and row.status.state == "complete" else row for row in after
    ]


def _unchecked(folder: Path, record: Mapping[str, Any], reason: str) -> StageStatus:
    """Say where a stage stands whose input is not at hand."""
    if "outputs" not in record:
        return StageStatus("partial", reason)
    lost = lost_outputs(folder, record)
    return StageStatus("out of date", f"output changed or gone: {lost[0]}") if lost else StageStatus("complete", reason)


def _prepare_row(root: Path, scene: Scene | InputError | None) -> Row:
    folder = root / "capture"
    capture = Path(scene.source) if isinstance(scene, Scene) else UNKNOWN_CAPTURE
    if isinstance(scene, InputError):
        return Row("prepare", folder, StageStatus("broken", f"{scene.what}: {scene.fix}"), {}, Prepare(capture, root))

    def recorded(_: Path, record: Mapping[str, Any]) -> tuple[StageCommand, StageStatus]:
        flags = recorded_flags("prepare", record, scene.source if isinstance(scene, Scene) else str(capture))
        command = restored(Prepare, root, flags)
        if scene is None:
            return command, StageStatus("partial")
        if not command.capture.exists():
            return command, _unchecked(folder, record, f"not compared with {command.capture}, which is not here")
        return command, command.stage().status()

    return _row("prepare", folder, Prepare(capture, root), recorded)


def _compared(stage: type[Geometry] | type[Match] | type[Fit]) -> _Recorded:
    def recorded(root: Path, record: Mapping[str, Any]) -> tuple[StageCommand, StageStatus]:
        command = restored(stage, root, recorded_flags(stage.__name__.lower(), record))
        return command, command.stage().status()

    return recorded


def _synthesize_row(root: Path, relighter: str) -> Row:
    folder = root / "relit" / relighter_name(relighter)

    def recorded(_: Path, record: Mapping[str, Any]) -> tuple[StageCommand, StageStatus]:
        command = restored(Synthesize, root, recorded_flags("synthesize", record, relighter))
        try:
            stage = command.recorded_stage(record["parameters"])
        except InputError as error:
            return command, _unchecked(folder, record, f"not compared with its input: {error.what}")
        return command, stage.status()

    name = f"synthesize ({folder.name})"
    if (folder / "lights.json").is_file() and not any((folder / note).is_file() for note in (MANIFEST, PROGRESS)):
        return Row(name, folder, StageStatus("complete", "pictures of another program"), {})
    return _row(name, folder, Synthesize(root, relighter), recorded)


def _preset(row: Row) -> Any:
    """Return the preset of a stage, which the next is likely to have as well."""
    return getattr(row.command, "preset", "full")


def _relighter(root: Path) -> str:
    """Return the relighter that match used; else the one whose pictures are newest; else the default."""
    try:
        used = stage_record(root / "matched").get("parameters", {}).get("relighter")
    except InputError:
        used = None
    if isinstance(used, str):
        return used
    folders = _relit_folders(root)
    return max(folders, key=lambda folder: folder.stat().st_mtime).name if folders else COMPACT


def _other_relit(root: Path, relighter: str) -> list[str]:
    return [folder.name for folder in _relit_folders(root) if folder.name != relighter_name(relighter)]


def _relit_folders(root: Path) -> list[Path]:
    relit = root / "relit"
    return sorted(path for path in relit.iterdir() if path.is_dir()) if relit.is_dir() else []


def render_statuses(folder: Path, scene: Scene) -> dict[Path, StageStatus]:
    """Say for the manifest of each set of pictures and each video in a folder whether they show the present field.

    Raises:
        InputError: the scene has no complete field, or a manifest is broken.
    """
    from relightnerf.field.checkpoints import field_files

    statuses = {}
    for path in sorted(folder.rglob(f"{PROGRESS}-*")) + sorted(folder.rglob("*.json")):
        record = read_record(path)
        if path.name.startswith(PROGRESS) and record.get("recipe"):
            statuses[path.with_name(path.name.removeprefix(f"{PROGRESS}-").replace(PROGRESS, MANIFEST))] = _STOPPED
        elif str(record.get("stage")).startswith("render"):
            changed, lost = changed_inputs(record, field_files(scene)), lost_outputs(path.parent, record)
            reason = changed or (f"output changed or gone: {lost[0]}" if lost else "")
            statuses[path] = StageStatus("out of date" if reason else "complete", reason)
    return statuses


def _render_row(root: Path, scene: Scene | InputError | None) -> Row:
    row = Row("render", root / "renders", StageStatus("not run"), {})
    if not isinstance(scene, Scene) or not row.folder.is_dir():
        return row
    try:
        found = render_statuses(row.folder, scene)
    except InputError as error:
        return replace(row, status=StageStatus("out of date", error.what))
    if not found:
        return row
    row = replace(row, manifests=tuple(found))
    behind = [status for status in found.values() if status.state != "complete"]
    if not behind:
        return replace(row, status=StageStatus("complete"))
    share = f"{len(behind)} of {len(found)}, " if len(found) > 1 else ""
    return replace(row, status=StageStatus(behind[0].state, f"{share}{behind[0].reason}"))


def _evaluate_row(root: Path, scene: Scene | InputError | None) -> Row:
    folder = root / "report"
    row = Row("evaluate", folder, StageStatus("not run"), {})
    if not isinstance(scene, Scene):
        return row
    try:
        record = stage_record(folder)
        if record.get("stage") != "evaluate":
            return row
        pictures = render_statuses(pictures_folder(scene), scene).values()
    except InputError as error:
        return replace(row, status=StageStatus("out of date", error.what))
    status = next((s for s in pictures if s.state != "complete"), _unchecked(folder, record, ""))
    return replace(row, status=status, record=record, command=Evaluate(root))
