from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AsymmetricAutoencoderKL, ControlNetModel
from safetensors.torch import save_file
from torch import nn

from relightnerf.diffusion.codecs import load_codec
from relightnerf.diffusion.codecs.edge import X1_5
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.official import (
    PROBE_FROM_CAMERA,
    _controlnet_arguments,
    _decoder_arguments,
    convert_official,
)
from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.lights import reference_lights, spherical_harmonics

CHANNELS = (32, 64, 64, 64)


def official_sh(direction: np.ndarray) -> torch.Tensor:
    """The basis as instant-ngp's CUDA code lists its polynomials (sh_enc, degree 4), for (x, y, z)."""
    x, y, z = (float(v) for v in direction)
    return torch.tensor(
        [
            0.28209479177387814,
            -0.48860251190291987 * y,
            0.48860251190291987 * z,
            -0.48860251190291987 * x,
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.94617469575755997 * z * z - 0.31539156525251999,
            -1.0925484305920792 * x * z,
            0.54627421529603959 * x * x - 0.54627421529603959 * y * y,
            0.59004358992664352 * y * (-3.0 * x * x + y * y),
            2.8906114426405538 * x * y * z,
            0.45704579946446572 * y * (1.0 - 5.0 * z * z),
            0.3731763325901154 * z * (5.0 * z * z - 3.0),
            0.45704579946446572 * x * (1.0 - 5.0 * z * z),
            1.4453057213202769 * z * (x * x - y * y),
            0.59004358992664352 * x * (-x * x + 3.0 * y * y),
        ]
    )


@pytest.fixture(scope="module")
def plain() -> ControlNetModel:
    """A ControlNet of the official layout: Stable Diffusion 2.1's arguments, fewer channels, random weights."""
    torch.manual_seed(0)
    model = ControlNetModel(
        conditioning_channels=4,
        block_out_channels=CHANNELS,
        attention_head_dim=[1, 1, 1, 1],
        cross_attention_dim=24,
        conditioning_embedding_out_channels=(16, 32, 32, 48),
        use_linear_projection=True,
        upcast_attention=True,
    )
    model.time_embedding.cond_proj = nn.Linear(16, CHANNELS[0], bias=False)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.05)
    nn.init.normal_(model.time_embedding.cond_proj.weight, std=2.0)
    return model.eval()


@pytest.fixture(scope="module")
def decoder() -> AsymmetricAutoencoderKL:
    torch.manual_seed(1)
    return AsymmetricAutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        down_block_out_channels=(32, 32, 32, 32),
        layers_per_down_block=2,
        up_block_types=("UpDecoderBlock2D",) * 4,
        up_block_out_channels=(32, 64, 128, 128),
        layers_per_up_block=3,
    ).eval()


@pytest.fixture(scope="module")
def files(
    plain: ControlNetModel, decoder: AsymmetricAutoencoderKL, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("official")
    save_file(plain.state_dict(), folder / "controlnet_768x512.safetensors")
    save_file(decoder.state_dict(), folder / "decoder_768x512.safetensors")
    return folder / "controlnet_768x512.safetensors", folder / "decoder_768x512.safetensors"


def test_the_converted_controlnet_gives_the_same_features_for_the_same_lights(
    plain: ControlNetModel, files: tuple[Path, Path], tmp_path: Path
) -> None:
    convert_official(*files, tmp_path / "out", (768, 512))
    converted = LightControlNet.from_pretrained(tmp_path / "out" / "controlnet").eval()
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(1, 4, 8, 8, generator=generator)
    others = {
        "encoder_hidden_states": torch.randn(1, 5, 24, generator=generator),
        "controlnet_cond": torch.rand(1, 4, 64, 64, generator=generator),
        "return_dict": False,
    }
    for direction_camera in reference_lights().directions[:3]:
        x, y, z = direction_camera
        direction_probe = np.array([x, -z, y])  # the design of the data set: (x, y, z) of the probe is (x, z, -y) here
        ours = spherical_harmonics(torch.tensor(direction_camera, dtype=torch.float32))[None]
        with torch.no_grad():
            down, middle = converted(noisy, 10, timestep_cond=ours, **others)
            wanted_down, wanted_middle = plain(noisy, 10, timestep_cond=official_sh(direction_probe)[None], **others)
            _, other_middle = plain(noisy, 10, timestep_cond=official_sh(direction_camera)[None], **others)
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(down, wanted_down, strict=True))
        assert torch.allclose(middle, wanted_middle, atol=1e-4)
        spread = (other_middle - wanted_middle).abs().max()
        assert spread > 100 * (middle - wanted_middle).abs().max()


