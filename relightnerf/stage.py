"""Stages that are skipped when done, go on where they were killed, and never show half of a result.

A stage owns a folder. ``manifest.json`` in it is written last and says that the stage is complete, for which
parameters and inputs. While the stage works, ``.progress.json`` names the recipe that the files so far belong to.
"""

import contextlib
import hashlib
import json
import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from relightnerf import __version__
from relightnerf.errors import InputError
from relightnerf.files import (
    NO_SPACE,
    file_digest,
    is_temporary,
    list_files,
    plain_json,
    read_json,
    temporaries,
    write_json,
)
from relightnerf.progress import say

MANIFEST = "manifest.json"
_PROGRESS = ".progress.json"
_FORMAT = 1
_RECORDED = ("torch", "nerfstudio", "open3d", "pycolmap", "kornia", "diffusers")


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

    def run(self, work: Callable[[], None], force: bool = False) -> bool:
        """Run ``work`` unless its result is there already; returns whether it ran.

        Raises:
            InputError: the folder cannot be written.
        """
        started = time.monotonic()
        inputs = self._input_digests()
        recipe = self._recipe(inputs)
        if not force and self._is_complete(recipe):
            say(f"{self.name}: up to date, skipped ({self.folder})")
            return False
        self._begin(recipe, force)
        work()
        write_json(self._manifest_path, self._manifest(recipe, inputs, time.monotonic() - started))
        self._progress_path.unlink(missing_ok=True)
        say(f"{self.name}: done in {time.monotonic() - started:.1f} s ({self.folder})")
        return True

    @property
    def _manifest_path(self) -> Path:
        return self.folder / self.manifest

    @property
    def _progress_path(self) -> Path:
        return self.folder / (_PROGRESS if self.manifest == MANIFEST else f"{_PROGRESS}-{self.manifest}")

    def _input_digests(self) -> dict[str, str]:
        return {
            str(i) + "/" + _relative(path, root): file_digest(path)
            for i, root in enumerate(self.inputs)
            for path in list_files([root])
        }

    def _recipe(self, inputs: Mapping[str, str]) -> str:
        text = json.dumps([_FORMAT, self.name, plain_json(self.parameters), inputs], sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def _is_complete(self, recipe: str) -> bool:
        path = self._manifest_path
        if not path.is_file():
            return False
        manifest = read_json(path)
        sizes = manifest.get("outputs", {})
        return manifest.get("recipe") == recipe and all(_size(self.folder / name) == n for name, n in sizes.items())

    def _begin(self, recipe: str, force: bool) -> None:
        progress = self._progress_path
        resumes = not force and progress.is_file() and read_json(progress).get("recipe") == recipe
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._check_ownership()
            if not resumes:
                write_json(progress, {"recipe": None})
                self._manifest_path.unlink(missing_ok=True)
                self._clear()
                write_json(progress, {"recipe": recipe})
            self._remove_partial()
        except OSError as error:
            if error.errno in NO_SPACE:
                raise
            raise InputError(
                f"{self.folder}: cannot be written ({error.strerror})", "choose a folder that you may write to"
            ) from None
        if resumes:
            say(f"{self.name}: going on where it stopped ({self.folder})")

    def _check_ownership(self) -> None:
        ours = self._manifest_path.exists() or self._progress_path.exists()
        if self.outputs is not None:
            self._check_manifest()
        elif not ours and not all(is_temporary(path) for path in self.folder.iterdir()):
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
            elif path.name != _PROGRESS:
                path.unlink()

    def _manifest(self, recipe: str, inputs: Mapping[str, str], seconds: float) -> dict[str, Any]:
        made = [self.folder / n for n in self.outputs] if self.outputs is not None else list_files([self.folder])
        return {
            "stage": self.name,
            "state": "complete",
            "recipe": recipe,
            "parameters": plain_json(self.parameters),
            "inputs": dict(inputs),
            "outputs": {_relative(path, self.folder): path.stat().st_size for path in made},
            "versions": _versions(),
            "seconds": round(seconds, 1),
        }


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path != root else path.name


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _versions() -> dict[str, str]:
    versions = {"relightnerf": __version__, "python": platform.python_version()}
    for package in _RECORDED:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
