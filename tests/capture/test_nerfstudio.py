"""nerfstudio datasets: every way to write one down, and every way to get one wrong."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relightnerf.capture import Capture, SourceOptions, open_capture, prepared_cameras
from relightnerf.capture._points import read_points, write_points
from relightnerf.capture._types import Points
from relightnerf.errors import InputError

Dataset = dict[str, Any]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A dataset of four pictures of 16x12 in ``tmp_path``; not written yet."""
    (tmp_path / "images").mkdir()
    frames = []
    for index in range(4):
        Image.new("RGB", (16, 12), (50 * index, 100, 100)).save(tmp_path / "images" / f"v{index}.png")
        pose = np.eye(4)
        pose[0, 3] = index
        frames.append({"file_path": f"images/v{index}.png", "transform_matrix": pose.tolist()})
    return {"w": 16, "h": 12, "fl_x": 20.0, "fl_y": 21.0, "cx": 8.5, "cy": 5.5, "frames": frames}


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Capture]:
    def write_and_load(dataset: Dataset, **options: Any) -> Capture:
        (tmp_path / "transforms.json").write_text(json.dumps(dataset))
        return open_capture(tmp_path, SourceOptions(**options)).load(tmp_path)

    return write_and_load


def test_cameras_are_kept(dataset: Dataset, load: Callable[..., Capture]) -> None:
    cameras = prepared_cameras(load(dataset), max_size=512)
    assert cameras.names == ("v0", "v1", "v2", "v3")
    assert np.array_equal(cameras.camera_to_world, [frame["transform_matrix"] for frame in dataset["frames"]])
    assert np.array_equal(cameras.intrinsics, [[20.0, 21.0, 8.5, 5.5]] * 4)
    assert (cameras.width, cameras.height) == (16, 12)


