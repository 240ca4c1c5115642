"""Downloads of the Multi-Illumination set, from a server here that breaks off."""

import io
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "datasets" / "multi_illumination" / "download.py"


def _run(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == code, done.stdout + done.stderr
    return done


class _Archives(ThreadingHTTPServer):
    """Serves one archive; breaks off transfers after so many bytes while there are numbers in ``breaks``."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content, self.ranges = content, True
        self.breaks: list[int] = []
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/multilum"


class _Handler(BaseHTTPRequestHandler):
    server: _Archives

    def do_GET(self) -> None:
        wanted, content = self.headers.get("Range"), self.server.content
        self.server.asked.append((self.path, wanted))
        if "mip7" in self.path:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if wanted and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.breaks.pop(0) if self.server.breaks else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def archives() -> Iterator[_Archives]:
    """A server of an archive of one scene; its picture cannot be compressed."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("everett_kitchen2/dir_0_mip2.jpg", np.random.default_rng(0).bytes(300_000))
        archive.writestr("everett_kitchen2/probes/dir_0_gray256.jpg", b"gray")
    server = _Archives(packed.getvalue())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _is_unpacked(folder: Path) -> bool:
    picture = folder / "everett_kitchen2" / "dir_0_mip2.jpg"
    left = {p.name for p in folder.iterdir()}
    whole = picture.read_bytes() == np.random.default_rng(0).bytes(300_000)
    return whole and left == {"everett_kitchen2", ".multi_illumination_test_mip2_jpg.done.json"}


def test_a_transfer_that_breaks_off_is_taken_up_again(archives: _Archives, tmp_path: Path) -> None:
    archives.breaks = [100_000, 50_000]
    _run("--output", tmp_path, "--url", archives.url)
    path = "/multilum/multi_illumination_test_mip2_jpg.zip"
    assert archives.asked == [(path, None), (path, "bytes=100000-"), (path, "bytes=150000-")]
    assert _is_unpacked(tmp_path)
    assert (tmp_path / "everett_kitchen2" / "probes" / "dir_0_gray256.jpg").read_bytes() == b"gray"
    assert "there already, skipped" in _run("--output", tmp_path, "--url", archives.url).stdout
    assert len(archives.asked) == 3


def test_the_next_run_goes_on_where_one_gave_up(archives: _Archives, tmp_path: Path) -> None:
    archives.breaks = [120_000]
    flags = ("--output", tmp_path, "--url", archives.url)
    done = _run(*flags, "--retries", "0", code=2)
    assert "broke off after 120000 of" in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "multi_illumination_test_mip2_jpg.zip.partial").stat().st_size == 120_000
    _run(*flags)
    assert archives.asked[-1][1] == "bytes=120000-" and _is_unpacked(tmp_path)


@pytest.mark.parametrize("kept", [50_000, None, 10_000_000])
def test_a_partial_file_of_any_length_ends_in_the_archive(
    archives: _Archives, tmp_path: Path, kept: int | None
) -> None:
    """Too short on a server that always sends all, complete, or longer than the file has become."""
    archives.ranges = kept != 50_000
    partial = tmp_path / "multi_illumination_test_mip2_jpg.zip.partial"
    partial.write_bytes(b"x" * kept if kept else archives.content)
    flags = ("--output", tmp_path, "--url", archives.url)
    if kept == 10_000_000:
        assert "has changed" in _run(*flags, "--retries", "0", code=2).stderr
    _run(*flags)
    assert _is_unpacked(tmp_path)


def test_single_scenes_have_archives_of_their_own(archives: _Archives, tmp_path: Path) -> None:
    flags = ("--scenes", "a", "b", "--kind", "exr", "--mip", "4")
    _run("--output", tmp_path, "--url", archives.url, *flags)
    assert [path for path, _ in archives.asked] == ["/multilum/a/a_mip4_exr.zip", "/multilum/b/b_mip4_exr.zip"]


def test_what_cannot_be_downloaded_is_said_in_one_line(archives: _Archives, tmp_path: Path) -> None:
    done = _run("--output", tmp_path, "--url", archives.url, "--mip", "7", code=2)
    assert "the server says 404" in done.stderr and done.stderr.count("\n") == 1
    done = _run("--output", tmp_path, "--url", "http://127.0.0.1:9/x", code=2)
    assert "cannot be downloaded" in done.stderr and done.stderr.count("\n") == 1
    archives.content = b"no archive"
    done = _run("--output", tmp_path, "--url", archives.url, code=2)
    assert "damaged, and removed" in done.stderr and list(tmp_path.iterdir()) == []
