"""Stages that are skipped when complete, continue where they were killed, and never leave half of a result.

A stage owns a folder. ``manifest.json`` in it is written last and says that the stage is complete, for which
parameters and inputs. While the stage works, ``.progress.json`` names the recipe that the files so far belong to.
"""

import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from relightnerf import __version__
from relightnerf.errors import InputError
from relightnerf.io.files import (
    NO_SPACE,
    file_digest,
    file_stamp,
    is_temporary,
    list_files,
    plain_json,
    read_json,
    temporaries,
    write_json,
)
from relightnerf.progress import say

MANIFEST = "manifest.json"
"""Name of the manifest of a stage that owns its folder."""
PROGRESS = ".progress.json"
"""Name of the note of a stage that is at work, beside a manifest of the usual name."""
FIRST_VERSION = 1
"""Version of every stage's algorithm in relightnerf 0.1, whose manifests do not name it."""
_RECIPE_FORMAT = 1
"""Of the text that a recipe's digest is made of."""
_RECORDED = ("torch", "nerfstudio", "open3d", "pycolmap", "kornia", "diffusers")
"""Packages whose versions manifests tell, for whoever looks for the cause of a difference."""

State = Literal["complete", "partial", "out of date", "not run", "broken"]
"""Of a stage's folder: partial: was stopped and goes on; broken: its manifest cannot be read."""


@dataclass(frozen=True)
class StageStatus:
    """What is in a stage's folder, compared with its recipe.

    Attributes:
        state: what would happen: nothing (complete), going on (partial), or all of the work.
        reason: what has changed since; empty where there is nothing to say.
    """

    state: State
    reason: str = ""


