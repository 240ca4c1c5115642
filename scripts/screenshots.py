"""Takes the README's picture of a scene's report: the page on a screen, and in the dark on a phone.

    .venv/bin/python scripts/screenshots.py --scene SCENE [--output docs/report.jpg]

It needs Chromium (Debian: apt-get install chromium) and playwright, which `scripts/setup.sh test` installs, and
`relightnerf report --scene SCENE` before.
"""

import io
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro
from PIL import Image

from relightnerf.cli import run_command
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SCREEN = {"viewport": {"width": 1280, "height": 1120}}
_PHONE = {"viewport": {"width": 375, "height": 812}, "device_scale_factor": 1.25, "color_scheme": "dark"}
_SECONDS_TO_SETTLE = 0.5
_GAP = 40
_GROUND = (221, 217, 208)
_MOST_BYTES = 300_000
_QUALITIES = (88, 82, 76, 70, 60)


@dataclass
class Screenshots:
    """Take a picture of a scene's report."""

    scene: Path
    """Scene folder with a report."""
    output: Path = Path("docs/report.jpg")
    """The picture, a JPEG of at most 300 kB."""

    def run(self) -> None:
        """Take it.

        Raises:
            InputError: there is no report, or no browser.
        """
        page = (self.scene / "report" / "index.html").resolve()
        if not page.is_file():
            raise InputError(f"{page}: no such page", f"run `relightnerf report --scene {self.scene}` first")
        screen, phone = _shots(page.as_uri())
        phone = phone.resize((round(phone.width * screen.height / phone.height), screen.height))
        sheet = Image.new("RGB", (screen.width + phone.width + 3 * _GAP, screen.height + 2 * _GAP), _GROUND)
        sheet.paste(screen, (_GAP, _GAP))
        sheet.paste(phone, (screen.width + 2 * _GAP, _GAP))
        with atomic_path(self.output) as temporary:
            temporary.write_bytes(_jpeg(sheet))
        print(f"{self.output}: {self.output.stat().st_size / 1000:.0f} kB")


def _shots(address: str) -> list[Image.Image]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise InputError("playwright is not installed", "run `scripts/setup.sh test`") from None
    executable = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if executable is None:
        raise InputError("no Chromium on this system", "as root, run `apt-get install chromium`")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        return [_shot(browser.new_page(**options), address) for options in (_SCREEN, _PHONE)]


def _shot(page: Any, address: str) -> Image.Image:
    page.goto(address)
    page.wait_for_selector("#relit[data-shown]")
    if page.viewport_size["width"] < _SCREEN["viewport"]["width"]:
        page.evaluate("document.querySelector('[data-light=right]').click()")
        page.evaluate("document.getElementById('light').scrollIntoView()")
    page.wait_for_timeout(_SECONDS_TO_SETTLE * 1000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _jpeg(image: Image.Image) -> bytes:
    for quality in _QUALITIES:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if len(file.getvalue()) <= _MOST_BYTES:
            break
    return file.getvalue()


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(Screenshots)))
