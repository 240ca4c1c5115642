"""COLMAP models, text and binary, wherever they lie, become the same capture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relightnerf.capture import SourceOptions, open_capture
from relightnerf.errors import InputError
from relightnerf.pipeline.prepare import Prepare
from relightnerf.scene import Scene

OPENCV = [140.0, 175.0, 83.0, 57.0, -0.1, 0.02, 0.004, -0.003]


def test_text_and_binary_are_the_same(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    Prepare(write_model(tmp_path / "binary", "OPENCV", OPENCV), tmp_path / "a").run()
    Prepare(write_model(tmp_path / "text", "OPENCV", OPENCV, text=True), tmp_path / "b").run()
    a, b = (sorted(p for p in (tmp_path / s / "capture").rglob("*.p*")) for s in "ab")
    assert [p.name for p in a] == [p.name for p in b]
    assert all(x.read_bytes() == y.read_bytes() for x, y in zip(a, b, strict=True))
    poses = [Scene.load(tmp_path / s).cameras().camera_to_world for s in "ab"]
    assert np.allclose(*poses, atol=1e-12)


@pytest.mark.parametrize("below", [".", "sparse", "sparse/0", "colmap/sparse/0"])
def test_models_are_found(below: str, tmp_path: Path, write_model: Callable[..., Path], dots) -> None:
    source = open_capture(write_model(tmp_path, "PINHOLE", OPENCV[:4], below=below), SourceOptions())
    capture = source.load(tmp_path)
    assert source.kind == "COLMAP model"
    assert [photo.name for photo in capture.photos] == [f"photo_{view}" for view in range(4)]
    assert np.allclose([photo.camera_to_world for photo in capture.photos], dots.poses)
    assert np.allclose(capture.points.positions, dots.points)


def test_a_model_folder_itself_finds_its_images(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    root = write_model(tmp_path, "PINHOLE", OPENCV[:4])
    assert len(open_capture(root / "sparse" / "0", SourceOptions()).load(tmp_path).photos) == 4


def test_views_are_evenly_chosen(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    source = open_capture(write_model(tmp_path, "PINHOLE", OPENCV[:4]), SourceOptions(max_views=3))
    assert [photo.name for photo in source.load(tmp_path).photos] == ["photo_0", "photo_2", "photo_3"]


def test_up_and_points_reach_the_scene(tmp_path: Path, write_model: Callable[..., Path], dots) -> None:
    import open3d

    Prepare(write_model(tmp_path / "model", "PINHOLE", OPENCV[:4]), tmp_path / "scene", max_size=80).run()
    scene = Scene.load(tmp_path / "scene")
    assert scene.world_up == (0.0, 0.0, 1.0)
    assert (scene.width, scene.height) == (80, 60)
    assert np.allclose(scene.cameras().intrinsics, np.array(OPENCV[:4]) / 2)
    cloud = open3d.io.read_point_cloud(str(scene.capture / "sparse_pc.ply"))
    assert np.allclose(np.asarray(cloud.points), dots.points, atol=1e-6)
    assert np.allclose(np.asarray(cloud.colors)[:, 0], 250 / 255)


def test_absent_photos(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    root = write_model(tmp_path, "PINHOLE", OPENCV[:4])
    (root / "images" / "photo_2.png").unlink()
    with pytest.raises(InputError, match=r"1 of the 4 photos .* absent, the first is photo_2.png"):
        open_capture(root, SourceOptions())


def test_photos_of_another_shape(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    root = write_model(tmp_path, "PINHOLE", OPENCV[:4])
    Image.new("RGB", (120, 160)).save(root / "images" / "photo_1.png")
    with pytest.raises(InputError, match=r"photo_1.png: is 120x160, but its COLMAP camera is 160x120"):
        open_capture(root, SourceOptions())


def test_broken_model(tmp_path: Path, write_model: Callable[..., Path]) -> None:
    root = write_model(tmp_path, "PINHOLE", OPENCV[:4])
    path = root / "sparse" / "0" / "images.bin"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="COLMAP model cannot be read"):
        open_capture(root, SourceOptions())