def test_the_file_itself_and_its_order(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    dataset["frames"].reverse()
    load(dataset)
    capture = open_capture(tmp_path / "transforms.json", SourceOptions()).load(tmp_path)
    assert [photo.name for photo in capture.photos] == ["v0", "v1", "v2", "v3"]


def test_intrinsics_of_a_frame_win(dataset: Dataset, load: Callable[..., Capture]) -> None:
    dataset["frames"][2] |= {"fl_x": 30.0, "cx": 7.0}
    cameras = prepared_cameras(load(dataset), max_size=512)
    assert cameras.intrinsics[2].tolist() == [30.0, 21.0, 7.0, 5.5]
    assert cameras.intrinsics[1].tolist() == [20.0, 21.0, 8.5, 5.5]


def test_sizes_of_a_larger_original_are_scaled(dataset: Dataset, load: Callable[..., Capture]) -> None:
    dataset |= {"w": 64, "h": 48, "fl_x": 80.0, "fl_y": 84.0, "cx": 34.0, "cy": 22.0}
    assert np.allclose(prepared_cameras(load(dataset), max_size=512).intrinsics, [20.0, 21.0, 8.5, 5.5])


def test_an_angle_of_view_is_enough(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    frames = [frame | {"file_path": "./" + frame["file_path"].removesuffix(".png")} for frame in dataset["frames"]]
    cameras = prepared_cameras(load({"camera_angle_x": math.pi / 2, "frames": frames}), max_size=512)
    assert np.allclose(cameras.intrinsics, [8.0, 8.0, 8.0, 6.0])


def test_masks_named_and_beside(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    for folder, name in [("masks", "v1.png"), ("other", "m.png")]:
        (tmp_path / folder).mkdir()
        Image.new("L", (16, 12), 255).save(tmp_path / folder / name)
    dataset["frames"][0]["mask_path"] = "other/m.png"
    masks = [photo.mask for photo in load(dataset).photos]
    assert masks == [tmp_path / "other" / "m.png", tmp_path / "masks" / "v1.png", None, None]


def test_points_survive_a_round_trip(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    points = Points(random.normal(size=(50, 3)), random.integers(0, 256, (50, 3), dtype=np.uint8))
    write_points(tmp_path / "sparse_pc.ply", points)
    read = load(dataset | {"ply_file_path": "sparse_pc.ply"}).points
    assert np.allclose(read.positions, points.positions, atol=1e-6)
    assert np.array_equal(read.colors, points.colors)
    assert len(read_points(tmp_path / "sparse_pc.ply")) == 50


def _without(key: str) -> Callable[[Dataset], None]:
    return lambda dataset: dataset.pop(key)


def _in_frame(index: int, **values: Any) -> Callable[[Dataset], None]:
    return lambda dataset: dataset["frames"][index].update(values)


BROKEN: dict[str, tuple[Callable[[Dataset], Any], str]] = {
    "no frames": (_without("frames"), 'no "frames"'),
    "empty frames": (lambda dataset: dataset.update(frames=[]), 'no "frames"'),
    "no focal length": (lambda dataset: [dataset.pop("fl_x"), dataset.pop("fl_y")], 'frame 0: "fl_x" is missing'),
    "no file": (lambda dataset: dataset["frames"][1].pop("file_path"), 'frame 1: "file_path" is missing'),
    "no pose": (lambda dataset: dataset["frames"][1].pop("transform_matrix"), '"transform_matrix" is missing'),
    "nan": (_in_frame(2, transform_matrix=np.full((4, 4), np.nan).tolist()), "frame 2: the pose is not a finite"),
    "ragged": (_in_frame(2, transform_matrix=[[1, 2], [3]]), "frame 2: the pose is not a finite"),
    "scaled": (_in_frame(2, transform_matrix=np.diag([2.0, 2, 2, 1]).tolist()), "frame 2: the pose is not a rotation"),
    "mirrored": (_in_frame(2, transform_matrix=np.diag([-1.0, 1, 1, 1]).tolist()), "frame 2: the pose is not a rot"),
    "text": (lambda dataset: dataset.update(fl_x="wide"), "\"fl_x\" is 'wide', not a number"),
    "nan focal": (lambda dataset: dataset.update(fl_y=math.nan), '"fl_y" is nan'),
    "negative": (lambda dataset: dataset.update(fl_y=-3), "focal length is not positive"),
    "absent": (_in_frame(3, file_path="images/v9.png"), r"1 of 4 images are absent, the first is .*v9.png"),
    "absent mask": (_in_frame(3, mask_path="m.png"), r"frame 3: the mask .*m.png is absent"),
    "absent points": (lambda dataset: dataset.update(ply_file_path="p.ply"), "p.ply is absent"),
    "other shape": (lambda dataset: dataset.update(w=12, h=16), "v0.png: is 16x12, but .* says 12x16"),
    "panorama": (lambda dataset: dataset.update(camera_model="EQUIRECTANGULAR"), "EQUIRECTANGULAR.* not supported"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_datasets_are_refused(what: str, dataset: Dataset, load: Callable[..., Capture]) -> None:
    damage, message = BROKEN[what]
    damage(dataset)
    with pytest.raises(InputError, match=message) as caught:
        load(dataset)
    assert "\n" not in str(caught.value)


def test_broken_json(tmp_path: Path) -> None:
    (tmp_path / "transforms.json").write_text('{"frames": [')
    with pytest.raises(InputError, match=r"transforms.json: not valid JSON"):
        open_capture(tmp_path, SourceOptions())


def test_unreadable_image(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    (tmp_path / "images" / "v1.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"v1.png: cannot be read as an image"):
        load(dataset)


def test_pictures_of_different_shapes(dataset: Dataset, load: Callable[..., Capture], tmp_path: Path) -> None:
    Image.new("RGB", (12, 16)).save(tmp_path / "images" / "v1.png")
    dataset["frames"][1] |= {"w": 12, "h": 16}
    with pytest.raises(InputError, match=r"different shapes \(v0.png 16x12, v1.png 12x16\)"):
        prepared_cameras(load(dataset), max_size=512)
