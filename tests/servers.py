"""Servers that tests start as processes: a port for one, and its page once it answers."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relightnerf.scene import Scene

ROOT = Path(__file__).parents[1]


@dataclass
class ServedViewer:
    """A viewer in a process of its own: its address, its page, and, once it has ended, what it printed."""

    address: str
    page: bytes
    printed: str = ""


@contextmanager
def served_viewer(scene: Scene) -> Iterator[ServedViewer]:
    """Start ``relightnerf view``; at the end ctrl-c must end it cleanly, without a complaint."""
    port, pipe = free_port(), subprocess.PIPE
    command = [sys.executable, "-u", "-m", "relightnerf", "view", "--scene", str(scene.root), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        viewer = ServedViewer(f"http://127.0.0.1:{port}", page(port, process))
        yield viewer
    finally:
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    viewer.printed = printed


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def page(port: int, process: subprocess.Popen[Any], log: Path | None = None, seconds: float = 240.0) -> bytes:
    """Return what the server of a process answers, waiting until it does; ``log`` is what it prints, if to a file."""
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read()
        except OSError:
            time.sleep(0.3)
    raise AssertionError(f"no answer from {address}\n{log.read_text() if log else ''}")
