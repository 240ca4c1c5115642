"""Download and unpack the Multi-Illumination dataset (Murmann et al., ICCV 2019).

    python datasets/multi_illumination/download.py --output data/mid --split test --kind jpg
    python datasets/multi_illumination/download.py --output data/mid --scenes everett_kitchen2 main_experiment120

One archive for a split, or one for each scene. A transfer that breaks off is taken up again where it stopped, by this
run or by the next; what is unpacked is skipped.
"""

from __future__ import annotations

import http.client
import os
import shutil
import sys
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from relightnerf.cli import run_command
from relightnerf.errors import InputError
from relightnerf.io.files import write_json
from relightnerf.progress import say, track

BLOCK = 1 << 20
TIMEOUT_S = 60.0
PATIENCE_S = 1.0
NOT_FOUND, PARTIAL, UNSATISFIABLE = 404, 206, 416


@dataclass
class Download:
    """What to download."""

    output: Path
    """Folder that gets the scenes' folders."""
    split: Literal["train", "test"] = "test"
    """985 scenes to train with (jpg 6.6 GB, exr 50 GB at mip 2) or 30 to test (0.2 and 1.6 GB)."""
    kind: Literal["exr", "jpg"] = "jpg"
    """HDR pictures, linear, or 8-bit ones."""
    mip: int = 2
    """Halvings of the pictures' size (6000x4000): 2 is 1500x1000."""
    scenes: tuple[str, ...] = ()
    """Download only these scenes, whatever their split."""
    url: str = "https://data.csail.mit.edu/multilum"
    """Address of the folder with the archives."""
    retries: int = 5
    """How often to take up a broken transfer before giving up."""

    def run(self) -> None:
        """Download and unpack what is not there yet."""
        for path in self._archives():
            archive = self.output / Path(path).name
            done = archive.with_name(f".{archive.stem}.done.json")
            if done.is_file():
                say(f"{archive.stem}: there already, skipped")
                continue
            if not archive.is_file():
                fetch(f"{self.url.rstrip('/')}/{path}", archive, self.retries)
            files = unpack(archive, self.output)
            write_json(done, {"archive": path, "files": files})
            archive.unlink()
            say(f"{archive.stem}: {files} files unpacked to {self.output}")

    def _archives(self) -> list[str]:
        if self.scenes:
            return [f"{scene}/{scene}_mip{self.mip}_{self.kind}.zip" for scene in self.scenes]
        return [f"multi_illumination_{self.split}_mip{self.mip}_{self.kind}.zip"]


def fetch(url: str, target: Path, retries: int) -> None:
    """Download a file by way of `<target>.partial`; a partial one is continued."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    for attempt in range(retries + 1):
        before = _size(partial)
        try:
            _continue(url, partial)
            os.replace(partial, target)
            return
        except urllib.error.HTTPError as error:
            fix = "check --split, --kind, --mip and --scenes" if error.code == NOT_FOUND else "try again later"
            said = f"{url}: the server says {error.code} ({error.reason})"
            raise InputError(said, f"{fix}, or give another --url") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt == 0 and _size(partial) == before:
            break  # nothing came: no network, rather than one that breaks off
        time.sleep(min(PATIENCE_S * (attempt + 1), 30.0) if attempt < retries else 0.0)
    fix = "check the network or give another --url; the same command goes on where it stopped"
    raise InputError(f"{url}: cannot be downloaded ({reason})", fix)


def _continue(url: str, partial: Path) -> None:
    """Fetch what a partial file lacks; raises an error of the network if it still lacks something."""
    have = _size(partial)
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != UNSATISFIABLE:
            raise
        if _total(error.headers.get("Content-Range")) != have:
            partial.unlink()
            raise ConnectionError("the file on the server has changed") from None
        return
    with answer:
        resumed = have > 0 and answer.status == PARTIAL
        length = answer.headers.get("Content-Length")
        total = (have if resumed else 0) + int(length) if length else None
        with open(partial, "ab" if resumed else "wb") as file:
            for block in track(
                _blocks(answer), partial.stem, -(-(total or 0) // BLOCK), have // BLOCK if resumed else 0
            ):
                file.write(block)
    size = _size(partial)
    if total is not None and size != total:
        raise ConnectionError(f"the transfer broke off after {size} of {total} bytes")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while block := answer.read(BLOCK):
        yield block


def _total(content_range: str | None) -> int | None:
    """The file's size in a header like `bytes */1234`."""
    size = (content_range or "").rpartition("/")[2]
    return int(size) if size.isdecimal() else None


def unpack(archive: Path, folder: Path) -> int:
    """Unpack an archive; its files appear whole, beside those of others. Returns their number."""
    temporary = archive.with_name(f".{archive.stem}.unpacking")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            for member in track(opened.infolist(), "unpacking"):
                opened.extract(member, temporary)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        archive.unlink()
        raise InputError(f"{archive}: damaged, and removed ({error})", "download it again") from None
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    for file in files:
        target = folder / file.relative_to(temporary)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(file, target)
    shutil.rmtree(temporary, ignore_errors=True)
    return len(files)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(Download, description=__doc__)))
