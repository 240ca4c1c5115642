import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from relightnerf.diffusion.conditions import part_slice
from relightnerf.errors import InputError
from relightnerf.imaging.color import to_float, to_uint8
from relightnerf.lights import LightSet
from relightnerf.training.data.light_folders import LightFolder, find_light_folders, write_light_folder
from relightnerf.training.data.light_pairs import LightPairs

PARTS = ("rgb", "depth", "normal", "shading", "shadow")
WIDTH, HEIGHT, LIGHTS, FOV_DEG = 48, 32, 3, 50.0


def _lights(rng: np.random.Generator) -> LightSet:
    directions = rng.normal(size=(LIGHTS, 3))
    directions[:, 2] = np.abs(directions[:, 2])
    names = tuple(f"l{i}" for i in range(LIGHTS))
    return LightSet("camera", names, directions / np.linalg.norm(directions, axis=-1, keepdims=True))


def _write(folder: Path, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(HEIGHT, WIDTH, 3)) + [0.0, 0.0, 2.0]
    normal[:2] = 0.0
    values = {
        "pictures": rng.integers(0, 256, (LIGHTS, HEIGHT, WIDTH, 3), dtype=np.uint8),
        "depth": rng.uniform(1.0, 5.0, (HEIGHT, WIDTH)).astype(np.float32),
        "normal": (normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)).astype(np.float32),
        "visibility": rng.uniform(0.0, 1.0, (LIGHTS, HEIGHT, WIDTH)).astype(np.float32),
        "mask": rng.random((HEIGHT, WIDTH)) > 0.3,
    }
    write_light_folder(folder, lights=_lights(rng), fov_deg=FOV_DEG, source=f"seed {seed}", **values)
    return values


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(4):
        _write(tmp_path / "set" / f"s{seed}", seed)
    return tmp_path / "set"


def _change(folder: Path, **values) -> None:
    path = folder / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    values = _write(tmp_path, 7)
    scene = LightFolder.load(tmp_path)
    lights = _lights(np.random.default_rng(0))
    assert (scene.size, scene.fov_deg, scene.source, len(scene)) == ((WIDTH, HEIGHT), FOV_DEG, "seed 7", LIGHTS)
    assert scene.lights.names == lights.names and scene.lights.frame == "camera"
    np.testing.assert_allclose(np.linalg.norm(scene.lights.directions, axis=-1), 1.0)
    for index in range(LIGHTS):
        np.testing.assert_array_equal(scene.picture(index), to_float(values["pictures"][index]))
        np.testing.assert_allclose(scene.visibility(index), values["visibility"][index], atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(scene.depth(), values["depth"])
    np.testing.assert_array_equal(scene.normal(), values["normal"])
    np.testing.assert_array_equal(scene.mask(), values["mask"])


def test_without_files_everything_counts_and_sees_the_light(tmp_path: Path) -> None:
    lights = _lights(np.random.default_rng(0))
    _write(tmp_path, 0)
    write_light_folder(tmp_path, [np.zeros((4, 6, 3), np.uint8)] * LIGHTS, lights)
    scene = LightFolder.load(tmp_path)
    assert scene.size == (6, 4) and scene.fov_deg is None
    assert scene.mask().shape == scene.visibility(2).shape == (4, 6)
    assert scene.mask().min() == scene.visibility(2).min() == 1.0
    with pytest.raises(InputError, match="depth.npy: missing"):
        scene.depth()


def test_normals_come_from_depth_and_field_of_view(tmp_path: Path) -> None:
    # the plane n.p = -2, in a picture whose pixels are 1/40 apart at depth 1
    direction = np.array([0.3, 0.2, 1.0]) / np.linalg.norm([0.3, 0.2, 1.0])
    x, y = np.meshgrid((np.arange(40) - 19.5) / 40.0, (14.5 - np.arange(30)) / 40.0)
    depth = -2.0 / (np.stack([x, y, -np.ones_like(x)], axis=-1) @ direction)
    pictures, lights = [np.zeros((30, 40, 3), np.uint8)] * LIGHTS, _lights(np.random.default_rng(0))
    write_light_folder(tmp_path, pictures, lights, depth=depth, fov_deg=float(np.degrees(2.0 * np.arctan(0.5))))
    normal = LightFolder.load(tmp_path).normal()
    np.testing.assert_allclose(normal, np.broadcast_to(direction, normal.shape), atol=1e-3)


def test_scenes_are_found_at_any_depth_in_order(root: Path) -> None:
    _write(root / "deeper" / "still" / "s9", 9)
    names = [scene.folder.relative_to(root).as_posix() for scene in find_light_folders(root)]
    assert names == ["deeper/still/s9", "s0", "s1", "s2", "s3"]
    assert [scene.folder for scene in find_light_folders(root / "s1")] == [root / "s1"]


def test_a_scene_without_its_last_file_is_not_there(root: Path) -> None:
    (root / "s2" / "meta.json").unlink()
    assert len(find_light_folders(root)) == 3


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, '"format" is 2'),
        ({"lights": []}, 'no "lights"'),
        ({"lights": [{"name": "l0"}]}, "light 0"),
        ({"lights": [{"name": "l0", "direction": [0, 0, 0]}]}, "'l0'"),
        ({"lights": [{"name": "l0", "direction": [0, 0, 1]}] * 2}, "used twice"),
        ({"lights": [{"name": "../l0", "direction": [0, 0, 1]}]}, "not allowed"),
        ({"lights": [{"name": "gone", "direction": [0, 0, 1]}]}, "no picture of light 'gone'"),
        ({"fov_deg": 0}, '"fov_deg" is 0'),
        ({"fov_deg": "wide"}, '"fov_deg" is'),
    ],
)
def test_what_is_wrong_with_a_scene_is_named(root: Path, change: dict, said: str) -> None:
    _change(root / "s1", **change)
    with pytest.raises(InputError) as error:
        find_light_folders(root)
    assert said in str(error.value) and str(root / "s1") in str(error.value)


