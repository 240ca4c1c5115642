"""The Multi-Illumination set in miniature: a made-up folder of its layout."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import write_depth_anything

from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_uint8
from relightnerf.io.hdr import write_hdr
from relightnerf.io.images import read_image
from relightnerf.lights import reference_lights, rotation_between
from relightnerf.training.data.light_folders import LightFolder

FOLDER = Path(__file__).parents[2] / "datasets" / "multi_illumination"
DROPPED = (2, 3, 19, 20, 21, 22, 24)
HDR, TRAIN, TEST = "main_experiment1", "kingston_dining10", "everett_kitchen2"


def _run(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / "prepare.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == code, done.stdout + done.stderr
    return done


def _truth() -> dict[int, np.ndarray]:
    """Directions of the made-up set: the known ones, all turned by 12 degrees about the viewing axis."""
    turn = rotation_between(np.array([0.0, 1.0, 0.0]), np.array([np.sin(0.21), np.cos(0.21), 0.0]))
    lights = reference_lights()
    return {int(name[4:]): turn @ d for name, d in zip(lights.names, lights.directions, strict=True)}


def _ball(direction: np.ndarray, size: int = 48) -> np.ndarray:
    rows, columns = np.mgrid[:size, :size] + 0.5
    x, y = columns * 2 / size - 1, 1 - rows * 2 / size
    normal = np.dstack([x, y, np.sqrt(np.maximum(0, 1 - x * x - y * y))])
    gray = 0.1 + 0.6 * np.maximum(normal @ direction, 0) * np.ones((1, 1))
    return np.where(x * x + y * y < 1, gray, 0.02)[..., None].repeat(3, -1).astype(np.float32)


def _linear(scene: str, light: int) -> np.ndarray:
    """A texture (32, 48, 3) as bright as the light's number says, with a highlight far above 1."""
    texture = np.random.default_rng(len(scene)).uniform(0.05, 1.0, (16, 24, 3)).repeat(2, 0).repeat(2, 1)
    texture[:2, :2] = 40.0
    return (texture * (0.02 + 0.01 * light)).astype(np.float32)


