"""Structure from motion finds the cameras of a real capture, in an upright world, resumed or not."""

import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest

from relightnerf.capture import Capture, _pairs
from relightnerf.capture import _sfm as sfm
from relightnerf.capture._matching import match_pairs
from relightnerf.capture._pairs import pairs_to_match
from relightnerf.capture._pictures import picture_size
from relightnerf.errors import InputError

DEMO = Path(__file__).parents[2] / "datasets" / "demo" / "capture"
VIEWS = 10
FOCAL = 274.5
"""What EXIF data would say, pixels."""


def _demo() -> tuple[list[sfm.Unposed], np.ndarray]:
    """Return photos next to one another of the demo capture, and their true poses."""
    if not (DEMO / "transforms.json").is_file():
        pytest.skip("the demo capture is not there")
    frames = json.loads((DEMO / "transforms.json").read_text())["frames"]
    poses = np.array([frame["transform_matrix"] for frame in frames])
    nearest = np.argsort(np.linalg.norm(poses[:, :3, 3] - poses[0, :3, 3], axis=1))[:VIEWS]
    photos = []
    for index in nearest:
        path = DEMO / frames[index]["file_path"]
        photos.append(sfm.Unposed(path.stem, path, None, *picture_size(path), FOCAL))
    return photos, poses[nearest]


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, np.ndarray, Path]:
    photos, poses = _demo()
    workspace = tmp_path_factory.mktemp("sfm")
    return sfm.pose_photos(photos, workspace, quick=True, ordered=False), poses, workspace


def test_poses_are_the_true_ones(posed: tuple[Capture, np.ndarray, Path]) -> None:
    capture, poses, _ = posed
    photos, _ = _demo()
    true = {photo.name: pose for photo, pose in zip(photos, poses, strict=True)}
    found = np.stack([photo.camera_to_world for photo in capture.photos])
    wanted = np.stack([true[photo.name] for photo in capture.photos])
    assert len(found) == VIEWS
    similarity = pycolmap.estimate_sim3d(found[:, :3, 3].copy(), wanted[:, :3, 3].copy())
    moved = np.stack([similarity * position for position in found[:, :3, 3]])
    assert (
        np.linalg.norm(moved - wanted[:, :3, 3], axis=1).max() < 0.03 * np.linalg.norm(wanted[:, :3, 3], axis=1).max()
    )
    turned = similarity.rotation.matrix() @ found[:, :3, :3]
    cosines = (np.einsum("nij,nij->n", turned, wanted[:, :3, :3]) - 1) / 2
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 4.5


def test_the_world_is_upright_and_of_size_one(posed: tuple[Capture, np.ndarray, Path]) -> None:
    capture, _, _ = posed
    poses = np.stack([photo.camera_to_world for photo in capture.photos])
    assert np.median(np.linalg.norm(poses[:, :3, 3], axis=1)) == pytest.approx(1)
    assert np.allclose(np.median(capture.points.positions, axis=0), 0, atol=0.1)
    assert poses[0, 0, 3] > 0
    assert poses[0, 1, 3] == pytest.approx(0, abs=1e-9)
    assert (poses[:, 2, 1] > 0).all()


@pytest.mark.filterwarnings("ignore:.* tasks which were still being processed")  # joblib's, of being interrupted
def test_an_interrupted_search_ends_with_the_same_bytes(
    posed: tuple[Capture, np.ndarray, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after some features, after some matches, and before the model is written."""
    _, _, whole = posed
    photos, _ = _demo()
    monkeypatch.setattr(_pairs, "_SETTINGS", _pairs.PairSettings(tile=4))
    for name, calls in [("extract_features", 1), ("DatabaseTransaction", 2), ("incremental_mapping", 0)]:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(pycolmap, name, _killed_after(getattr(pycolmap, name), calls))
            sfm.pose_photos(photos, tmp_path, quick=True, ordered=False)
    sfm.pose_photos(photos, tmp_path, quick=True, ordered=False)
    for path in sorted((whole / "model").iterdir()):
        assert (tmp_path / "model" / path.name).read_bytes() == path.read_bytes(), path.name


def test_matches_do_not_depend_on_how_many_processes_look_for_them(
    posed: tuple[Capture, np.ndarray, Path], tmp_path: Path
) -> None:
    database = shutil.copy(posed[2] / "database.db", tmp_path / "database.db")
    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        photos, _ = _demo()
        pairs = list(itertools.combinations([ids[f"{photo.name}.png"] for photo in photos], 2))
        whole = [_matched(opened, pair) for pair in pairs]
        for pair in pairs[5:]:
            opened.delete_matches(*pair)
            opened.delete_two_view_geometry(*pair)
    match_pairs(database, [pairs[start::4] for start in range(4)], tmp_path / "scratch")
    with pycolmap.Database.open(database) as opened:
        assert [_matched(opened, pair) for pair in pairs] == whole
    assert sum(len(features) > 0 for features, _ in whole) > VIEWS
    assert not (tmp_path / "scratch").exists()


def _matched(database: pycolmap.Database, pair: tuple[int, int]) -> tuple[bytes, bytes]:
    geometry = database.read_two_view_geometry(*pair)
    return database.read_matches(*pair).tobytes(), geometry.inlier_matches.tobytes()


def _killed_after(function, calls: int):
    def run(*args, **kwargs):
        nonlocal calls
        if calls == 0:
            raise KeyboardInterrupt
        calls -= 1
        return function(*args, **kwargs)

    return run


def test_photos_of_nothing_are_refused(tmp_path: Path) -> None:
    from PIL import Image

    for index in range(3):
        Image.new("RGB", (64, 48), (90, 90, 90)).save(tmp_path / f"{index}.png")
    photos = [sfm.Unposed(str(index), tmp_path / f"{index}.png", None, 64, 48) for index in range(3)]
    with pytest.raises(InputError, match=r"the cameras of only 0 of 3 photos were found.* overlap"):
        sfm.pose_photos(photos, tmp_path / "work", quick=True, ordered=False)


def _pairs_of_demo(workspace: Path, many: int) -> list[tuple[str, str]]:
    with pycolmap.Database.open(workspace / "database.db") as database:
        images = {image.image_id: image.name.removesuffix(".png") for image in database.read_all_images()}
        groups = pairs_to_match(database, list(images), ordered=False, many=many, neighbours=3)
    return [(images[a], images[b]) for group in groups for a, b in group]


def test_few_photos_are_all_compared(posed: tuple[Capture, np.ndarray, Path]) -> None:
    pairs = _pairs_of_demo(posed[2], many=VIEWS)
    assert len(set(map(frozenset, pairs))) == len(pairs) == VIEWS * (VIEWS - 1) // 2


def test_of_many_photos_the_alike_are_compared(posed: tuple[Capture, np.ndarray, Path]) -> None:
    capture, _, workspace = posed
    pairs = _pairs_of_demo(workspace, many=5)
    positions = {photo.name: photo.camera_to_world[:3, 3] for photo in capture.photos}
    chosen = [np.linalg.norm(positions[a] - positions[b]) for a, b in pairs]
    every = [np.linalg.norm(a - b) for a in positions.values() for b in positions.values() if a is not b]
    assert len(pairs) < VIEWS * (VIEWS - 1) // 2
    assert np.mean(chosen) < np.mean(every)
