"""The page in a real browser, opened from disk."""

import base64
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import PHONE, pixels, watch
from PIL import Image

from relightnerf.lights import gray_ball
from relightnerf.report_page import Explorer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def _opened(browser: "Browser", address: str, **options) -> "Iterator[Page]":
    page = browser.new_page(**options)
    page.set_default_timeout(20_000)
    log = watch(page)
    page.goto(address)
    for canvas in ("#relit", "#after"):
        page.wait_for_selector(f"{canvas}[data-shown]")
    yield page
    assert log.errors == []
    assert {request.split(":", 1)[0] for request in log.requests} <= {"file", "data", "blob"}
    assert [request for request in log.requests if request.startswith("file:")] == [address]
    page.close()


@pytest.fixture
def page(browser: "Browser", ball_page: str) -> "Iterator[Page]":
    """The page; afterwards nothing must have gone wrong, and nothing have been asked of a network."""
    yield from _opened(browser, ball_page, viewport={"width": 1280, "height": 900})


@pytest.fixture
def phone(browser: "Browser", ball_page: str) -> "Iterator[Page]":
    """The same on a phone."""
    yield from _opened(browser, ball_page, **PHONE)


def _canvas(page: "Page", selector: str = "#relit") -> np.ndarray:
    """Return a canvas' own pixels, once it shows what was asked for last."""
    page.wait_for_timeout(100)
    address = page.evaluate("selector => document.querySelector(selector).toDataURL()", selector)
    content = base64.b64decode(address.split(",")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(float)


def _halves(picture: np.ndarray) -> tuple[float, float]:
    middle = picture.shape[1] // 2
    return picture[:, :middle].mean(), picture[:, middle:].mean()


def _drag(page: "Page", selector: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Drag from one place of an element to another, each as a share of its width and height."""
    box = page.locator(selector).bounding_box()
    (x0, y0), (x1, y1) = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end))
    page.mouse.move(x0, y0)
    page.mouse.down()
    page.mouse.move(x1, y1, steps=6)
    page.mouse.up()


def _angles(page: "Page") -> tuple[float, float]:
    azimuth, elevation = re.findall(r"-?\d+", page.locator("#dome").get_attribute("aria-valuetext"))
    return float(azimuth), float(elevation)


def test_the_bright_side_follows_the_light_that_is_dragged(page: "Page") -> None:
    _drag(page, "#dome", (0.5, 0.5), (0.2, 0.5))
    left = _canvas(page)
    _drag(page, "#dome", (0.2, 0.5), (0.8, 0.5))
    right = _canvas(page)
    assert _halves(left)[0] > _halves(left)[1] + 20
    assert _halves(right)[1] > _halves(right)[0] + 20
    assert np.abs(left - right).mean() > 20


def test_lights_between_those_rendered_look_as_if_they_had_been_rendered(page: "Page", ball_explorer: Explorer) -> None:
    for view, place in ((0, (0.5, 0.5)), (1, (0.3, 0.4)), (2, (0.62, 0.81)), (0, (0.55, 0.2))):
        page.locator("[data-view]").nth(view).click()
        _drag(page, "#dome", (0.5, 0.45), place)
        direction = np.array(page.evaluate("explorer.direction")) @ ball_explorer.dome.dome_to_world.T
        expected = gray_ball(direction @ ball_explorer.cameras.camera_to_world[view, :3, :3], 48)
        assert np.abs(_canvas(page) - expected).mean() < 4.0


def test_the_light_moves_by_keys(page: "Page") -> None:
    page.locator('[data-light="above"]').click()
    dome = page.locator("#dome")
    dome.focus()
    before = _canvas(page)
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    after = _canvas(page)
    assert _halves(after)[1] > _halves(after)[0] + 20
    assert np.abs(after - before).mean() > 5
    assert _angles(page)[1] == pytest.approx(90 - 0.6 * 80, abs=1)
    elevation = _angles(page)[1]
    page.keyboard.press("Shift+ArrowRight")
    assert 0 < elevation - _angles(page)[1] < 2
    page.keyboard.press("Home")
    assert _angles(page)[1] == 90
    np.testing.assert_allclose(_canvas(page), before, atol=1)


def test_a_light_can_be_chosen_and_turned(page: "Page") -> None:
    page.locator('[data-light="capture"]').click()
    capture = _canvas(page)
    assert _halves(capture)[0] == pytest.approx(_halves(capture)[1], abs=1)
    page.locator('[data-light="left"]').click()
    turn = page.locator("#turn")
    turn.click()
    page.wait_for_function("azimuth => document.getElementById('dome').ariaValueNow != azimuth", arg=_angles(page)[0])
    turn.click()
    assert turn.get_attribute("aria-pressed") == "false"


def test_weights_are_those_of_the_light_asked_for(page: "Page") -> None:
    random = np.random.default_rng(0)
    directions = random.normal(size=(200, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    lights = np.array(page.evaluate("explorer.dome.directions"))
    found = page.evaluate("directions => directions.map(d => explorer.dome.weights(d))", directions.tolist())
    for direction, weights in zip(directions, found, strict=True):
        assert 1 <= len(weights) <= 3
        assert all(0 < weight < 1.01 for _, weight in weights)
        blend = sum(weight * lights[index] for index, weight in weights)
        if direction[2] > np.sin(np.radians(11.0)):
            np.testing.assert_allclose(blend, direction, atol=1e-5)
        else:
            assert np.sin(np.radians(9.5)) < blend[2] < np.sin(np.radians(11.5))


def test_before_and_after_part_where_the_mouse_is(page: "Page") -> None:
    frame = page.locator(".split")
    frame.scroll_into_view_if_needed()
    shown = []
    for share in (0.9, 0.1):
        _drag(page, ".split", (0.5, 0.5), (share, 0.5))
        assert float(page.locator("#split").input_value()) == pytest.approx(100 * share, abs=1)
        shown.append(pixels(frame).astype(float))
    middle = slice(shown[0].shape[1] // 4, 3 * shown[0].shape[1] // 4)
    assert np.abs(shown[0][:, middle] - shown[1][:, middle]).mean() > 20
    assert np.abs(shown[0][:, -8:] - shown[1][:, -8:]).mean() < 2


def test_before_and_after_part_by_keys(page: "Page") -> None:
    split = page.locator("#split")
    split.focus()
    before = pixels(page.locator(".split")).astype(float)
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    assert split.input_value() == "70"
    assert split.get_attribute("aria-valuetext") == "70 percent before"
    assert np.abs(pixels(page.locator(".split")) - before).mean() > 2
    page.locator("#compare-after").select_option("right")
    right = _canvas(page, "#after")
    page.locator("#compare-after").select_option("chosen")
    assert np.abs(_canvas(page, "#after") - right).mean() > 20


def test_the_video_plays(page: "Page") -> None:
    page.locator("video").scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('video').readyState >= 2 || document.querySelector('video').hidden")
    if page.locator("video").is_hidden():
        pytest.skip("this Chromium plays no H.264")
    assert page.evaluate("document.querySelector('video').duration") == pytest.approx(1.0, abs=0.1)


def test_everything_can_be_reached_and_has_a_name(page: "Page") -> None:
    assert page.evaluate("[...document.images].filter(image => !image.hasAttribute('alt')).length") == 0
    unnamed = "[...document.querySelectorAll('button, input, select, video, canvas, [role=slider]')].filter(e => "
    unnamed += "!(e.ariaLabel || e.labels?.length || e.textContent.trim())).length"
    assert page.evaluate(unnamed) == 0
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"dome", "turn", "compare-view", "compare-before", "compare-after", "split"} <= reached


def test_a_phone_shows_it_without_scrolling_sideways(phone: "Page") -> None:
    assert phone.evaluate("document.documentElement.scrollWidth") <= 375
    beyond = "[...document.querySelectorAll('body *')].filter(e => !e.closest('.scroll, .skip, svg') && "
    beyond += "e.getBoundingClientRect().right > 375.5).map(e => e.outerHTML.slice(0, 80))"
    assert phone.evaluate(beyond) == []
    phone.locator("#dome").scroll_into_view_if_needed()
    box = phone.locator("#dome").bounding_box()
    phone.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"])
    left, right = _halves(_canvas(phone))
    assert right > left + 20
