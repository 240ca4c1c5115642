import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from relightnerf.cameras import Camera, load_cameras
from relightnerf.errors import InputError
from relightnerf.geometry.raycast import RayScene
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image
from relightnerf.lights import load_lights

pytest.importorskip("mitsuba", reason="rendering needs the extra `data`")
sys.path.append(str(Path(__file__).parents[2] / "datasets"))
render_captures = importlib.import_module("render_captures")
cameras = importlib.import_module("capture_cameras")
photos = importlib.import_module("capture_photos")
mitsuba_side = importlib.import_module("demo_mitsuba")
scenes = importlib.import_module("capture_scenes")
VIEWS, SIZE = 2, "32x24"


def _config(output: Path, **values) -> object:
    return render_captures.Config(
        output=output, **{"kinds": ("single",), "views": VIEWS, "size": SIZE, "samples": 2, **values}
    )


def _bytes(folder: Path) -> dict[str, bytes]:
    files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in files.items() if name != render_captures.ABOUT}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("captures")
    render_captures.main(_config(output, sheet=output / "sheet.png"))
    assert read_image(output / "sheet.png").shape[2] == 3
    return output / "test" / "single_001"


def test_a_capture_has_photos_without_its_light_and_all_truth(capture: Path) -> None:
    given = read_json(capture / "capture" / "transforms.json")
    assert len(given["frames"]) == VIEWS and "light" not in (capture / "capture" / "transforms.json").read_text()
    for frame in given["frames"]:
        assert read_image(capture / "capture" / frame["file_path"]).shape == (24, 32, 3)
    truth = capture / "truth"
    held_out, lights = load_cameras(truth / "transforms.json"), load_lights(truth / "lights.json")
    assert len(held_out) == len(lights.names) == 4 and lights.directions[:, 2].min() > 0.2
    names = {f"{camera}__{light}.png" for camera in held_out.names for light in (*lights.names, "capture")}
    assert names == {path.name for path in truth.glob("*.png")}
    light = read_json(truth / "capture_light.json")
    assert np.linalg.norm(light["direction"]) == pytest.approx(1.0) and light["frame"] == "world"
    assert min(light["radius_deg"], light["irradiance"], light["ambient"]) > 0


def test_depth_and_normals_are_those_of_the_mesh(capture: Path) -> None:
    import open3d as o3d

    rays = RayScene(o3d.io.read_triangle_mesh(str(capture / "geometry" / "mesh.ply")))
    every = [
        *load_cameras(capture / "capture" / "transforms.json"),
        *load_cameras(capture / "truth" / "transforms.json"),
    ]
    for camera in every:
        depth, normal = (np.load(capture / "geometry" / kind / f"{camera.name}.npy") for kind in ("depth", "normal"))
        hits = rays.camera_hits(camera)
        np.testing.assert_allclose(depth, hits.depth, rtol=1e-3)
        np.testing.assert_allclose(np.linalg.norm(normal[depth > 0].astype(np.float32), axis=-1), 1.0, atol=2e-3)
        assert read_image(capture / "albedo" / f"{camera.name}.png").shape == (24, 32, 3)


def test_what_is_there_is_not_made_again_and_what_is_made_again_is_the_same(capture: Path, tmp_path: Path) -> None:
    render_captures.main(_config(tmp_path))
    folder = tmp_path / "test" / "single_001"
    assert _bytes(folder) == _bytes(capture)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    render_captures.main(_config(tmp_path))
    assert times == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with pytest.raises(InputError, match="was made with other flags"):
        render_captures.main(_config(tmp_path, samples=3))


def test_some_kinds_are_in_no_train_split(tmp_path: Path) -> None:
    train = {kind for kind, _ in render_captures.wanted(_config(tmp_path, kinds=(), split="train"))}
    assert set(scenes.KINDS) - train == {"statue", "thin", "clutter"}
    with pytest.raises(InputError, match="not in the split train"):
        render_captures.wanted(_config(tmp_path, kinds=("thin",), split="train"))


@pytest.mark.parametrize("kind", list(scenes.KINDS))
def test_a_kind_is_finite_and_its_paths_are_taken_in_full(kind: str) -> None:
    rng = np.random.default_rng(5)
    arrangement = scenes.KINDS[kind].build(rng, "test")
    for item in arrangement.items:
        assert np.isfinite(item.shape.vertices).all() and len(item.shape.uv) == len(item.shape.vertices)
        np.testing.assert_allclose(np.linalg.norm(item.shape.normals, axis=-1), 1.0, atol=1e-5)
    for path in scenes.KINDS[kind].paths:
        shots = cameras.PATHS[path](rng, arrangement, 30)
        assert len(shots) == 30 and len(cameras.between(rng, shots)) == cameras.HELD_OUT


def test_a_light_map_has_its_irradiance_and_a_perfect_camera_changes_nothing() -> None:
    rows = 256
    radiance = mitsuba_side.disc_bitmap(20.0, 2.0, 0.1, rows)[..., 0] - 0.1
    polar, around = (np.indices(radiance.shape) + 0.5) * np.pi / rows
    cosine = np.maximum(-np.sin(polar) * np.cos(around), 0.0)
    assert (radiance * cosine * (np.pi / rows) ** 2 * np.sin(polar)).sum() == pytest.approx(2.0, rel=1e-4)
    linear = np.full((8, 8, 3), 0.5, np.float32)
    files = [photos.photo(np.random.default_rng(seed), linear, photos.Faults()) for seed in (0, 1)]
    noisy = photos.photo(np.random.default_rng(0), linear, photos.Faults(shot=2e-3, quality=80))
    assert files[0] == files[1] and files[0][1:4] == b"PNG" and noisy[:2] == b"\xff\xd8"


def _script(name: str) -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_has_a_row_for_each_kind_and_takes_what_is_not_known(capture: Path, tmp_path: Path) -> None:
    evaluate = _script("evaluate_captures")
    assert evaluate.find_captures((capture.parents[1],)) == [capture]
    with pytest.raises(InputError, match="no capture with truth"):
        evaluate.find_captures((tmp_path,))
    scores = {"depth": {"median": 0.01, "off": 0.25}, "normal": None, "relighters": {}, "minutes": {"geometry": 2.0}}
    text = evaluate.table([{"kind": "single", **scores}, {"kind": "room", **scores, "depth": None}], ("compact",))
    assert "| single | 1 | 1.00 | 25.00 | 2.00 |" in text and "| room | 1 | - | - | 2.00 |" in text


def test_true_geometry_scores_no_error(capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = _script("measure_capture")

    class Found:
        def cameras(self) -> list[Camera]:
            return load_cameras(capture / "capture" / "transforms.json")

        def depth_path(self, view: str) -> Path:
            return capture / "geometry" / "depth" / f"{view}.npy"

        def normal_path(self, view: str) -> Path:
            return capture / "geometry" / "normal" / f"{view}.npy"

    assert measure.depth_scores(Found(), capture) == {"median": 0.0, "off": 0.0, "unknown": 0.0}
    assert measure.normal_scores(Found(), capture)["mean_deg"] < 1.0
    truth = measure.Truth.load(capture, None)
    assert truth.light_error_deg(3.0 * truth.capture_light) == pytest.approx(0.0, abs=1e-3)
    assert measure.depth_scores(Found(), tmp_path) is None
