import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.geometry.raycast import RayScene
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE
from relightnerf.training.data.light_folders import find_light_folders

pytest.importorskip("mitsuba", reason="rendering needs the extra `data`")
sys.path.append(str(Path(__file__).parents[2] / "datasets"))
render_procedural = importlib.import_module("render_procedural")
shapes = importlib.import_module("procedural_shapes")
materials = importlib.import_module("procedural_materials")
scenes = importlib.import_module("procedural_scenes")
SIZE = "40x32"


def _config(output: Path, **values) -> object:
    return render_procedural.Config(output=output, **{"scenes": 2, "lights": 2, "size": SIZE, "samples": 2, **values})


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("procedural")
    render_procedural.main(_config(output, meshes=True))
    return output


def test_a_resumed_set_is_the_same_bytes(rendered: Path, tmp_path: Path) -> None:
    render_procedural.main(_config(tmp_path, scenes=1, first=1, meshes=True))
    (tmp_path / "train" / "000001" / "meta.json").unlink()
    (tmp_path / "train" / "000001" / "ambient.exr").write_bytes(b"half a pict")
    render_procedural.main(_config(tmp_path, scenes=1, first=1, meshes=True))
    assert _bytes(tmp_path / "train" / "000001") == _bytes(rendered / "train" / "000001")
    with pytest.raises(InputError, match="was made otherwise"):
        render_procedural.main(_config(tmp_path, first=1, lights=3))


def test_scenes_that_are_there_get_the_geometry_of_a_field_that_they_lack(rendered: Path) -> None:
    scene = find_light_folders(rendered)[0]
    before = _bytes(scene.folder)
    (scene.folder / "inexact.npz").unlink()
    render_procedural.main(_config(rendered, meshes=True))
    assert _bytes(scene.folder) == before
    known = (scene.depth() > 0) & (scene.inexact("depth") > 0)
    off = np.abs(np.log(scene.inexact("depth")[known] / scene.depth()[known]))
    cosine = np.sum(scene.inexact("normal").astype(np.float32) * scene.normal(), axis=-1)[known]
    assert known.mean() > 0.3 and 0.002 < np.median(off) < 0.1 and 0.8 < np.median(cosine) < 0.9999
    assert scene.inexact("visibility").shape == (2, 32, 40) and scene.inexact("ambient_visibility").dtype == np.uint8


def test_scenes_hold_all_layers_and_geometry_that_agrees_with_their_mesh(rendered: Path) -> None:
    import open3d as o3d

    for scene in find_light_folders(rendered):
        assert scene.layers == ("environment_0",) and scene.size == (40, 32) and len(scene) == 2
        whole, layers = scene.picture(0), scene.layer(scene.lights.names[0]) + scene.layer("ambient")
        assert np.all(layers >= 0) and whole[scene.mask() > 0].mean() > 0.02
        focal = 20.0 / np.tan(np.radians(scene.fov_deg) / 2.0)
        camera = Camera("camera", np.eye(4), np.array([focal, focal, 20.0, 16.0]), 40, 32)
        rays = RayScene(o3d.io.read_triangle_mesh(str(scene.folder / "mesh.ply")))
        hits, depth = rays.camera_hits(camera), scene.depth()
        np.testing.assert_allclose(hits.depth, depth, rtol=1e-3)
        points = camera.points_world(depth).astype(np.float32)[depth > 0]
        normals = scene.normal()[depth > 0].astype(np.float32)
        seen = rays.light_visibility(points, normals, scene.lights.directions, 8)
        stored = np.stack([scene.visibility(i)[depth > 0] for i in range(2)])
        assert np.abs(seen - stored).mean() < 0.06


def test_a_matt_plane_has_the_canonical_light_s_brightness(rendered: Path) -> None:
    """Every layer in closed form; rendered in the variant that the fixture's processes choose."""
    import demo_mitsuba
    from procedural_renderer import Renderer

    demo_mitsuba.pick_variant()
    white = materials.Material(np.full((4, 4, 3), 0.8, np.float32), 1.0, 0.0, 0.0)
    plane = shapes.rectangle(9.0, 9.0, 1.0)
    arrangement = scenes.Arrangement("plane", (scenes.Item(plane, white),), np.zeros(3), 1.0, (0, 360), (89, 90))
    pose = np.eye(4)
    pose[2, 3] = 2.0
    renderer = Renderer(arrangement, Camera("c", pose, np.array([30.0, 30.0, 12.0, 12.0]), 24, 24), 64, 0)
    straight, slanted = (renderer.disc(np.array([np.sqrt(1 - z * z), 0.0, z])).mean() for z in (1.0, 0.5))
    assert straight == pytest.approx(0.8 * IRRADIANCE / np.pi, rel=0.12)  # Disney's diffuse lobe is not quite Lambert's
    assert slanted / straight == pytest.approx(0.5, abs=0.04)
    assert renderer.ambient().mean() == pytest.approx(0.8 * AMBIENT_RADIANCE, rel=0.12)
    even = np.full((8, 16, 3), AMBIENT_RADIANCE, np.float32)
    assert renderer.environment(even).mean() == pytest.approx(renderer.ambient().mean(), rel=0.01)


def test_splits_share_no_mesh_and_no_picture() -> None:
    for of_split in (shapes.furniture_names, materials.packaged_pictures):
        found = [set(of_split(split)) for split in shapes.SPLITS]
        assert not found[0] & found[1] and not found[0] & found[2] and not found[1] & found[2]
    assert {shapes.split_of(str(i)) for i in range(100)} == set(shapes.SPLITS)


@pytest.mark.parametrize("seed", range(6))
def test_shapes_stand_on_the_ground_with_unit_normals(seed: int) -> None:
    shape = shapes.random_primitive(np.random.default_rng(seed))
    assert len(shape.vertices) == len(shape.normals) == len(shape.uv) and len(shape.vertices) % 3 == 0
    assert shape.vertices[:, 2].min() == pytest.approx(0.0, abs=1e-6)
    assert 0.25 < np.ptp(shape.vertices, axis=0).max() < 0.91
    np.testing.assert_allclose(np.linalg.norm(shape.normals, axis=-1), 1.0, atol=1e-6)


def test_lights_are_above_the_ground_and_half_of_them_the_reference_s() -> None:
    rng = np.random.default_rng(3)
    arrangement = scenes.random_arrangement(rng, "train")
    pose = scenes.random_pose(rng, arrangement, 0.4)
    lights = scenes.random_lights(rng, 8, pose)
    assert len(lights) == 8 and sum(name.startswith("dir_") for name in lights) == 4
    directions = np.array(list(lights.values()))
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1.0, atol=2e-3)
    assert directions[:, 2].min() > 0


def test_an_environment_has_a_mean_of_one_above_the_horizon() -> None:
    for seed in range(4):
        sky = scenes.random_environment(np.random.default_rng(seed))[:32].mean(axis=-1)
        polar = (np.arange(32) + 0.5) / 64 * np.pi
        assert sky.min() >= 0 and np.average(sky.mean(axis=1), weights=np.sin(polar)) == pytest.approx(1.0, rel=1e-4)
