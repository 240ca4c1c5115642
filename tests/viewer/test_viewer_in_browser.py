"""The viewer in a real browser: a light is moved with sliders and in the picture, and a view is saved."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import pixels
from servers import served_viewer

from relightnerf.field.dataparser import scene_frame
from relightnerf.io.images import read_image
from relightnerf.lights import direction_from_angles
from relightnerf.pipeline.render import Render
from relightnerf.render.saved_views import SavedView, load_view
from relightnerf.scene import Scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SECONDS = 90.0
PAGE = {"width": 900, "height": 560}
PICTURE = {"x": 0, "y": 0, "width": 580, "height": 560}
"""Where the page has its picture, in pixels, once the panel has opened beside it."""


@pytest.fixture(scope="module")
def scene(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A scene to save views in."""
    root = tmp_path_factory.mktemp("viewed") / "scene"
    shutil.copytree(tiny_scene.root, root, copy_function=os.link)
    return Scene.load(root)


@pytest.fixture(scope="module")
def viewer(scene: Scene, browser: "Browser") -> "Iterator[Page]":
    """The viewer's page; at the end the viewer is stopped by ctrl-c while the page is open."""
    with served_viewer(scene) as served:
        shown = browser.new_page(viewport=PAGE)
        shown.goto(served.address)
        shown.get_by_role("button", name="Save view").wait_for(timeout=1000 * SECONDS)
        wait(lambda: canvas(shown).bounding_box() == PICTURE)
        wait(lambda: pixels(canvas(shown)).std() > 5.0)
        yield shown


