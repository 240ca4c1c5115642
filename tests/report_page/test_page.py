import re
from pathlib import Path

import numpy as np
import pytest

from relightnerf.cameras import Cameras
from relightnerf.io.files import write_json
from relightnerf.io.images import read_array, write_array
from relightnerf.lights import LightSet, normalized_direction
from relightnerf.pipeline.prepare import Prepare
from relightnerf.report_page import Dome, all_checks, duration, page, shared_surface, spread_views
from relightnerf.scene import Scene

CONSISTENT = {"log_ratio": {"before": 0.07, "after": 0.04}}


def _rows(own: float, identity: float) -> dict:
    return {"rows": {"this run": {"mean": {"psnr_scaled": own}}, "identity": {"mean": {"psnr_scaled": identity}}}}


@pytest.fixture(scope="module")
def scene(tiny_capture: Path, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A scene that is prepared, and nothing more."""
    root = tmp_path_factory.mktemp("prepared") / "scene"
    Prepare(tiny_capture, root).run()
    return Scene.load(root)


def _depths(capture: Path, cameras: Cameras) -> list[np.ndarray]:
    return [read_array(capture / "depth" / f"{name}.npy") for name in cameras.names]


def test_every_light_above_the_lowest_ring_is_in_one_triangle() -> None:
    dome = Dome.of((0.0, 0.0, 1.0))
    random = np.random.default_rng(0)
    z, azimuth = random.uniform(np.sin(np.radians(12.0)), 1.0, 500), random.uniform(0.0, 2.0 * np.pi, 500)
    flat = np.sqrt(1.0 - z**2)
    directions = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), z], axis=-1)
    weights = np.linalg.solve(dome.directions[dome.triangles].transpose(0, 2, 1)[None], directions[:, None, :, None])
    assert ((weights[..., 0] > 1e-9).all(axis=-1).sum(axis=-1) == 1).all()


def test_the_dome_stands_on_the_scene_s_ground() -> None:
    up = normalized_direction(np.array([0.3, -0.8, 0.4]))
    dome = Dome.of(tuple(up))
    elevations = np.degrees(np.arcsin(dome.lights().directions @ up))
    np.testing.assert_allclose(elevations, dome.angles_deg[:, 1], atol=1e-6)
    assert len(set(dome.lights().names)) == len(dome.directions) == 32
    assert dome.triangles.max() == 31


def test_lights_far_from_all_that_were_learnt_are_known(scene: Scene) -> None:
    dome, cameras = Dome.of((0.0, 0.0, 1.0)), scene.cameras()
    assert not any(dome.far_from(dome.lights(), cameras, 1.0))
    far = dome.far_from(LightSet("world", ("east",), np.array([[1.0, 0.0, 0.0]])), cameras, 30.0)
    assert [not is_far for is_far in far] == [bool(d[0] > np.cos(np.radians(30.0))) for d in dome.directions]


def test_views_are_spread_and_held_out_ones_come_first(scene: Scene) -> None:
    cameras = scene.cameras()
    views = spread_views(cameras, scene.world_up, 2, ["v6", "v3"])
    assert set(views) == {"v3", "v6"}
    more = spread_views(cameras, scene.world_up, 3, ["v5"])
    assert more[0] == "v5" and len(set(more)) == 3
    assert "v1" in more  # the other side of the ring
    assert len(spread_views(cameras, scene.world_up, 99)) == len(cameras)


def test_views_share_what_others_see_too(tiny_capture: Path, scene: Scene) -> None:
    cameras = scene.cameras()
    depths = _depths(tiny_capture, cameras)
    assert shared_surface(cameras, depths).min() > 0.6
    opposite = cameras.subset(["v0", "v4"])
    assert shared_surface(opposite, [depths[0], depths[4]]).max() == 0.0
    same = Cameras(("a", "b", "c"), cameras.camera_to_world[[0] * 3], cameras.intrinsics[[0] * 3], 32, 24)
    np.testing.assert_allclose(shared_surface(same, [depths[0]] * 3), 1.0)
    assert shared_surface(same, [np.zeros((24, 32))] * 3).max() == 0.0


def test_checks_warn_beyond_their_limits_only(scene: Scene) -> None:
    def states(consistency: dict, metrics: dict) -> dict[str, bool | None]:
        return {c.title: c.passed for c in all_checks(scene, scene.cameras(), consistency, metrics)}

    good = states(CONSISTENT, _rows(24.0, 20.0))
    assert good["Number of photos"] is False  # there are 8
    assert good["Overlap of the photos"] is None  # no depth yet
    assert good["Agreement of the relit views"] and good["Held-out pictures"] and good["Gain of relighting"]
    bad = states({"log_ratio": {"before": 0.2, "after": 0.09}}, _rows(18.0, 19.0))
    assert not any(bad[title] for title in ("Agreement of the relit views", "Held-out pictures", "Gain of relighting"))
    assert all(passed in (True, False, None) and type(passed) is not np.bool_ for passed in bad.values())
    assert list(bad.values()) == sorted(bad.values(), key=lambda passed: {False: 0, None: 1, True: 2}[passed])


def test_a_page_without_anything_says_what_to_run(scene: Scene) -> None:
    text = page(scene, None)
    for command in ("fit", "geometry", "evaluate", "render"):
        assert f"relightnerf {command} --scene scene" in text
    assert "Photograph the scene from more sides" in text and "checks ask for attention: number of photos" in text
    assert "8 photos" in text and 'id="data"' not in text


def test_names_are_escaped_and_nothing_is_loaded(ball_page: str, ball_scene: Scene) -> None:
    text = (ball_scene.report / "index.html").read_text()
    assert ball_page.endswith("index.html")
    assert 'onerror="' not in text and "<script>boom" not in text
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.84, "0.8 s"), (41.4, "41 s"), (242.0, "4 min 02 s"), (7500.0, "2 h 05 min")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_unsure_geometry_is_told_with_where_photos_would_help(tiny_capture: Path, scene: Scene) -> None:
    cameras = scene.cameras()
    for name, depth in zip(cameras.names, _depths(tiny_capture, cameras), strict=True):
        write_array(scene.depth_path(name), depth)
    for share, passed in ((0.4, False), (0.05, True)):
        write_json(scene.unsure_path, {"share": share, "azimuth_deg": 40, "elevation_deg": 20})
        check = next(c for c in all_checks(scene, cameras, {}, {}) if c.title == "Sure geometry")
        assert check.passed is passed and f"{share:.0%}" in check.found
        assert "azimuth 40, elevation 20" in check.advice
