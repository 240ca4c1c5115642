#!/usr/bin/env python3
"""Make the picture of the viewer in the documentation: a scene with its light on the left, in a real browser.

Needs Chromium and the package playwright; `scripts/setup.sh test` installs both.
"""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tyro

_EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
_BROWSER = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
_SECONDS, _SETTLE_SECONDS = 180.0, 5.0


def screenshot_viewer(scene: Path, output: Path, size: tuple[int, int] = (1200, 740)) -> None:
    """Open a scene in the viewer, put the light on the left, and write what the page looks like (JPEG).

    Args:
        scene: scene folder with a fitted field.
        output: the picture.
        size: of the page, pixels.
    """
    from playwright.sync_api import sync_playwright

    executable = next(filter(None, map(shutil.which, _EXECUTABLES)), None)
    with viewer(scene) as address, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=_BROWSER)
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.set_default_timeout(1000 * _SECONDS)
        page.goto(address)
        page.get_by_text(re.compile(r"Resolution: (512x\d+|\d+x512)px")).wait_for(state="attached")
        azimuth = page.get_by_role("slider").first
        before = azimuth.get_attribute("aria-valuenow")
        page.get_by_text("left", exact=True).click()
        page.mouse.move(1, 1)
        while azimuth.get_attribute("aria-valuenow") == before:
            page.wait_for_timeout(200)
        page.wait_for_timeout(1000 * _SETTLE_SECONDS)
        page.screenshot(path=output, type="jpeg", quality=85)
        browser.close()


@contextmanager
def viewer(scene: Path) -> Iterator[str]:
    """Serve the viewer of a scene as long as this lasts; its address is given."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "relightnerf", "view", "--scene", str(scene), "--port", str(port)]
    process, address = subprocess.Popen(command), f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + _SECONDS
        while not _answers(address) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.5)
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


def main(scene: Path, output: Path = Path("docs/viewer.jpg")) -> None:
    """Make the picture.

    Args:
        scene: scene folder with a fitted field.
        output: the picture.
    """
    screenshot_viewer(scene, output)


if __name__ == "__main__":
    tyro.cli(main)
