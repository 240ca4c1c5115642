from pathlib import Path

import pytest
import torch
from tiny_models import TOKENS, WIDTH, tiny_unet
from torch import Tensor, nn

from relightnerf.diffusion.conditions import PARTS, condition_image, guide_images, normalized_depth, part_slice
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet, LightDiT
from relightnerf.errors import InputError

ALL_PARTS = ("rgb", "depth", "normal", "shading", "shadow")


def inputs(batch: int = 2, height: int = 8, width: int = 8, channels: int = 9) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(batch, 4, height, width, generator=generator),
        torch.full((batch,), 500),
        torch.randn(batch, 16, generator=generator),
        torch.rand(batch, channels, 8 * height, 8 * width, generator=generator),
    )


def controlled(parts: tuple[str, ...] = ALL_PARTS) -> ControlledUNet:
    unet = tiny_unet()
    return ControlledUNet(
        unet, LightControlNet.for_unet(unet, parts, (4, 4, 4, 4)).eval(), torch.zeros(1, TOKENS, WIDTH)
    )


@torch.no_grad()
def test_a_new_controlnet_changes_nothing() -> None:
    model = controlled()
    noisy, timesteps, light, condition = inputs()
    plain = model.unet(noisy, timesteps, model.prompt.expand(2, -1, -1), return_dict=False)[0]
    assert torch.equal(model(noisy, timesteps, light, condition), plain)


def test_every_weight_of_a_new_controlnet_is_the_bases_or_makes_nothing() -> None:
    unet = tiny_unet()
    weights = LightControlNet.for_unet(unet, ALL_PARTS, (4, 4, 4, 4)).state_dict()
    new = {"controlnet_cond_embedding", "controlnet_down_blocks", "controlnet_mid_block", "time_embedding.cond_proj"}
    for name, value in weights.items():
        if any(name.startswith(prefix) for prefix in new):
            continue
        assert torch.equal(value, unet.state_dict()[name]), name
    zero = [n for n in weights if n.startswith(("controlnet_down_blocks", "controlnet_mid_block"))]
    assert zero and all(not weights[n].any() for n in zero)
    assert not weights["controlnet_cond_embedding.conv_out.weight"].any()


def test_the_light_is_added_to_the_sinusoidal_timestep_embedding() -> None:
    controlnet = controlled().controlnet
    projection = controlnet.time_embedding.cond_proj
    assert (projection.in_features, projection.out_features, projection.bias) == (16, 4, None)
    light = torch.randn(2, 16)
    sinusoid = controlnet.time_proj(torch.tensor([3, 900]))
    together = controlnet.time_embedding(sinusoid, light)
    assert torch.allclose(together, controlnet.time_embedding(sinusoid + projection(light)))


@torch.no_grad()
def test_once_it_is_not_zero_light_and_every_part_matter() -> None:
    model = controlled()
    for parameter in model.controlnet.parameters():
        nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    noisy, timesteps, light, condition = inputs()
    before = model(noisy, timesteps, light, condition)
    assert not torch.allclose(before, model(noisy, timesteps, -light, condition), atol=1e-3)
    for part in ALL_PARTS:
        changed = condition.clone()
        changed[:, part_slice(ALL_PARTS, part)] = 0.0
        assert not torch.allclose(before, model(noisy, timesteps, light, changed), atol=1e-4), part


@torch.no_grad()
@pytest.mark.parametrize("parts", [("rgb", "depth"), ALL_PARTS])
def test_saved_and_loaded_it_is_the_same(parts: tuple[str, ...], tmp_path: Path) -> None:
    model = controlled(parts)
    nn.init.normal_(model.controlnet.controlnet_mid_block.weight)
    model.controlnet.save_pretrained(tmp_path)
    loaded = LightControlNet.from_pretrained(tmp_path).eval()
    assert loaded.condition_parts == parts
    assert loaded.config.conditioning_channels == sum(PARTS[part] for part in parts)
    arguments = inputs(channels=sum(PARTS[part] for part in parts))
    again = ControlledUNet(model.unet, loaded, model.prompt)
    assert torch.equal(model(*arguments), again(*arguments))


@torch.no_grad()
def test_a_transformer_sees_light_and_condition_at_any_shape(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = LightDiT(
        num_attention_heads=2, attention_head_dim=4, num_layers=2, sample_size=8, condition_parts=ALL_PARTS
    ).eval()
    noisy, timesteps, light, condition = inputs(height=8, width=12)
    before = model(noisy, timesteps, light, condition)
    assert before.shape == noisy.shape
    for changed in ((noisy, timesteps, -light, condition), (noisy, timesteps, light, 1 - condition)):
        assert not torch.allclose(before, model(*changed), atol=1e-4)
    model.save_pretrained(tmp_path)
    assert torch.equal(before, LightDiT.from_pretrained(tmp_path).eval()(noisy, timesteps, light, condition))


@pytest.mark.parametrize("parts", [(), ("rgb", "rgb"), ("colour",)])
def test_wrong_parts_are_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="Choose from"):
        LightControlNet(condition_parts=parts)


def test_parts_lie_in_the_order_of_their_names() -> None:
    values = {part: torch.full((1, count, 2, 2), float(index)) for index, (part, count) in enumerate(PARTS.items())}
    image = condition_image(("shadow", "rgb", "normal"), values)
    assert image[0, :, 0, 0].tolist() == [4.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0]
    assert part_slice(("shadow", "rgb", "normal"), "normal") == slice(4, 7)


def test_depth_is_the_same_in_any_unit_and_far_where_unknown() -> None:
    depth = torch.linspace(2.0, 6.0, 400).reshape(20, 20)
    depth[0, 0] = 0.0
    normalized = normalized_depth(depth)
    assert torch.allclose(normalized, normalized_depth(1000 * depth), atol=1e-5)
    assert normalized[0, 0] == 1.0
    assert (normalized[0, 1], normalized[-1, -1]) == (0.0, 1.0)
    middle = normalized[10, 10] - (depth[10, 10] - 2.0) / 4.0
    assert abs(middle) < 0.02
    assert torch.equal(normalized_depth(torch.zeros(3, 3)), torch.ones(3, 3))


def test_the_guide_takes_what_there_is_for_one_light_or_many() -> None:
    depth, shading = torch.rand(1, 1, 4, 4), torch.rand(3, 1, 4, 4)
    assert guide_images({"rgb": torch.rand(1, 3, 4, 4)}) == []
    guides = guide_images({"shading": shading, "rgb": torch.rand(1, 3, 4, 4), "depth": depth})
    assert len(guides) == 2 and torch.equal(guides[0], depth) and torch.equal(guides[1], shading)
