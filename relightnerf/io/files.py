"""Atomic files, which are either complete or absent: written under another name, then renamed."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from relightnerf.errors import InputError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the operating system's errors that say that a file cannot grow."""

_TEMPORARY = ".partial-"
"""What names of files that are being written begin with."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary path with the same suffix that becomes ``path`` when the block ends well.

    The file appears under its name by an atomic rename, so a reader (or a resumed run) never sees half of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    try:
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Give an empty temporary folder that becomes ``path``, in place of what was there, when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{path.name}")
    former = path.with_name(f"{_TEMPORARY}{os.getpid()}-former-{path.name}")
    for leftover in (temporary, former):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        for file in list_files([temporary]):
            with open(file, "rb") as opened:
                os.fsync(opened.fileno())
        if path.exists():
            os.replace(path, former)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def plain_json(value: Any) -> Any:
    """Return what a value is once it has been written as JSON and read: tuples are lists, paths are text."""
    return json.loads(json.dumps(value, default=str))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: the file is absent, is not JSON, or holds something else than an object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a JSON file", "give a file in it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid JSON ({error})", "repair or replace the file") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object", "repair or replace the file")
    return value


def is_temporary(path: Path) -> bool:
    """Say whether ``path`` is the leftover of an interrupted ``atomic_path``."""
    return path.name.startswith(_TEMPORARY)


def temporaries(path: Path) -> list[Path]:
    """Return the leftovers of interrupted ``atomic_path`` blocks for ``path``."""
    return [p for p in path.parent.glob(f"{_TEMPORARY}*") if p.name.split("-", 2)[-1] == path.name]


def file_digest(path: Path) -> str:
    """Return the BLAKE2b digest (32 hex digits) of a file's bytes."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_stamp(path: Path) -> list[int]:
    """Return what tells without reading a file whether it was written since: its size and its time in nanoseconds."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def list_files(paths: Iterable[Path]) -> list[Path]:
    """Return the files among ``paths`` and, sorted, below the folders among them, without hidden ones and manifests."""
    found: list[Path] = []
    for path in paths:
        below = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [p for p in below if p.is_file() and not p.name.startswith(".") and p.name != "manifest.json"]
    return found
