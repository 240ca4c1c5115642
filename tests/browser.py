"""The system's own Chromium for tests of pages, and what a page said and asked for while a test used it."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

EXECUTABLES = ("chromium", "chromium-browser", "google-chrome")
PHONE = {"viewport": {"width": 375, "height": 812}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


@dataclass
class PageLog:
    """What a page said and asked for, while it lasts."""

    errors: list[str] = field(default_factory=list)
    """Errors on the console, and exceptions that nobody caught."""
    requests: list[str] = field(default_factory=list)
    """Addresses of all requests, ``file:``, ``data:`` and ``blob:`` included."""


@contextmanager
def chromium() -> Iterator["Browser"]:
    """Start a headless Chromium; a test that asks for it is skipped where there is none."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (scripts/setup.sh test)"
    )
    executable = next(filter(None, map(shutil.which, EXECUTABLES)), None)
    if executable is None:
        pytest.skip("no Chromium on this system (as root: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        # a container's root may not make the name spaces that Chromium's sandbox consists of; WebGL without a GPU
        arguments = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
        browser = driver.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def watch(page: "Page") -> PageLog:
    """Write down from now on what a page says and asks for; call it before the page goes anywhere."""
    log = PageLog()
    page.on("console", lambda message: log.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: log.errors.append(str(error)))
    page.on("request", lambda request: log.requests.append(request.url))
    return log


def pixels(shown: "Page | Locator") -> np.ndarray:
    """Return what a page or an element looks like: (height, width, 3), 8-bit sRGB."""
    return np.asarray(Image.open(io.BytesIO(shown.screenshot())).convert("RGB"))
