"""The light of a capture, found from photos of a scene whose light is known."""

from dataclasses import replace

import numpy as np
import pytest
from lit_scenes import write_lit_scene

from relightnerf.geometry.cue import ViewCues
from relightnerf.imaging.color import linear_to_srgb
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE
from relightnerf.relighters.capture_light import capture_shading, estimate_capture_light
from relightnerf.training.benchmark.relit_cases import RelitCase, set_case
from relightnerf.training.data.light_folders import LightFolder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> LightFolder:
    return write_lit_scene(tmp_path_factory.mktemp("lit"), 3)


@pytest.fixture(scope="module")
def case(scene: LightFolder) -> RelitCase:
    return set_case(scene, np.random.default_rng(0))


def _photo(case: RelitCase, linear: np.ndarray) -> RelitCase:
    noise = np.random.default_rng(5).normal(0.0, 0.004, linear.shape)
    return replace(case, view=replace(case.view, image=np.clip(linear_to_srgb(linear) + noise, 0, 1)))


@pytest.mark.parametrize(("index", "ambient"), [(0, 0.3), (1, 3.0), (2, 3.0)])
def test_finds_a_coloured_disc_in_ambient_light(
    scene: LightFolder, case: RelitCase, index: int, ambient: float
) -> None:
    lit = _photo(
        case, 0.8 * scene.layer(scene.lights.names[index]) * [1.2, 1.0, 0.7] + ambient * scene.layer("ambient")
    )
    light = estimate_capture_light([lit.view], lit.rays)
    true = scene.lights.directions[index]
    assert np.degrees(np.arccos(light.direction_world @ true)) < 6.0
    disc = light.amounts[0]
    assert disc[0] > disc[1] > disc[2]


def test_its_shading_is_the_scene_s_up_to_a_factor(scene: LightFolder, case: RelitCase) -> None:
    lit = _photo(case, scene.layer("right") + scene.layer("ambient"))
    light, cues = estimate_capture_light([lit.view], lit.rays), ViewCues(lit.view, lit.rays)
    ours = np.log(capture_shading(light.without_bounces(), lit.view, cues).mean(axis=-1)[case.mask])
    disc = cues.direct(scene.lights.directions[:1])[0]
    truth = np.log((IRRADIANCE / np.pi * disc + AMBIENT_RADIANCE * cues.ambient)[case.mask])
    assert np.corrcoef(ours, truth)[0, 1] > 0.97
    assert np.polyfit(truth, ours, 1)[0] == pytest.approx(1.0, abs=0.2)


def test_bumpy_geometry_makes_the_disc_hardly_weaker(scene: LightFolder, case: RelitCase) -> None:
    lit = _photo(case, scene.layer("right") + scene.layer("ambient"))
    smooth = estimate_capture_light([lit.view], lit.rays)
    bumps = np.random.default_rng(3).normal(0.0, 0.1, lit.view.normal_camera.shape)
    normal = lit.view.normal_camera + bumps * lit.view.known[..., None]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    bumpy = estimate_capture_light([replace(lit.view, normal_camera=normal.astype(np.float32))], lit.rays)
    assert np.degrees(np.arccos(bumpy.direction_world @ scene.lights.directions[0])) < 8.0
    shares = [light.amounts[0].mean() / light.amounts[1:7].mean() for light in (smooth, bumpy)]
    assert shares[1] > 0.6 * shares[0]


def test_is_the_same_every_time(case: RelitCase) -> None:
    first, second = (estimate_capture_light([case.view], case.rays) for _ in range(2))
    np.testing.assert_array_equal(first.direction_world, second.direction_world)
    np.testing.assert_array_equal(first.amounts, second.amounts)


def test_black_photos_leave_it_open(case: RelitCase) -> None:
    dark = replace(case.view, image=np.zeros_like(case.view.image))
    light = estimate_capture_light([dark], case.rays)
    assert np.linalg.norm(light.direction_world) == pytest.approx(1.0)
    assert np.all(np.isfinite(light.amounts)) and np.isfinite(light.misfit)