@dataclass(frozen=True)
class Stage:
    """One stage's recipe: where it writes, with which parameters, from which inputs.

    ``work`` (see ``run``) must skip whatever file it finds already there: those were made by the same recipe.
    """

    name: str
    folder: Path
    parameters: Mapping[str, Any]
    inputs: Sequence[Path]
    outputs: Sequence[str] | None = field(default=None)
    """Names of the files to be written, for a folder that may hold other people's files; None if all is the stage's."""
    manifest: str = MANIFEST
    """File name of the manifest; another one where several stages' outputs share a folder."""
    version: int = FIRST_VERSION
    """Of the algorithm: raised when the same parameters and inputs give another result than before."""
    flags: Mapping[str, Any] = field(default_factory=dict)
    """What the command was given, to be read back from the manifest; by itself it changes nothing."""

    def run(self, work: Callable[[], None], force: bool = False) -> bool:
        """Run ``work`` unless its result is there already; returns whether it ran.

        Raises:
            InputError: the folder cannot be written.
        """
        started = time.monotonic()
        record = self._record()
        if not force and self._is_complete(record["recipe"]):
            say(f"{self.name}: up to date, skipped ({self.folder})")
            return False
        resumed = self._begin(record, force)
        work()
        write_json(self._manifest_path, self._manifest(record, time.monotonic() - started, resumed))
        self._progress_path.unlink(missing_ok=True)
        say(f"{self.name}: done in {time.monotonic() - started:.1f} s ({self.folder})")
        return True

    def status(self) -> StageStatus:
        """Say what ``run`` would find, without writing anything; inputs that look unchanged are not read again."""
        try:
            manifest, progress = read_record(self._manifest_path), read_record(self._progress_path)
        except InputError as error:
            return StageStatus("broken", error.what)
        known = manifest or progress
        now = self._record(known)
        if manifest and self._is_complete(now["recipe"]):
            return StageStatus("complete")
        if progress and progress.get("recipe") == now["recipe"]:
            return StageStatus("partial")
        if not known:
            return StageStatus("not run")
        return StageStatus("out of date", self._changed(known, now))

    def is_known(self) -> bool:
        """Say whether the folder holds a manifest, or the beginning of a result, under this manifest's name."""
        return self._manifest_path.exists() or self._progress_path.exists()

    @property
    def _manifest_path(self) -> Path:
        return self.folder / self.manifest

    @property
    def _progress_path(self) -> Path:
        return self.folder / (PROGRESS if self.manifest == MANIFEST else f"{PROGRESS}-{self.manifest}")

    def _record(self, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the recipe and what it is made of; see ``_digests`` for ``known``."""
        inputs, stamps = _digests(self.inputs, known or {})
        parameters = plain_json(self.parameters)
        recipe, flags = self._recipe(inputs), plain_json(self.flags)
        record = {"recipe": recipe, "version": self.version, "flags": flags, "parameters": parameters}
        return {**record, "inputs": inputs, "stamps": stamps}

    def _changed(self, known: Mapping[str, Any], now: Mapping[str, Any]) -> str:
        if "parameters" not in known:
            return "started by an older version"
        version = known.get("version", FIRST_VERSION)
        if version != self.version:
            return "made by an older version" if version < self.version else "made by a newer version"
        before, after = known["parameters"], now["parameters"]
        flags = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        if flags:
            return f"other {', '.join(flags)}"
        inputs = _differences(known.get("inputs", {}), now["inputs"])
        if inputs:
            return inputs
        lost = lost_outputs(self.folder, known)
        return f"output changed or gone: {_first(lost)}" if lost else "made by another version"

    def _recipe(self, inputs: Mapping[str, str]) -> str:
        # the first version is left out, so that results of relightnerf 0.1 stay up to date
        later = [self.version] if self.version != FIRST_VERSION else []
        parts = [_RECIPE_FORMAT, self.name, plain_json(self.parameters), inputs, *later]
        text = json.dumps(parts, sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _is_complete(self, recipe: str) -> bool:
        path = self._manifest_path
        if not path.is_file():
            return False
        manifest = read_json(path)
        return manifest.get("recipe") == recipe and not lost_outputs(self.folder, manifest)

    def _begin(self, record: Mapping[str, Any], force: bool) -> bool:
        """Make the folder ready; returns whether an earlier run's files are gone on with."""
        progress = self._progress_path
        resumes = not force and progress.is_file() and read_json(progress).get("recipe") == record["recipe"]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_ownership()
            if not resumes:
                write_json(progress, {"recipe": None})
                self._manifest_path.unlink(missing_ok=True)
                self._clear()
                write_json(progress, record)
            self._remove_partial()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise
            raise InputError(
                f"{self.folder}: cannot be written ({error.strerror})", "choose a folder that you may write to"
            ) from None
        if resumes:
            say(f"{self.name}: going on where it stopped ({self.folder})")
        return resumes

    def _check_ownership(self) -> None:
        if self.outputs is not None:
            self._check_manifest()
        elif not self.is_known() and not all(is_temporary(path) for path in self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: holds files that no stage wrote, and they would be lost",
                "choose another --scene folder or move these files away",
            )

    def _check_manifest(self) -> None:
        path = self._manifest_path
        if path.exists() and read_json(path).get("stage") != self.name:
            raise InputError(f"{path}: not written by {self.name}, and it would be lost", "choose another folder")

    def _remove_partial(self) -> None:
        if self.outputs is not None:
            found = [p for name in self.outputs for p in temporaries(self.folder / name)]
        else:
            found = [p for p in self.folder.rglob("*") if is_temporary(p)]
        for path in found:
            path.unlink(missing_ok=True)

    def _clear(self) -> None:
        if self.outputs is not None:
            for name in self.outputs:
                (self.folder / name).unlink(missing_ok=True)
            return
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != PROGRESS:
                path.unlink()

    def _manifest(self, record: Mapping[str, Any], seconds: float, resumed: bool) -> dict[str, Any]:
        made = [self.folder / n for n in self.outputs] if self.outputs is not None else list_files([self.folder])
        return {
            "stage": self.name,
            "state": "complete",
            **record,
            "outputs": {_relative(path, self.folder): path.stat().st_size for path in made},
            "versions": _versions(),
            "machine": machine(),
            "seconds": round(seconds, 1),
            "resumed": resumed,
        }


def read_record(path: Path) -> dict[str, Any]:
    """Return what a manifest, or the note of a stage that is at work, says; empty if there is no such file.

    Raises:
        InputError: it cannot be read.
    """
    try:
        record = read_json(path) if path.is_file() else {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", "check who may read it") from None
    maps = ("flags", "parameters", "inputs", "stamps", "outputs")
    version = record.get("version", FIRST_VERSION)
    if not all(isinstance(record.get(key, {}), dict) for key in maps) or not isinstance(version, int):
        raise InputError(f"{path}: not a manifest of relightnerf", "run the stage again with --force")
    return record


def stage_record(folder: Path) -> dict[str, Any]:
    """Return what is written down about a stage that owns its folder: complete, else at work; empty if nothing is.

    Raises:
        InputError: it cannot be read.
    """
    return read_record(folder / MANIFEST) or read_record(folder / PROGRESS)


def changed_inputs(record: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    """Say what is different about the first inputs of a stage since it was done; empty if nothing is.

    Args:
        record: its manifest.
        inputs: files or folders that were the first of its inputs; it may have had others after them.
    """
    now, _ = _digests(inputs, record)
    numbers = {str(index) for index in range(len(inputs))}
    first = {name: digest for name, digest in record.get("inputs", {}).items() if name.split("/")[0] in numbers}
    return _differences(first, now)


def lost_outputs(folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Return the files that a manifest lists and that are not in the folder any more, or not at their size."""
    return [name for name, size in record.get("outputs", {}).items() if _size(folder / name) != size]


def _digests(inputs: Sequence[Path], known: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, list[int]]]:
    """Return digest and stamp of every file; one whose stamp is the ``known`` record's keeps that record's digest."""
    files = {f"{i}/{_relative(path, root)}": path for i, root in enumerate(inputs) for path in list_files([root])}
    stamps = {name: file_stamp(path) for name, path in files.items()}
    old_stamps, old = known.get("stamps", {}), known.get("inputs", {})
    same = {name for name, stamp in stamps.items() if name in old and old_stamps.get(name) == stamp}
    return {name: old[name] if name in same else file_digest(path) for name, path in files.items()}, stamps


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return f"input {_verb(names[0], old, new)}: {_first([n.partition('/')[2] for n in names])}" if names else ""


def _first(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _verb(name: str, old: Mapping[str, str], new: Mapping[str, str]) -> str:
    if name not in new:
        return "gone"
    return "changed" if name in old else "new"


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root else path.name


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def machine() -> str:
    """Return what tells machines of different speed apart: the processor, and how many of its cores may be used."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} x {_processor()}"


@functools.cache
def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _versions() -> dict[str, str]:
    versions = {"relightnerf": __version__, "python": platform.python_version()}
    for package in _RECORDED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
