from pathlib import Path

import pytest
import torch

from relightnerf.diffusion.codecs import RatioCodec, RatioSettings
from relightnerf.diffusion.conditions import capture_cue, part_slice, source_shading
from relightnerf.diffusion.light_unet import LightUNet
from relightnerf.diffusion.model import ModelSettings, RelightingModel
from relightnerf.imaging.color_tensors import srgb_from_linear
from relightnerf.lights import spherical_harmonics

PARTS = ("rgb", "normal", "cue", "source", "capture")


@pytest.fixture
def network() -> LightUNet:
    torch.manual_seed(0)
    return LightUNet(
        condition_parts=PARTS,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(4, 8),
        layers_per_block=1,
        norm_num_groups=2,
        attention_head_dim=4,
    ).eval()


def _light(*direction: float) -> torch.Tensor:
    return spherical_harmonics(torch.nn.functional.normalize(torch.tensor([direction]), dim=-1))


def test_a_new_network_is_a_regression_on_the_cues(network: LightUNet) -> None:
    condition, time = torch.rand(1, 9, 16, 24), torch.tensor([999])
    quiet, noisy = (
        network(noise, time, _light(0.0, 0.0, 1.0), condition)
        for noise in (torch.zeros(1, 3, 8, 12), torch.randn(1, 3, 8, 12))
    )
    torch.testing.assert_close(quiet, noisy)
    brighter = condition.clone()
    brighter[:, part_slice(PARTS, "cue"), 4:6, 8:10] += 1.0
    change = network(torch.zeros(1, 3, 8, 12), time, _light(0.0, 0.0, 1.0), brighter) - quiet
    assert (change.abs() > 1e-4).nonzero()[:, 2:].unique(dim=0).tolist() == [[2, 4]]
    torch.testing.assert_close(change[0, :, 2, 4], torch.full((3,), 0.82), atol=1e-4, rtol=0)


def test_light_and_condition_matter_and_a_saved_model_is_the_same(network: LightUNet, tmp_path: Path) -> None:
    torch.nn.init.normal_(network.conv_out.weight)
    model = RelightingModel(network, RatioCodec(RatioSettings(factor=2)), ModelSettings(size=(32, 32), steps=1))
    model.save(tmp_path / "model")
    again = RelightingModel.load(str(tmp_path / "model")).denoiser
    assert isinstance(again, LightUNet) and again.condition_parts == PARTS and again.granularity == 2
    inputs = (torch.randn(1, 3, 8, 8), torch.tensor([999]))
    condition = torch.rand(1, 9, 16, 16)
    left, right = (network(*inputs, _light(x, 0.0, 1.0), condition) for x in (-1.0, 1.0))
    torch.testing.assert_close(again(*inputs, _light(1.0, 0.0, 1.0), condition), right)
    assert not torch.allclose(left, right)


def test_a_network_shown_further_parts_does_not_heed_them_yet(network: LightUNet) -> None:
    torch.nn.init.normal_(network.conv_out.weight)
    inputs, light = (torch.randn(1, 3, 8, 8), torch.tensor([999])), _light(0.3, 0.0, 1.0)
    condition = torch.rand(1, 10, 16, 16)
    grown = network.with_parts((*PARTS, "disc")).eval()
    torch.testing.assert_close(grown(*inputs, light, condition), network(*inputs, light, condition[:, :9]))
    assert grown.condition_parts == (*PARTS, "disc") and grown.shortcut.weight.requires_grad
    with pytest.raises(ValueError, match="do not begin with"):
        network.with_parts(("disc", *PARTS))


def test_what_shading_makes_has_a_share_unless_it_is_unknown(network: LightUNet) -> None:
    inputs, light = (torch.zeros(1, 3, 8, 12), torch.tensor([999])), _light(0.3, 0.0, 1.0)
    torch.nn.init.normal_(network.conv_out.weight)
    condition = torch.rand(1, 12, 16, 24)
    own = network(*inputs, light, condition[:, :9])
    grown = network.with_parts((*PARTS, "shaded")).eval()
    shaded = torch.nn.functional.avg_pool2d(condition[:, 9:], 2) / 0.8  # a latent's unit is 0.8 of a logarithm
    other = shaded - own
    torch.testing.assert_close(grown(*inputs, light, condition), own + 0.4 * (other - other.mean((2, 3), keepdim=True)))
    condition[:, 9:] = 0.0
    torch.testing.assert_close(grown(*inputs, light, condition), own)
    assert grown.deepened()(*inputs, light, condition).shape == own.shape


def test_a_deepened_network_computes_the_same_until_it_is_trained(network: LightUNet) -> None:
    torch.nn.init.normal_(network.conv_out.weight)
    inputs = (torch.randn(1, 3, 8, 8), torch.tensor([999]), _light(0.3, 0.0, 1.0), torch.rand(1, 9, 16, 16))
    once = network.deepened().eval()
    twice = once.deepened().eval()
    for grown, layers in ((once, 2), (twice, 3)):
        torch.testing.assert_close(grown(*inputs), network(*inputs))
        assert [len(block.resnets) for block in grown.down_blocks] == [layers] * 2
        assert grown.config.layers_per_block == layers and grown.condition_parts == PARTS
    once(*inputs).square().mean().backward()
    assert all(block.resnets[1].conv2.weight.grad.any() for block in (*once.down_blocks, *once.up_blocks))


def test_the_photo_s_own_shading_is_found_under_any_even_albedo() -> None:
    torch.manual_seed(0)
    normal = torch.nn.functional.normalize(
        torch.randn(1, 3, 24, 24) + torch.tensor([0.0, 0.0, 2.0])[:, None, None], dim=1
    )
    ambient_visibility = 0.5 + 0.5 * torch.rand(1, 1, 24, 24)
    shading = ambient_visibility * (
        0.3 + (normal * torch.tensor([0.1, 0.05, 0.15])[:, None, None]).sum(1, keepdim=True)
    )
    found = source_shading(srgb_from_linear(0.7 * shading.expand(-1, 3, -1, -1)), normal, ambient_visibility)
    expected = (shading / shading.mean()).log()
    assert (found - expected).abs().mean() < 0.04
    assert (found - found.mean() - expected).abs().quantile(0.9) < 0.1
    unknown = source_shading(torch.rand(1, 3, 24, 24), torch.zeros_like(normal), ambient_visibility)
    assert unknown.abs().max() == 0.0


def test_the_capture_s_cue_does_not_depend_on_its_unit() -> None:
    shading, known = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8) > 0.2
    cue = capture_cue(shading, known)
    torch.testing.assert_close(capture_cue(7.0 * shading, known), cue)
    assert cue[~known].abs().max() == 0.0
    even = capture_cue(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4, dtype=torch.bool))
    torch.testing.assert_close(even, torch.full((1, 1, 4, 4), 1.1).log())
