import socket

import pytest
from servers import free_port, served_viewer

from relightnerf.errors import InputError
from relightnerf.pipeline.view import check_port
from relightnerf.scene import Scene


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
    with served_viewer(tiny_scene) as viewer:
        assert b"<html" in viewer.page.lower()
    assert viewer.address in viewer.printed
