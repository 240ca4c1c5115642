import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from servers import free_port, page

from relightnerf.errors import InputError
from relightnerf.pipeline.view import check_port
from relightnerf.scene import Scene

ROOT = Path(__file__).parent.parent.parent


def test_a_free_port_is_accepted_and_left_free() -> None:
    port = free_port()
    check_port("127.0.0.1", port)
    check_port("127.0.0.1", port)


def test_a_busy_port_is_refused() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(InputError, match="cannot be used on"):
            check_port("127.0.0.1", server.getsockname()[1])


def test_the_viewer_answers_on_its_address_and_ends_cleanly_on_ctrl_c(tiny_scene: Scene) -> None:
    port = free_port()
    command = [sys.executable, "-u", "-m", "relightnerf", "view", "--scene", str(tiny_scene.root), "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment)
    try:
        shown = page(port, process)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert b"<html" in shown.lower()
    assert f"http://127.0.0.1:{port}" in out
    assert (process.returncode, err) == (0, "")