def test_names_shapes_and_settings_survive(files: tuple[Path, Path], plain: ControlNetModel, tmp_path: Path) -> None:
    convert_official(*files, tmp_path / "out", (768, 512), base="a/base")
    converted = LightControlNet.from_pretrained(tmp_path / "out" / "controlnet")
    assert {n: v.shape for n, v in converted.state_dict().items()} == {
        n: v.shape for n, v in plain.state_dict().items()
    }
    same = [n for n, v in plain.state_dict().items() if torch.equal(v, converted.state_dict()[n])]
    assert set(plain.state_dict()) - set(same) == {"time_embedding.cond_proj.weight"}
    assert converted.condition_parts == ("rgb", "depth")
    settings = read_json(tmp_path / "out" / "relighter.json")
    assert (settings["base"], settings["size"], settings["steps"]) == ("a/base", [768, 512], 5)
    assert settings["schedule"]["zero_snr"] and settings["schedule"]["prediction"] == "v_prediction"


def test_the_decoder_loads_by_name(files: tuple[Path, Path], decoder: AsymmetricAutoencoderKL, tmp_path: Path) -> None:
    convert_official(*files, tmp_path / "out", (768, 512))
    codec = load_codec(tmp_path / "out" / "codec")
    picture = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        wanted = decoder.encode(2 * picture - 1).latent_dist.mode() * decoder.config.scaling_factor
        assert torch.allclose(codec.encode(picture, picture), wanted, atol=1e-5)
        assert codec.decode(wanted, picture).shape == picture.shape


def test_the_real_arguments_follow_from_the_real_shapes() -> None:
    with torch.device("meta"):
        unet_like = {"block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 1024}
        reference = ControlNetModel(
            conditioning_channels=4, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True, **unet_like
        )
        arguments = _controlnet_arguments(reference.state_dict())
        assert arguments["attention_head_dim"] == [5, 10, 20, 20]
        assert arguments["conditioning_embedding_out_channels"] == [16, 32, 96, 256]
        assert arguments["block_out_channels"] == (320, 640, 1280, 1280)
        wide = AsymmetricAutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            down_block_out_channels=(128, 256, 512, 512),
            layers_per_down_block=2,
            up_block_types=("UpDecoderBlock2D",) * 4,
            up_block_out_channels=(192, 384, 768, 768),
            layers_per_up_block=3,
        )
        found = _decoder_arguments(wide.state_dict())
        assert found == {name: X1_5[name] for name in found}


def test_the_probe_frame_is_the_reference_table_s() -> None:
    left_in_probe = np.array([-0.785, -0.491, 0.378])
    lights = reference_lights()
    camera = lights.directions[lights.names.index("dir_23")]
    turned = np.array(PROBE_FROM_CAMERA) @ camera
    assert turned @ left_in_probe / np.linalg.norm(left_in_probe) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("damage", ["missing", "shape", "light", "text"])
def test_other_files_are_refused(damage: str, plain: ControlNetModel, files: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "controlnet.safetensors"
    weights = dict(plain.state_dict())
    if damage == "missing":
        del weights["mid_block.resnets.0.conv1.bias"]
    elif damage == "shape":
        weights["mid_block.resnets.0.conv1.bias"] = torch.zeros(3)
    elif damage == "light":
        del weights["time_embedding.cond_proj.weight"]
    save_file(weights, path)
    if damage == "text":
        path.write_text("not weights")
    with pytest.raises(InputError, match=r"controlnet\.safetensors"):
        convert_official(path, None, tmp_path / "out", (768, 512))
    assert not (tmp_path / "out").exists()
