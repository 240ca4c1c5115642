"""Where depth comes from: a folder of files, and a model that is made here with random weights."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_models import write_depth_anything

from relightnerf.cameras import load_cameras
from relightnerf.errors import InputError
from relightnerf.geometry.depth_sources import load_depth_source, scaled_to
from relightnerf.io.images import read_array, write_array
from relightnerf.pipeline.prepare import Prepare

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Depth Anything model with few and random weights, as transformers saves it."""
    return write_depth_anything(tmp_path_factory.mktemp("model"))


def test_a_folder_gives_its_files_with_holes_as_unknown(tiny_capture: Path, tmp_path: Path) -> None:
    cameras = load_cameras(tiny_capture / "transforms.json")
    for name in cameras.names:
        depth = read_array(tiny_capture / "depth" / f"{name}.npy").copy()
        depth[0, :3] = [np.nan, np.inf, -1.0]
        write_array(tmp_path / f"{name}.npy", depth)
    source = load_depth_source(f"folder:{tmp_path}", cameras, "cpu")
    assert [path.name for path in source.inputs] == [f"{name}.npy" for name in cameras.names]
    camera = cameras[3]
    given = source.depth(tiny_capture / "images" / "v3.png", camera, np.full((24, 32), 5.0, np.float32))
    assert (given[0, :3] == 0).all()
    np.testing.assert_array_equal(given[1:], read_array(tiny_capture / "depth" / "v3.npy")[1:])


def test_a_folder_without_a_view_or_with_another_size_is_named(tiny_capture: Path, tmp_path: Path) -> None:
    cameras = load_cameras(tiny_capture / "transforms.json")
    for name in cameras.names[:-1]:
        write_array(tmp_path / f"{name}.npy", np.ones((24, 32)))
    with pytest.raises(InputError, match=r"v7\.npy: no such file"):
        load_depth_source(f"folder:{tmp_path}", cameras, "cpu")
    write_array(tmp_path / "v7.npy", np.ones((12, 16)))
    with pytest.raises(InputError, match=r"v7\.npy: shape \(12, 16\)"):
        load_depth_source(f"folder:{tmp_path}", cameras, "cpu")


def test_a_model_gives_depth_in_the_field_s_scale(tiny_capture: Path, model_folder: Path) -> None:
    cameras = load_cameras(tiny_capture / "transforms.json")
    source = load_depth_source(str(model_folder), cameras, "cpu")
    field_depth = read_array(tiny_capture / "depth" / "v0.npy")
    depth = source.depth(tiny_capture / "images" / "v0.png", cameras[0], field_depth)
    assert depth.shape == (24, 32) and np.isfinite(depth).all() and (depth >= 0).all()
    known = field_depth > 0
    assert np.median(depth[known]) == pytest.approx(np.median(field_depth[known]), rel=0.3)
    again = source.depth(tiny_capture / "images" / "v0.png", cameras[0], field_depth)
    np.testing.assert_array_equal(again, depth)


def test_relative_inverse_depth_is_brought_to_the_reference_past_outliers() -> None:
    random = np.random.default_rng(0)
    truth = random.uniform(1.0, 4.0, (24, 32)).astype(np.float32)
    relative = (3.0 / truth + 0.7).astype(np.float32)
    reference = truth.copy()
    reference[:4] = 9.0  # wrong in a sixth of the picture
    reference[4:8] = 0.0  # and unknown in another
    np.testing.assert_allclose(scaled_to(relative, reference), truth, rtol=0.02)


def test_a_reference_without_depth_gives_none() -> None:
    assert (scaled_to(np.ones((4, 5), np.float32), np.zeros((4, 5), np.float32)) == 0).all()


def test_a_model_that_is_not_at_hand_offline_gives_one_line(tiny_capture: Path, tmp_path: Path) -> None:
    Prepare(tiny_capture, tmp_path / "scene").run()
    command = [sys.executable, "-m", "relightnerf", "geometry", "--scene", str(tmp_path / "scene")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    source = ["--depth-source", "nobody/no-depth-model", "--device", "cpu"]
    result = subprocess.run([*command, *source], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr.startswith("error: --depth-source nobody/no-depth-model: ")
    assert result.stderr.count("\n") == 1 and "folder:PATH" in result.stderr
    assert not (tmp_path / "scene" / "geometry").exists()