def test_what_is_wrong_with_a_file_is_named(root: Path) -> None:
    Image.new("RGB", (5, 5)).save(root / "s0" / "l1.png")
    np.save(root / "s0" / "depth.npy", np.ones((3, 3), np.float32))
    (root / "s0" / "l2.png").write_bytes(b"no picture")
    scene = LightFolder.load(root / "s0")
    with pytest.raises(InputError, match=r"l1.png: is 5x5, but the first picture is 48x32"):
        scene.picture(1)
    with pytest.raises(InputError, match=r"l2.png: cannot be read"):
        scene.picture(2)
    with pytest.raises(InputError, match=r"depth.npy: is 3x3"):
        scene.depth()
    with pytest.raises(InputError, match=r"no light 'sun'. Choose from: l0, l1, l2"):
        scene.index("sun")
    with pytest.raises(InputError, match="no scenes"):
        find_light_folders(root / "none")


def test_pairs_refuse_scenes_that_lack_what_the_parts_need(root: Path) -> None:
    (root / "s3" / "normal.npy").unlink()
    LightPairs(root, PARTS, (16, 16))
    _change(root / "s3", fov_deg=None)
    LightPairs(root, ("rgb", "depth", "shadow"), (16, 16))
    with pytest.raises(InputError, match=r"s3: lacks what condition parts \['normal', 'shading'\] need"):
        LightPairs(root, PARTS, (16, 16))
    (root / "s3" / "depth.npy").unlink()
    with pytest.raises(InputError, match="depth"):
        LightPairs(root, ("rgb", "depth"), (16, 16))
    _change(root / "s3", lights=[{"name": "l0", "direction": [0, 0, 1]}])
    with pytest.raises(InputError, match="only one light"):
        LightPairs(root, ("rgb",), (16, 16))


def test_a_whole_sample_is_the_scene_itself(root: Path) -> None:
    pairs = LightPairs(root, PARTS, (WIDTH, HEIGHT), augment=False)
    for number in range(6):
        choice, sample = pairs.choice(number), pairs[number]
        scene = pairs.scenes[number % 4]
        assert choice.scene == number % 4 and choice.source != choice.target
        light = scene.lights.directions[choice.target]
        shading = np.maximum(scene.normal() @ light, 0.0)
        np.testing.assert_allclose(sample["source"].permute(1, 2, 0), scene.picture(choice.source), atol=1e-6)
        np.testing.assert_allclose(sample["target"].permute(1, 2, 0), scene.picture(choice.target), atol=1e-6)
        np.testing.assert_allclose(sample["light"], light, atol=1e-6)
        np.testing.assert_array_equal(sample["weight"][0], scene.mask())
        condition = sample["condition"]
        assert condition.shape == (9, HEIGHT, WIDTH) and condition.dtype == torch.float32
        torch.testing.assert_close(condition[:3], sample["source"])
        np.testing.assert_allclose(condition[part_slice(PARTS, "shading")][0], shading, atol=2e-3)
        np.testing.assert_allclose(
            condition[part_slice(PARTS, "shadow")][0], scene.visibility(choice.target), atol=1e-6
        )


