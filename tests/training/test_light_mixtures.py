from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from relightnerf.diffusion.conditions import light_cue, part_slice
from relightnerf.errors import InputError
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear
from relightnerf.io.hdr import write_hdr
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE, LightSet
from relightnerf.training.config import NormalsRun
from relightnerf.training.data.light_folders import LightFolder, find_light_folders, write_light_folder
from relightnerf.training.data.light_mixtures import LightMixtures, mixed_scene
from relightnerf.training.data.spoiled_geometry import Surface, degraded
from relightnerf.training.normals import new_network

PARTS = (
    "rgb",
    "depth",
    "normal",
    "shading",
    "shadow",
    "ambient_visibility",
    "cue",
    "source",
    "capture",
    "disc",
    "shaded",
)
WIDTH, HEIGHT, LIGHTS = 48, 32, 3


def _write(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=(HEIGHT, WIDTH, 3)) + [0.0, 0.0, 3.0]
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    normal[:3] = 0.0
    directions = rng.normal(size=(LIGHTS, 3)) + [0.0, 0.0, 2.0]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    layers = {name: rng.uniform(0.0, 0.3, (HEIGHT, WIDTH, 3)) for name in ("ambient", "environment_0")}
    write_light_folder(
        folder,
        list(rng.uniform(0.0, 0.5, (LIGHTS, HEIGHT, WIDTH, 3))),
        LightSet("camera", tuple(f"l{i}" for i in range(LIGHTS)), directions),
        depth=np.where(normal.any(-1), rng.uniform(1.0, 2.0, (HEIGHT, WIDTH)), 0.0),
        normal=normal,
        visibility=list(rng.random((LIGHTS, HEIGHT, WIDTH))),
        fov_deg=50.0,
        mask=normal.any(-1),
        layers=layers,
        ambient_visibility=rng.random((HEIGHT, WIDTH)),
        albedo=rng.random((HEIGHT, WIDTH, 3)),
    )


@pytest.fixture
def layered(tmp_path: Path) -> Path:
    for seed in range(3):
        _write(tmp_path / f"s{seed}", seed)
    return tmp_path


def test_a_picture_is_the_sum_of_disc_and_ambient(layered: Path) -> None:
    scene = LightFolder.load(layered / "s0")
    assert scene.layers == ("environment_0",)
    linear = scene.layer("l1") + scene.layer("ambient")
    np.testing.assert_allclose(srgb_to_linear(scene.picture(1)), np.clip(linear, 0, 1), atol=1e-5)
    with pytest.raises(InputError, match="l9.exr: no such image"):
        scene.layer("l9")
    (scene.folder / "ambient.exr").unlink()
    with pytest.raises(InputError, match="no picture of light 'ambient'"):
        LightFolder.load(scene.folder)


def test_the_targets_together_have_the_photo_s_mean_and_keep_their_order(layered: Path) -> None:
    scene = LightFolder.load(layered / "s1")
    for seed in range(6):
        mixed = mixed_scene(scene, np.random.default_rng(seed))
        counted = mixed.mask > 0
        photo, targets = srgb_to_linear(mixed.source)[counted], srgb_to_linear(mixed.targets)[:, counted]
        if max(photo.max(), targets.max()) < 1.0:  # nothing is clipped
            np.testing.assert_allclose(targets.mean(axis=(0, 1)), photo.mean(axis=0), rtol=1e-3)
        means = [(scene.layer(name) + scene.layer("ambient"))[counted].mean() for name in scene.lights.names]
        assert np.argsort(means).tolist() == np.argsort(targets.mean(axis=(1, 2))).tolist()
        assert mixed.source[~counted].max() == mixed.targets[:, ~counted].max() == 0.0


def test_no_photo_is_taken_where_next_to_no_light_comes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    _write(tmp_path / "s0", 0)
    scene = LightFolder.load(tmp_path / "s0")
    for name in (*scene.lights.names, "environment_0"):
        write_hdr(scene.folder / f"{name}.exr", 1e-5 * rng.random((HEIGHT, WIDTH, 3)))
    ambient = scene.layer("ambient")
    for seed in range(12):
        mixed = mixed_scene(scene, np.random.default_rng(seed))
        photo = srgb_to_linear(mixed.source)
        seen = (mixed.mask > 0)[..., None] & (photo < 0.99)
        ratio = photo / ambient
        for channel in range(3):
            each = ratio[..., channel][seen[..., channel]]
            assert each.std() < 0.01 * each.mean()


