import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relightnerf.errors import InputError
from relightnerf.imaging.color import srgb_to_linear, to_float
from relightnerf.io.images import parse_size
from relightnerf.lights import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE
from relightnerf.training.data.light_folders import LightFolder, find_light_folders

sys.path.append(str(Path(__file__).parents[2] / "datasets"))
render_spheres = importlib.import_module("render_spheres")
ss = importlib.import_module("sphere_scene")
SCENES = 6


def _config(output: Path, **values) -> object:
    return render_spheres.Config(output=output, **{"scenes": SCENES, "lights": 4, "size": "48x32", **values})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _grey(scene: LightFolder, name: str) -> np.ndarray:
    return to_float(np.asarray(Image.open(scene.folder / name)))


@pytest.fixture(scope="module")
def spheres(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("spheres")
    render_spheres.main(_config(output))
    return output


def test_a_resumed_set_is_the_same_bytes_whatever_the_number_of_scenes(spheres: Path, tmp_path: Path) -> None:
    render_spheres.main(_config(tmp_path, scenes=2, first=3))
    (tmp_path / "train" / "000004" / "meta.json").unlink()
    (tmp_path / "train" / "000004" / "light_02.png").write_bytes(b"half a pict")
    render_spheres.main(_config(tmp_path, workers=2))
    assert _bytes(tmp_path) == _bytes(spheres)


def test_scenes_that_are_there_are_left_alone(spheres: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in spheres.rglob("*.png")}
    render_spheres.main(_config(spheres))
    assert before == {path: path.stat().st_mtime_ns for path in spheres.rglob("*.png")}
    with pytest.raises(InputError, match="was made otherwise"):
        render_spheres.main(_config(spheres, lights=5))


def test_splits_and_seeds_have_nothing_in_common(spheres: Path, tmp_path: Path) -> None:
    render_spheres.main(_config(tmp_path, split="test"))
    render_spheres.main(_config(tmp_path / "other", seed=1))
    roots = (spheres / "train", tmp_path / "test", tmp_path / "other" / "train")
    directions = [[scene.lights.directions for scene in find_light_folders(root)] for root in roots]
    flat = np.concatenate([np.concatenate(some) for some in directions])
    assert len(np.unique(flat.round(6), axis=0)) == len(flat) == 3 * SCENES * 4


def test_lights_are_above_the_horizon_and_mostly_on_the_cameras_side() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scene = ss.random_scene(rng)
        directions = ss.random_directions(scene, 200, rng)
        np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0)
        assert (directions @ scene.up).min() > np.sin(np.radians(ss.LOWEST_LIGHT_DEG)) - 1e-6
        # the whole disc is above the plane too, although it is tilted
        assert np.degrees(np.arcsin(directions @ scene.normal)).min() > DISC_RADIUS_DEG
        assert (directions[:, 2] > 0.0).mean() > 0.75


def test_points_lie_on_the_surfaces_and_on_the_rays() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        scene = ss.random_scene(rng)
        rays = ss.pixel_rays(scene, 40, 30)
        surface = ss.trace(scene, rays)
        np.testing.assert_allclose(np.cross(surface.points, rays), 0.0, atol=1e-3)
        sphere, plane = surface.kind == ss.SPHERE, surface.kind == ss.PLANE
        assert sphere.mean() > 0.03 and plane.mean() > 0.1
        distance = np.linalg.norm(surface.points - scene.centre, axis=-1)
        np.testing.assert_allclose(distance[sphere], scene.radius, rtol=1e-3)
        assert distance[plane].min() > scene.radius * 0.999
        np.testing.assert_allclose(surface.points[plane] @ scene.normal, scene.height, atol=1e-3)
        assert (np.sum(surface.normals * rays, axis=-1)[sphere | plane] < 0.0).all()


def test_a_white_surface_that_faces_the_light_has_the_canonical_value() -> None:
    scene = ss.random_scene(np.random.default_rng(2))
    # a point of the plane far from the sphere, and the light above it
    foot = scene.centre - (scene.normal @ scene.centre - scene.height) * scene.normal
    point = (foot + 1e4 * scene.plane_axes[:, 0])[None].astype(np.float32)
    surface = ss.Surface(np.array([ss.PLANE]), point, scene.normal[None])
    irradiance, seen = ss.light_surface(scene, surface, scene.normal.astype(np.float64))
    assert irradiance[0] == pytest.approx(IRRADIANCE, rel=1e-4) and seen[0] == 1.0
    linear = ss.radiance(scene, surface, np.float32(0.8), irradiance, ss.ambient_part(scene, surface))
    np.testing.assert_allclose(linear, 0.68, atol=0.001)
    tilted = np.cos(np.radians(60)) * scene.normal + np.sin(np.radians(60)) * scene.plane_axes[:, 0]
    assert ss.light_surface(scene, surface, tilted)[0][0] == pytest.approx(IRRADIANCE / 2, rel=1e-3)