def test_flipping_mirrors_pictures_geometry_and_light_together(root: Path) -> None:
    pairs = LightPairs(root, PARTS, (24, 24), seed=3)
    for number in range(8):
        choice = replace(pairs.choice(number), flipped=False)
        # a box with equal room on both sides is its own mirror image
        top, bottom = choice.box[1], choice.box[3]
        half = (choice.box[2] - choice.box[0]) / 2.0
        choice = replace(choice, box=(WIDTH / 2 - half, top, WIDTH / 2 + half, bottom))
        plain, flipped = pairs.sample(choice), pairs.sample(replace(choice, flipped=True))
        torch.testing.assert_close(flipped["light"], plain["light"] * torch.tensor([-1.0, 1.0, 1.0]))
        for key in ("source", "target", "weight"):
            torch.testing.assert_close(flipped[key], plain[key].flip(-1))
        signs = torch.ones(9, 1, 1)
        signs[part_slice(PARTS, "normal").start] = -1.0
        torch.testing.assert_close(flipped["condition"], plain["condition"].flip(-1) * signs)


@pytest.mark.parametrize("size", [(16, 16), (64, 32), (20, 60)])
def test_values_stay_in_their_ranges_at_any_size(root: Path, size: tuple[int, int]) -> None:
    pairs = LightPairs(root, PARTS, size)
    for number in range(6):
        sample = pairs[number]
        assert sample["condition"].shape == (9, size[1], size[0])
        normal = sample["condition"][part_slice(PARTS, "normal")]
        length = normal.norm(dim=0)
        assert torch.all((length < 1e-6) | ((length - 1.0).abs() < 2e-3))
        rest = [sample[key] for key in ("source", "target", "weight")]
        assert all(0.0 <= values.min() and values.max() <= 1.0 for values in rest)


def test_crops_have_the_aspect_and_part_that_they_should(root: Path) -> None:
    pairs = LightPairs(root, ("rgb",), (20, 10))
    boxes = np.array([pairs.choice(number).box for number in range(200)])
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    np.testing.assert_allclose(width / height, 2.0)
    assert 0.69 < (width / WIDTH).min() < 0.75 and 0.95 < (width / WIDTH).max() <= 1.0
    assert boxes.min() >= 0.0 and boxes[:, 2].max() <= WIDTH and boxes[:, 3].max() <= HEIGHT


def test_shrinking_keeps_the_mean(tmp_path: Path) -> None:
    fine = to_uint8(np.random.default_rng(0).uniform(0.0, 1.0, (32, 48, 3)))
    write_light_folder(tmp_path / "s", [fine] * LIGHTS, _lights(np.random.default_rng(0)))
    small = LightPairs(tmp_path, ("rgb",), (12, 8), augment=False)[0]["source"]
    means = to_float(fine).reshape(8, 4, 12, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(small.permute(1, 2, 0), means, atol=1.0 / 255)


def test_the_same_number_is_the_same_sample_in_every_process(root: Path) -> None:
    pairs = LightPairs(root, PARTS, (16, 16), seed=5, length=12)
    small_cache = LightPairs(root, PARTS, (16, 16), seed=5, length=12, cache_bytes=10_000)
    backwards = {number: small_cache[number] for number in reversed(range(12))}
    loaded = list(DataLoader(pairs, batch_size=None, num_workers=2))
    assert len(loaded) == 12
    for number, sample in enumerate(loaded):
        for key, values in sample.items():
            assert torch.equal(values, pairs[number][key]) and torch.equal(values, backwards[number][key])
    other = LightPairs(root, PARTS, (16, 16), seed=6)
    assert any(not torch.equal(other[number]["source"], pairs[number]["source"]) for number in range(3))
    assert pairs[10**9]["source"].shape == (3, 16, 16)


def test_lights_of_a_pair_are_the_same_as_often_as_wanted(root: Path) -> None:
    for share in (0.0, 0.3, 1.0):
        pairs = LightPairs(root, ("rgb",), (16, 16), same_light=share)
        same = [choice.source == choice.target for choice in map(pairs.choice, range(400))]
        assert np.mean(same) == pytest.approx(share, abs=0.08 * (0.0 < share < 1.0))
    seen = {(c.source, c.target) for c in map(LightPairs(root, ("rgb",), (16, 16)).choice, range(400))}
    assert len(seen) == LIGHTS * (LIGHTS - 1)
