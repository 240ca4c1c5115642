"""Undistortion leaves points where the pinhole camera says, and no borders."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relightnerf.cameras import Camera, load_cameras
from relightnerf.capture import Lens
from relightnerf.capture._lenses import is_pinhole, pinhole_intrinsics, resized_lens, undistorted
from relightnerf.pipeline.prepare import Prepare

LENSES = {
    "SIMPLE_PINHOLE": [150.0, 82.0, 58.0],
    "SIMPLE_RADIAL": [150.0, 80.0, 60.0, -0.15],
    "RADIAL": [150.0, 80.0, 60.0, 0.12, 0.02],
    "OPENCV": [140.0, 175.0, 83.0, 57.0, -0.25, 0.08, 0.004, -0.003],
    "FULL_OPENCV": [150.0, 150.0, 80.0, 60.0, 0.1, 0.05, 0.001, 0.001, 0.02, 0.15, 0.01, 0.0],
    "OPENCV_FISHEYE": [120.0, 120.0, 80.0, 60.0, 0.03, -0.01, 0.0, 0.0],
    "FOV": [140.0, 140.0, 80.0, 60.0, 0.5],
}
WINDOW = 11


@pytest.mark.parametrize("model", LENSES)
def test_points_lie_where_the_prepared_camera_projects_them(
    model: str, tmp_path: Path, write_model: Callable[..., Path], dots
) -> None:
    Prepare(write_model(tmp_path / "model", model, LENSES[model]), tmp_path / "scene").run()
    cameras = load_cameras(tmp_path / "scene" / "capture" / "transforms.json")
    assert np.allclose(cameras.camera_to_world, dots.poses, atol=1e-9)
    checked = 0
    for view, name in enumerate(cameras.names):
        picture = np.asarray(Image.open(tmp_path / "scene/capture/images" / f"{name}.png"))[..., 0].astype(float)
        pixels = _projected(dots.points, cameras[view])
        distances = np.linalg.norm(pixels[:, None] - pixels[None], axis=-1) + 1e9 * np.eye(len(pixels))
        alone = pixels[distances.min(axis=1) > 2 * WINDOW]
        checked += len(alone)
        for pixel in alone:
            assert np.linalg.norm(_centroid(picture, *pixel) - pixel) < 0.2, (name, pixel)
    assert checked > len(cameras)


def _projected(points: np.ndarray, camera: Camera) -> np.ndarray:
    x, y, z = ((points - camera.position) @ camera.camera_to_world[:3, :3]).T
    fx, fy, cx, cy = camera.intrinsics
    return np.stack([cx - fx * x / z, cy + fy * y / z], axis=1)


def _centroid(picture: np.ndarray, u: float, v: float) -> np.ndarray:
    left, top = int(u) - WINDOW // 2, int(v) - WINDOW // 2
    window = np.maximum(picture[top : top + WINDOW, left : left + WINDOW] - 60, 0)
    x, y = np.meshgrid(np.arange(WINDOW) + left + 0.5, np.arange(WINDOW) + top + 0.5)
    return np.array([(window * x).sum(), (window * y).sum()]) / window.sum()


@pytest.mark.parametrize("model", LENSES)
def test_no_borders(model: str) -> None:
    lens = Lens(model, 160, 120, tuple(LENSES[model]))
    _, seen = undistorted(np.full((120, 160, 3), 200, dtype=np.uint8), lens)
    assert seen is None


@pytest.mark.parametrize("model", LENSES)
def test_resizing_a_lens_scales_its_pinhole(model: str) -> None:
    lens = Lens(model, 160, 120, tuple(LENSES[model]))
    resized = pinhole_intrinsics(resized_lens(lens, 320, 240))
    assert np.allclose(resized, 2 * np.array(pinhole_intrinsics(lens)), rtol=0.011)


def test_a_pinhole_is_left_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    lens = Lens("OPENCV", 16, 12, (15.0, 14.0, 8.0, 6.0, 0.0, 0.0, 0.0, 0.0))
    assert is_pinhole(lens)
    assert pinhole_intrinsics(lens) == (15.0, 14.0, 8.0, 6.0)
    assert undistorted(image, lens)[0] is image
    assert not is_pinhole(Lens("OPENCV_FISHEYE", 16, 12, lens.params))