def test_samples_depend_on_their_number_alone(layered: Path) -> None:
    first, again = (LightMixtures(layered, PARTS, (32, 32), seed=4) for _ in range(2))
    for number in (0, 5, 77):
        first[number + 1]
        a, b = first[number], again[number]
        assert all(torch.equal(value, b[name]) for name, value in a.items())
        assert a["condition"].shape == (17, 32, 32) and a["target"].shape == a["source"].shape == (3, 32, 32)
        assert 0 <= a["source"].min() and a["source"].max() <= 1
    assert not torch.equal(first[0]["source"], first[1]["source"])


def test_a_flipped_sample_is_the_mirrored_scene(layered: Path) -> None:
    samples = LightMixtures(layered, PARTS, (WIDTH, HEIGHT), augment=False)
    choice = samples.choice(1)
    plain, flipped = samples.sample(choice), samples.sample(replace(choice, flipped=True))
    assert torch.equal(flipped["light"], plain["light"] * torch.tensor([-1.0, 1.0, 1.0]))
    torch.testing.assert_close(flipped["source"].flip(-1), plain["source"])
    for part in ("shading", "shadow", "ambient_visibility", "cue", "depth"):
        at = part_slice(PARTS, part)
        torch.testing.assert_close(flipped["condition"][at].flip(-1), plain["condition"][at], atol=1e-5, rtol=0)


def test_the_disc_of_the_photo_s_light_is_a_cue_of_its_own(layered: Path) -> None:
    samples = LightMixtures(layered, PARTS, (WIDTH, HEIGHT), augment=False)
    fitting = 0
    for number in range(12):
        choice = samples.choice(number)
        scene, condition = samples.scenes[choice.scene], samples.sample(choice)["condition"]
        disc = condition[part_slice(PARTS, "disc")][0].numpy()
        discs = [
            np.maximum(scene.normal() @ d, 0.0) * scene.visibility(i) for i, d in enumerate(scene.lights.directions)
        ]
        fitting += any(np.abs(disc - own).max() < 0.01 for own in discs)
    assert fitting == 12


def test_shading_explains_a_scene_that_is_nothing_but_shading(tmp_path: Path) -> None:
    _write(tmp_path / "s0", 0)
    scene = LightFolder.load(tmp_path / "s0")
    albedo, normal, ambient_visibility = 0.2 + 0.6 * scene.albedo(), scene.normal(), np.ones((HEIGHT, WIDTH))
    discs = [
        albedo * (IRRADIANCE / np.pi * np.maximum(normal @ d, 0.0) * scene.visibility(i))[..., None]
        for i, d in enumerate(scene.lights.directions)
    ]
    layers = {"ambient": albedo * AMBIENT_RADIANCE, "environment_0": albedo * (1.0 + normal[..., :1])}
    visibility = [scene.visibility(i) for i in range(LIGHTS)]
    write_light_folder(
        scene.folder,
        discs,
        scene.lights,
        scene.depth(),
        normal,
        visibility,
        50.0,
        mask=scene.mask(),
        layers=layers,
        ambient_visibility=ambient_visibility,
        albedo=albedo,
    )
    samples = LightMixtures(tmp_path, PARTS, (WIDTH, HEIGHT), augment=False)
    errors, spreads = [], []
    for number in range(20):
        sample = samples[number]
        source, target = (srgb_to_linear(sample[name].numpy()) for name in ("source", "target"))
        counted = (sample["weight"][0].numpy() == 1.0) & (source.max(0) < 0.95) & (target.max(0) < 0.95)
        counted &= (source.min(0) > 0.02) & (target.min(0) > 0.02)
        ratio = np.log(target[:, counted] / source[:, counted])
        off = ratio - sample["condition"][part_slice(PARTS, "shaded")].numpy()[:, counted]
        errors.append((off - off.mean(axis=1, keepdims=True)).std())
        spreads.append((ratio - ratio.mean(axis=1, keepdims=True)).std())
    assert np.median(errors) < 0.3 * np.median(spreads)


def _write_facing(root: Path, lights: int = LIGHTS) -> None:
    """Give scenes inexact geometry that faces the camera everywhere."""
    far = np.full((HEIGHT, WIDTH), 7.0, np.float32)
    facing = np.broadcast_to(np.array([0.0, 0.0, 1.0], np.float16), (HEIGHT, WIDTH, 3))
    grey = np.full((lights, HEIGHT, WIDTH), 255, np.uint8)
    for scene in find_light_folders(root):
        np.savez(scene.folder / "inexact.npz", depth=far, normal=facing, ambient_visibility=grey[0], visibility=grey)


