"""Servers that tests start as processes: a port for one, and its page once it answers."""

import socket
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any


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