def wait(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def canvas(viewer: "Page") -> "Locator":
    return viewer.locator("canvas[data-engine]")


def slider(viewer: "Page", index: int) -> "Locator":
    """The thumb of a slider of the light: 0 is azimuth, 1 elevation."""
    return viewer.get_by_role("slider").nth(index)


def angles(viewer: "Page") -> tuple[float, float]:
    azimuth, elevation = (float(slider(viewer, i).get_attribute("aria-valuenow") or "nan") for i in range(2))
    return azimuth, elevation


def drag(viewer: "Page", start: np.ndarray, way: np.ndarray, steps: int = 5) -> None:
    viewer.mouse.move(*start)
    viewer.mouse.down()
    for i in range(1, steps + 1):
        viewer.mouse.move(*(start + way * i / steps))
        viewer.wait_for_timeout(100)
    viewer.mouse.up()


def point_at_sun(viewer: "Page", place: np.ndarray) -> None:
    """Move the mouse onto a sun, and wait until its plate, blue before, is yellow: the mouse would take hold of it."""

    def red() -> np.ndarray:
        x, y = place.round().astype(int)
        return pixels(viewer)[y - 30 : y + 30, x - 30 : x + 30, 0].astype(int)

    before = red()
    viewer.mouse.move(*place)
    wait(lambda: (red() - before).max() > 80)


def middle(element: "Locator") -> np.ndarray:
    box = element.bounding_box()
    assert box is not None
    return np.array([box["x"] + box["width"] / 2, box["y"] + box["height"] / 2])


def bright_side(viewer: "Page") -> float:
    """How much brighter the right half of the gray ball is than its left."""
    shown = pixels(canvas(viewer)).astype(float).mean(axis=-1)
    side = min(shown.shape)
    low, high = round(0.02 * side), round(0.18 * side)
    ball = shown[-high:-low, -high:-low]
    return ball[:, ball.shape[1] // 2 :].mean() - ball[:, : ball.shape[1] // 2].mean()


def without_ball(viewer: "Page") -> np.ndarray:
    shown = pixels(canvas(viewer)).astype(float)
    return shown[:, : round(0.6 * shown.shape[1])]


def saved(viewer: "Page", scene: Scene, name: str) -> SavedView:
    viewer.locator("""//*[text()="View's name"]/following::input[1]""").fill(name)
    viewer.get_by_role("button", name="Save view").click()
    path = scene.renders / "views" / f"{name}.json"
    notices(viewer).filter(has_text=path.name).wait_for(timeout=1000 * SECONDS)
    return load_view(path)


def notices(viewer: "Page") -> "Locator":
    """What the viewer tells its user for some seconds, over a corner of the picture."""
    return viewer.get_by_role("alert")


def test_the_azimuth_slider_changes_the_picture_and_its_bright_side_follows(viewer: "Page") -> None:
    # the camera stands on the world's +x axis, so that azimuth 90 is on its right
    for way, side in ((13.0, 1.0), (-52.0, -1.0)):
        before = without_ball(viewer)
        drag(viewer, middle(slider(viewer, 0)), np.array([way, 0.0]))
        wait(lambda side=side: side * angles(viewer)[0] > 50.0)
        wait(lambda side=side: side * bright_side(viewer) > 20.0)
        wait(lambda before=before: np.abs(without_ball(viewer) - before).mean() > 0.5)


def test_a_preset_puts_the_light_where_it_says(viewer: "Page") -> None:
    for name, side in (("left", -1.0), ("right", 1.0), ("left", -1.0)):
        viewer.get_by_text(name, exact=True).click()
        wait(lambda side=side: side * angles(viewer)[0] > 50.0)
        wait(lambda side=side: side * bright_side(viewer) > 20.0)


def test_a_view_is_saved_and_rendered_again(viewer: "Page", scene: Scene, tmp_path: Path) -> None:
    azimuth, elevation = angles(viewer)
    view = saved(viewer, scene, "kept")
    assert view.light is not None
    direction = direction_from_angles(azimuth, elevation, "world", scene.world_up)
    np.testing.assert_allclose(view.light.directions, direction[None], atol=0.02)
    Render(scene.root, tmp_path / "again.png", view=scene.renders / "views" / "kept.json", device="cpu").run()
    shown, again = (
        read_image(path).astype(int) for path in (scene.renders / "views" / "kept.png", tmp_path / "again.png")
    )
    np.testing.assert_allclose(shown, again, atol=2)


def test_the_sun_is_dragged_over_the_dome_and_the_sliders_follow(viewer: "Page", scene: Scene) -> None:
    from relightnerf.viewer.sun import DOME_RADIUS

    camera, (azimuth, elevation) = saved(viewer, scene, "before").camera, angles(viewer)
    frame = scene_frame(scene, scene.cameras())
    place = frame.center + DOME_RADIUS / frame.scale * direction_from_angles(azimuth, elevation)
    x, y, z = (place - camera.position) @ camera.camera_to_world[:3, :3]
    focal, center_x, center_y = camera.intrinsics[1:]
    width, height = PICTURE["width"], PICTURE["height"]
    assert camera.width / camera.height == pytest.approx(width / height, rel=0.01)
    start = height / camera.height * np.array([center_x - focal * x / z, center_y + focal * y / z])
    way = np.array([width / 2 - start[0], 0.0])
    wait(lambda: notices(viewer).count() == 0)  # two of them cover the sun, and would be what the mouse takes hold of
    point_at_sun(viewer, start)
    drag(viewer, start, way)
    wait(lambda: abs(np.sin(np.radians(angles(viewer)[0]))) < 0.3)  # from the left to the middle
    wait(lambda: abs(bright_side(viewer)) < 15.0)
    after = saved(viewer, scene, "after").camera
    np.testing.assert_allclose(after.camera_to_world, camera.camera_to_world, atol=1e-6)


def test_the_capture_s_own_light_is_shown_and_left_by_moving_the_light(viewer: "Page", scene: Scene) -> None:
    box = viewer.get_by_role("checkbox").first
    box.check()
    wait(lambda: bright_side(viewer) < 10.0)
    assert saved(viewer, scene, "own").light is None
    viewer.get_by_text("right", exact=True).click()
    wait(lambda: not box.is_checked())


def test_an_environment_map_is_opened_from_a_file(viewer: "Page", scene: Scene, tmp_path: Path) -> None:
    from relightnerf.io.hdr import write_hdr

    sky = np.zeros((8, 16, 3), np.float32)
    sky[1, 4] = 20.0  # its middle column is azimuth 0, to the left of it is +y
    write_hdr(tmp_path / "sky.exr", sky)
    viewer.get_by_text("Environment map", exact=True).click()
    with viewer.expect_file_chooser() as chooser:
        viewer.get_by_role("button", name="Open .exr or .hdr").click()
    chooser.value.set_files(tmp_path / "sky.exr")
    wait(lambda: float(slider(viewer, 2).get_attribute("aria-valuenow") or "nan") == 0.0)
    light = saved(viewer, scene, "sky").light
    assert light is not None
    assert light.directions[0] @ direction_from_angles(90.0, 56.0) > 0.98
    assert light.ambient.max() == 0.0