def _save_jpg(path: Path, linear: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(to_uint8(linear_to_srgb(linear))).save(path, quality=100, subsampling=0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One HDR and two 8-bit scenes, each in the folder that its archive has."""
    root, truth = tmp_path_factory.mktemp("mid"), _truth()
    archives = {HDR: "multi_illumination_train_mip2_exr", TEST: "multi_illumination_test_mip2_jpg", TRAIN: "."}
    for scene, archive in archives.items():
        folder = root / archive / scene
        for light in range(25):
            ball = _ball(truth.get(light, np.array([0.0, 0.0, 1.0])))
            if scene == HDR:
                write_hdr(folder / f"dir_{light}_mip2.exr", _linear(scene, light))
                write_hdr(folder / "probes" / f"dir_{light}_gray256.exr", 3.0 * ball)
            else:
                _save_jpg(folder / f"dir_{light}_mip2.jpg", _linear(scene, light))
                _save_jpg(folder / "probes" / f"dir_{light}_gray256.jpg", ball)
            _save_jpg(folder / "probes" / f"dir_{light}_chrome256.jpg", 0.5 * ball)
        _save_jpg(folder / "dir_10_mip3.jpg", np.zeros((8, 12, 3)))
    return root


@pytest.fixture(scope="module")
def prepared(dataset: Path) -> Path:
    """The set at 24 x 16, with the directions of the table."""
    output = dataset.with_name("prepared")
    _run("--root", dataset, "--output", output, "--size", "24x16")
    return output


def _hable(x: np.ndarray) -> np.ndarray:
    curve = lambda v: (0.15 * v * v + 0.05 * v + 0.004) / (0.15 * v * v + 0.5 * v + 0.06) - 1 / 15  # noqa: E731
    return np.clip(curve(np.minimum(x, 11.2)) / curve(11.2), 0, 1)


def test_scenes_are_split_and_keep_the_18_usable_directions(prepared: Path) -> None:
    assert {p.name for p in (prepared / "train").iterdir()} == {HDR, TRAIN}
    assert {p.name for p in (prepared / "test").iterdir()} == {TEST}
    names = [f"dir_{i}" for i in range(25) if i not in DROPPED]
    for folder in [prepared / "train" / HDR, prepared / "train" / TRAIN, prepared / "test" / TEST]:
        scene = LightFolder.load(folder)
        assert sorted(scene.lights.names) == sorted(names)
        assert {p.name for p in folder.glob("*.*")} == {*(f"{n}.png" for n in names), "meta.json"}
        assert {read_image(folder / f"{n}.png").shape for n in names} == {(16, 24, 3)}
        known = reference_lights()
        assert scene.lights.names == known.names
        np.testing.assert_allclose(scene.lights.directions, known.directions, atol=1e-9)
        assert "Murmann" in scene.source and scene.fov_deg is None


def test_hdr_pictures_share_one_exposure_and_a_filmic_curve(prepared: Path) -> None:
    scene = LightFolder.load(prepared / "train" / HDR)
    lights = [int(name[4:]) for name in scene.lights.names]
    linear = np.stack([_linear(HDR, i).reshape(16, 2, 24, 2, 3).mean((1, 3)) for i in lights])
    written = np.stack([srgb_to_linear(scene.picture(i)) for i in range(18)])
    luminance = [0.2126, 0.7152, 0.0722]
    grid = np.geomspace(1e-3, 1e3, 4001)
    median = np.median(linear @ luminance)
    exposure = grid[np.argmin(np.abs(_hable(grid * median) - 0.18))]
    np.testing.assert_allclose(written, _hable(exposure * linear), atol=0.01)
    assert written.max() == 1.0 and abs(np.median(written @ luminance) - 0.18) < 0.02


def test_pictures_of_8_bits_are_averaged_as_light(prepared: Path) -> None:
    scene = LightFolder.load(prepared / "test" / TEST)
    for index, name in enumerate(scene.lights.names):
        clipped = np.clip(_linear(TEST, int(name[4:])), 0, 1).reshape(16, 2, 24, 2, 3).mean((1, 3))
        np.testing.assert_allclose(scene.picture(index), linear_to_srgb(clipped), atol=0.03)


def test_a_second_run_skips_and_a_broken_scene_is_made_again(dataset: Path, prepared: Path, tmp_path: Path) -> None:
    files = {p.relative_to(prepared): p.read_bytes() for p in prepared.rglob("*") if p.is_file()}
    broken = prepared / "train" / TRAIN
    (broken / "meta.json").unlink()
    (broken / "dir_7.png").write_bytes(b"half a pict")
    times = {p: p.stat().st_mtime_ns for p in (prepared / "test").rglob("*.png")}
    flags = ("--root", dataset, "--output", prepared)
    assert "1 scenes made, 2 were there" in _run(*flags, "--size", "24x16").stdout
    assert files == {p.relative_to(prepared): p.read_bytes() for p in prepared.rglob("*") if p.is_file()}
    assert times == {p: p.stat().st_mtime_ns for p in (prepared / "test").rglob("*.png")}
    assert "was made otherwise" in _run(*flags, "--size", "12x8", code=2).stderr


def test_directions_are_fitted_to_the_gray_balls(dataset: Path, prepared: Path) -> None:
    flags = ("--root", dataset, "--output", prepared, "--size", "24x16")
    assert "0 scenes made, 3 were there" in _run(*flags, "--directions", "probes").stdout
    truth = _truth()
    for folder in [prepared / "train" / HDR, prepared / "test" / TEST]:
        lights = LightFolder.load(folder).lights
        cosines = [d @ truth[int(name[4:])] for name, d in zip(lights.names, lights.directions, strict=True)]
        assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).max() < 2.0
    assert "0 scenes made" in _run(*flags).stdout
    np.testing.assert_allclose(
        LightFolder.load(prepared / "test" / TEST).lights.directions, reference_lights().directions, atol=1e-9
    )


def test_a_scene_that_lacks_a_picture_is_left_out_and_named(dataset: Path, tmp_path: Path) -> None:
    for scene in (TRAIN, TEST):
        source = next(dataset.rglob(scene))
        for picture in source.glob("*.jpg"):
            (tmp_path / "raw" / scene).mkdir(parents=True, exist_ok=True)
            os.link(picture, tmp_path / "raw" / scene / picture.name)
    (tmp_path / "raw" / TRAIN / "dir_5_mip2.jpg").unlink()
    flags = ("--root", tmp_path / "raw", "--output", tmp_path / "out", "--size", "24x16")
    done = _run(*flags, code=2)
    assert "dir_5_mip2.jpg: no such image" in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "out" / "test" / TEST / "meta.json").is_file()
    assert not (tmp_path / "out" / "train").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [(("--size", "24"), "--size 24"), (("--size", "24x24"), "another shape"), (("--mip", "5"), "no scenes")],
)
def test_flags_that_cannot_be_used_are_named(dataset: Path, tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    assert said in _run("--root", dataset, "--output", tmp_path / "out", *flags, code=2).stderr
    assert not (tmp_path / "out").exists()


def test_depth_is_estimated_once_from_direction_10(dataset: Path, prepared: Path, tmp_path: Path) -> None:
    model = write_depth_anything(tmp_path / "model")
    output = shutil.copytree(prepared, tmp_path / "prepared")
    flags = ("--root", dataset, "--output", output, "--size", "24x16", "--depth-model", model, "--device", "cpu")
    assert "depth of 3 scenes estimated" in _run(*flags).stdout
    for folder in [output / "train" / HDR, output / "test" / TEST]:
        depth = LightFolder.load(folder).depth()
        assert depth.shape == (16, 24) and depth.dtype == np.float32
        assert depth.max() == pytest.approx(1.0) and depth.min() == pytest.approx(0.2)
    assert "depth of 0 scenes estimated, 3 had theirs" in _run(*flags).stdout


def test_a_marigold_pipeline_gives_depth(tmp_path: Path) -> None:
    model = _depth_models().load_depth_model(str(_write_marigold(tmp_path / "model")), "cpu")
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8)
    depth = model(picture)
    assert depth.shape == (40, 60) and depth.min() >= 0.2 and depth.max() <= 1.0 + 1e-6
    np.testing.assert_array_equal(depth, model(picture))


def test_inverse_depth_becomes_depth_of_the_same_order() -> None:
    depth = _depth_models().from_inverse(np.array([[7.0, 3.0, -1.0]], np.float32))
    np.testing.assert_allclose(depth, [[0.2, 1 / 3, 1.0]], rtol=1e-6)


def _depth_models():
    spec = importlib.util.spec_from_file_location("mid_depth_models", FOLDER / "depth_models.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _write_marigold(folder: Path) -> Path:
    from diffusers import AutoencoderKL, DDIMScheduler, MarigoldDepthPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder.mkdir()
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=8)
    torch.manual_seed(0)
    text = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    unet = UNet2DConditionModel(
        in_channels=8,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(4, 8),
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=2,
        norm_num_groups=2,
    )
    vae = AutoencoderKL(block_out_channels=(4,), norm_num_groups=2)
    MarigoldDepthPipeline(
        unet=unet,
        vae=vae,
        scheduler=DDIMScheduler(),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text, vocab_size=3, bos_token_id=0, eos_token_id=1)),
        tokenizer=tokenizer,
        prediction_type="depth",
        scale_invariant=True,
        shift_invariant=True,
        default_denoising_steps=1,
        default_processing_resolution=32,
    ).save_pretrained(folder / "pipeline")
    return folder / "pipeline"