def test_only_edges_need_samples_and_they_agree_with_all_samples() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        scene = ss.random_scene(rng)
        surface = ss.trace(scene, ss.pixel_rays(scene, 40, 30))
        direction = ss.random_directions(scene, 1, rng)[0]
        towards = ss.disc_directions(direction).astype(np.float64)
        to_centre = (scene.centre - surface.points).astype(np.float64)
        along = to_centre @ towards.T
        past = np.sum(to_centre**2, axis=-1) - scene.radius**2
        blocked = (along > 0) & (along**2 > past[:, None]) & (surface.kind == ss.PLANE)[:, None]
        expected = np.mean(np.maximum(surface.normals @ towards.T, 0.0) * ~blocked, axis=-1)
        irradiance, seen = ss.light_surface(scene, surface, direction)
        np.testing.assert_allclose(irradiance / IRRADIANCE, expected / np.mean(towards @ direction), atol=1e-3)
        assert 0.0 <= seen.min() and seen.max() <= 1.0
        assert not seen[surface.normals @ direction < 0.0].any()


def test_the_open_part_of_the_ambient_agrees_with_its_integral() -> None:
    # random directions over the hemisphere of a point on the plane, weighted by their cosine
    rng = np.random.default_rng(4)
    scene = ss.random_scene(rng)
    directions = rng.normal(size=(200_000, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    cosine = directions @ scene.normal
    for distance in (0.6, 1.2, 3.0):
        foot = scene.centre - (scene.normal @ scene.centre - scene.height) * scene.normal
        point = (foot + distance * scene.radius * scene.plane_axes[:, 0]).astype(np.float32)
        to_centre = scene.centre - point
        along = directions @ to_centre
        blocked = (along > 0) & (along**2 > to_centre @ to_centre - scene.radius**2)
        expected = np.sum(np.maximum(cosine, 0.0) * ~blocked) / np.sum(np.maximum(cosine, 0.0))
        surface = ss.Surface(np.array([ss.PLANE]), point[None], scene.normal[None])
        assert ss.ambient_part(scene, surface)[0] == pytest.approx(expected, abs=0.005)


def test_pictures_are_albedo_times_disc_and_ambient(spheres: Path) -> None:
    for scene in find_light_folders(spheres / "train"):
        albedo = srgb_to_linear(_grey(scene, "albedo.png"))
        normal, ambient = scene.normal(), _grey(scene, "ambient.png")
        for index, light in enumerate(scene.lights.directions):
            facing = normal @ light
            # fully lit, away from edges of objects, where the mean of a pixel's rays is not its centre's value
            inner = (scene.visibility(index) == 1.0) & (facing > 0.2) & (normal[..., 2] > 0.3)
            shading = IRRADIANCE / np.pi * facing + AMBIENT_RADIANCE * ambient
            error = np.abs(srgb_to_linear(scene.picture(index)) - albedo * shading[..., None])[inner]
            assert inner.sum() > 20
            assert np.median(error) < 0.004 and np.quantile(error, 0.9) < 0.03


def test_shaded_sides_and_shadows_lie_away_from_the_light(spheres: Path) -> None:
    compared = 0
    for scene in find_light_folders(spheres / "train"):
        albedo = srgb_to_linear(_grey(scene, "albedo.png")).mean(axis=-1)
        sphere = _grey(scene, "sphere.png") > 0
        columns = np.arange(scene.size[0])[None].repeat(scene.size[1], axis=0)
        middle = columns[sphere].mean()
        for index, light in enumerate(scene.lights.directions):
            if abs(light[0]) < 0.4:
                continue
            shading = srgb_to_linear(scene.picture(index)).mean(axis=-1) / np.maximum(albedo, 0.01)
            to_light = np.sign(light[0]) * (columns - middle)
            assert shading[sphere & (to_light > 2)].mean() > shading[sphere & (to_light < -2)].mean()
            shadow = ~sphere & (scene.depth() > 0) & (scene.visibility(index) < 0.1)
            compared += int(shadow.any())
            assert not shadow.any() or to_light[shadow].mean() < 0
    assert compared > 3


def test_wrong_sizes_are_named() -> None:
    assert parse_size("96x64", "--size") == (96, 64)
    for wrong in ("64", "64x", "ax2", "0x4", "1x2x3"):
        with pytest.raises(InputError, match=f"--size {wrong}"):
            parse_size(wrong, "--size")
