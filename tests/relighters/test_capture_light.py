"""The light of a capture, found from photos of a scene whose light is known."""

from dataclasses import replace

import numpy as np
import open3d
import pytest
from lit_scenes import write_lit_scene

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE
from relightnerf.relighters.capture_light import capture_shading, estimate_capture_light
from relightnerf.training.benchmark.relit_cases import RelitCase, set_case
from relightnerf.training.data.light_folders import LightFolder

SUN = np.array([-0.8, -0.2, 0.55]) / np.linalg.norm([-0.8, -0.2, 0.55])
BUMPS = 0.06
"""Standard deviation of each part of a unit normal: 3.4 degrees to either side."""


def box_on_plain_ground() -> tuple[RayScene, list[View]]:
    """Return four photos of a box on a large plain ground in a hard sun, with bumpy normals."""
    ground = open3d.geometry.TriangleMesh.create_box(6.0, 6.0, 0.1).translate((-3.0, -3.0, -0.1))
    solid = ground + open3d.geometry.TriangleMesh.create_box(0.4, 0.3, 0.6).translate((-0.2, -0.15, 0.0))
    # Flat faces: none shares a vertex with another.
    corners = np.asarray(solid.vertices)[np.asarray(solid.triangles)].reshape(-1, 3)
    faces = np.arange(len(corners)).reshape(-1, 3)
    rays = RayScene(
        open3d.geometry.TriangleMesh(open3d.utility.Vector3dVector(corners), open3d.utility.Vector3iVector(faces))
    )
    random, views = np.random.default_rng(1), []
    for azimuth in np.deg2rad([20.0, 110.0, 200.0, 290.0]):
        position = 3.0 * np.array([0.8 * np.cos(azimuth), 0.8 * np.sin(azimuth), 0.6])
        pose = look_at(position, np.array([0.0, 0.0, 0.2]), (0.0, 0.0, 1.0))
        camera = Camera("view", pose, np.array([120.0, 120.0, 64.0, 48.0]), 128, 96)
        hits = rays.camera_hits(camera)
        known = hits.depth > 0
        points = camera.points_world(hits.depth)[known].astype(np.float32)
        normals = (hits.normal_camera @ camera.camera_to_world[:3, :3].T)[known]
        lit = np.maximum(normals @ SUN, 0.0) * rays.light_visibility(points, normals, SUN[None], 16, radius_deg=1.0)[0]
        shading = 9.0 / np.pi * lit + 0.25 * rays.ambient_visibility(points, normals, 64)
        linear = np.zeros((*known.shape, 3))
        linear[known] = 0.35 * shading[:, None] * np.where(points[:, 2:] < 0.01, (0.3, 0.6, 0.35), (0.5, 0.55, 0.5))
        noisy = np.clip(linear_to_srgb(linear) + random.normal(0.0, 0.006, linear.shape), 0.0, 1.0)
        bumpy = hits.normal_camera + random.normal(0.0, BUMPS, linear.shape) * known[..., None]
        bumpy /= np.maximum(np.linalg.norm(bumpy, axis=-1, keepdims=True), 1e-6)
        views.append(View(camera, noisy.astype(np.float32), hits.depth, bumpy.astype(np.float32)))
    return rays, views


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


def test_a_hard_sun_is_found_on_plain_ground() -> None:
    # Most pairs lie on the ground. Bumps speak against any disc there, and only the edges of the shadow for one:
    # with pairs as they come, the direction is 37 degrees off.
    rays, views = box_on_plain_ground()
    assert np.degrees(np.arccos(estimate_capture_light(views, rays).direction_world @ SUN)) < 6.0


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
