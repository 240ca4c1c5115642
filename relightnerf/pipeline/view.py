"""The scene in nerfstudio's viewer, with a light panel."""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relightnerf.errors import InputError

_LAST_PORT = 65535
"""Ports have 16 bits."""


@dataclass
class View:
    """Show the scene in a browser: look around in it and move the light."""

    scene: Path
    """Scene folder."""
    host: str = "127.0.0.1"
    """Address to listen on. 0.0.0.0 lets other machines in, without a password."""
    port: int = 7007
    """Port to listen on."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""

    def run(self) -> None:
        """Serve the viewer until Ctrl-C.

        Raises:
            InputError: the scene has no fitted field, or the port cannot be used.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.field.checkpoints import field_files
        from relightnerf.scene import Scene

        scene = Scene.load(self.scene)
        field_files(scene)
        device = resolve_device(self.device)
        check_port(self.host, self.port)
        from relightnerf.viewer.server import serve

        try:
            serve(scene, device, self.host, self.port)
        except KeyboardInterrupt:
            print("view: ended")


def check_port(host: str, port: int) -> None:
    """Raise ``InputError`` if the port cannot be used (the viewer would silently take another one)."""
    if not 0 < port <= _LAST_PORT:
        raise InputError(f"--port {port}: no such port", f"give a number from 1 to {_LAST_PORT}")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise InputError(
                f"--port {port}: cannot be used on {host} ({error.strerror or error})",
                f"give another, e.g. --port {port + 1}",
            ) from None