def test_training_sees_the_geometry_of_a_field_where_there_is_one(layered: Path) -> None:
    _write_facing(layered)
    samples = LightMixtures(layered, PARTS, (32, 32), seed=1)
    at = part_slice(PARTS, "normal")
    even = [bool((samples[number]["condition"][at][2] == 1.0).all()) for number in range(60)]
    assert 10 < sum(even) < 32
    truth = LightMixtures(layered, PARTS, (32, 32), augment=False)
    assert not any((truth[number]["condition"][at][2] == 1.0).all() for number in range(6))
    _write_facing(layered, lights=1)
    with pytest.raises(InputError, match="of 1 lights, but the scene has 3"):
        LightFolder.load(layered / "s0").inexact("visibility")


def test_normals_of_inexact_geometry_alone_are_corrected(layered: Path) -> None:
    _write_facing(layered)
    run = NormalsRun(data=layered, output=layered, channels=(16, 16))
    aside = new_network(run).eval()
    assert aside.conv_out.bias is not None
    aside.conv_out.bias.data[:4] = 1.0  # of x, at two by two pixels
    plain, corrected = (LightMixtures(layered, PARTS, (32, 32), seed=1, normals=n) for n in (None, aside))
    at, changed = part_slice(PARTS, "normal"), 0
    for number in range(30):
        before, after = plain[number]["condition"], corrected[number]["condition"]
        if (before[at][2] == 1.0).all():
            expected = torch.tensor([-1.0 if plain.choice(number).flipped else 1.0, 0.0, 1.0]) / 2**0.5
            torch.testing.assert_close(after[at], expected[:, None, None].expand_as(after[at]), atol=1e-3, rtol=0)
            changed += 1
        else:
            assert torch.equal(before, after)
    assert changed > 3


def test_the_photo_s_light_takes_an_albedo(layered: Path) -> None:
    (layered / "s1" / "albedo.png").unlink()
    with pytest.raises(InputError, match=r"s1: lacks what condition parts \['capture', 'disc', 'shaded'\] need"):
        LightMixtures(layered, PARTS, (32, 32))
    assert LightMixtures(layered, PARTS[:-3], (32, 32))[0]["condition"].shape == (12, 32, 32)


def test_degraded_geometry_stays_geometry() -> None:
    rng = np.random.default_rng(0)
    normal = np.zeros((40, 50, 3), np.float32)
    normal[10:] = [0.0, 0.6, 0.8]
    known = normal.any(-1)
    full = known.astype(np.float32)
    moved = 0
    for _ in range(40):
        bent = degraded(Surface(2.0 * full, normal, full, full, full), rng)
        known_now = bent.depth > 0
        lengths = np.linalg.norm(bent.normal, axis=-1)
        assert np.all((np.abs(lengths - 1) < 1e-5) | (lengths == 0)) and not lengths[~known_now].any()
        for grey in (bent.visibility, bent.ambient_visibility, bent.source_visibility):
            assert 0 <= grey.min() and grey.max() <= 1 and not grey[~known_now].any()
        assert np.abs(bent.depth[known_now] / 2.0 - 1).max() < 0.25
        moved += bool(np.any(bent.depth != 2.0 * full))
    assert moved > 30


def test_the_cue_is_the_logarithm_of_the_white_scene() -> None:
    one, none = torch.ones(1, 1), torch.zeros(1, 1)
    assert light_cue(one, one, one).item() == pytest.approx(np.log(1.06), abs=1e-6)
    assert light_cue(one, none, none).item() == pytest.approx(np.log(0.06))
    ambient = light_cue(none, one, one).item()
    assert ambient == pytest.approx(np.log(0.15 / (2.2 / np.pi + 0.15) + 0.06), abs=1e-6)


def test_scenes_without_layers_are_refused(light_sets: Path) -> None:
    assert LightFolder.load(light_sets / "scene0").layers is None
    with pytest.raises(InputError, match="not kept by themselves"):
        LightMixtures(light_sets, ("rgb", "depth"), (32, 32))
    with pytest.raises(InputError, match="not kept by themselves"):
        mixed_scene(LightFolder.load(light_sets / "scene0"), np.random.default_rng(0))
    assert linear_to_srgb(np.array(1.0)) == pytest.approx(1.0)
