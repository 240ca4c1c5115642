import shutil
from pathlib import Path

import pytest
import torch
from tiny_models import TOKENS, WIDTH, controlled_model, tiny_unet, write_tiny_base
from torch import Tensor

from relightnerf.diffusion.base import empty_prompt, load_base
from relightnerf.diffusion.codecs import RatioCodec, RatioSettings
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet, LightDiT
from relightnerf.diffusion.model import ModelSettings, RelightingModel, model_files
from relightnerf.diffusion.schedules import NoiseSchedule
from relightnerf.errors import InputError

PARTS = ("rgb", "depth")


def own_model(kind: str) -> RelightingModel:
    """A model with a base of its own."""
    torch.manual_seed(0)
    codec = RatioCodec(RatioSettings(factor=2))
    settings = ModelSettings(size=(32, 32), sampler="euler", steps=3, schedule=NoiseSchedule(prediction="sample"))
    if kind == "dit":
        dit = LightDiT(num_attention_heads=2, attention_head_dim=4, out_channels=3, num_layers=1, sample_size=16)
        return RelightingModel(dit.eval(), codec, settings)
    unet = tiny_unet(latent_channels=3)
    controlnet = LightControlNet.for_unet(unet, PARTS, (4, 4))
    return RelightingModel(ControlledUNet(unet, controlnet.eval(), torch.ones(1, TOKENS, WIDTH)), codec, settings)


def relit(model: RelightingModel, lights: int = 2, **options: object) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    photo = torch.rand(1, 3, 50, 70, generator=generator)
    height, width = model.working_size(50, 70)
    condition = torch.rand(1, 4, height, width, generator=generator).expand(lights, -1, -1, -1)
    directions = torch.eye(3)[:lights]
    return model.relight(photo, condition, directions, **options)


def test_saved_with_its_base_elsewhere_it_is_the_same(tiny_base: Path, tmp_path: Path) -> None:
    model = controlled_model(tiny_base)
    model.save(tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"controlnet", "prompt.safetensors", "relighter.json"}, "the base stays where it is"
    again = RelightingModel.load(str(tmp_path / "model"))
    assert again.settings == model.settings
    assert torch.equal(relit(model), relit(again))
    shutil.copytree(tiny_base, tmp_path / "mute")
    (tmp_path / "mute" / "prompt.safetensors").unlink()
    without_text = RelightingModel.load(str(tmp_path / "model"), base=str(tmp_path / "mute"))
    assert torch.equal(without_text.denoiser.prompt, model.denoiser.prompt), "the model brings its prompt"


@pytest.mark.parametrize("kind", ["unet", "dit"])
def test_saved_with_a_base_of_its_own_it_is_the_same(kind: str, tmp_path: Path) -> None:
    model = own_model(kind)
    model.save(tmp_path / "model")
    again = RelightingModel.load(str(tmp_path / "model"))
    assert again.settings == model.settings
    assert torch.equal(relit(model), relit(again))


def test_a_bare_controlnet_folder_is_a_model_too(tiny_base: Path, tmp_path: Path) -> None:
    model = controlled_model(tiny_base)
    model.denoiser.controlnet.save_pretrained(tmp_path / "bare")
    again = RelightingModel.load(str(tmp_path / "bare"), base=str(tiny_base))
    condition = torch.rand(1, 4, 64, 64)
    arguments = (torch.rand(1, 3, 64, 64), condition, torch.eye(3)[:1])
    assert torch.allclose(model.relight(*arguments, steps=2), again.relight(*arguments, steps=2), atol=1e-5)


def test_pictures_have_the_photos_size_and_follow_light_seed_and_steps(tiny_base: Path) -> None:
    model = controlled_model(tiny_base)
    first = relit(model)
    assert first.shape == (2, 3, 50, 70)
    assert 0.0 <= first.min() and first.max() <= 1.0
    assert not torch.allclose(first[0], first[1], atol=1e-4)
    assert torch.equal(first, relit(model))
    assert torch.allclose(first[:1], relit(model, lights=1), atol=1e-5)
    for options in ({"seed": 1}, {"steps": 3}, {"sampler": "lcm"}):
        assert not torch.allclose(first, relit(model, **options), atol=1e-3), options


def test_the_working_size_keeps_area_and_shape() -> None:
    model = own_model("unet")
    for height, width in ((64, 64), (480, 640), (3000, 2000)):
        tall, wide = model.working_size(height, width, (256, 192))
        assert tall % 4 == 0 and wide % 4 == 0
        assert tall * wide == pytest.approx(256 * 192, rel=0.03)
        assert tall / wide == pytest.approx(height / width, rel=0.03)
    assert model.working_size(2, 4000, (64, 64))[0] >= 4


def test_the_prompt_comes_from_the_text_encoder_once(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    base = tmp_path / "base"
    shutil.copytree(tiny_base, base)
    (base / "prompt.safetensors").unlink()
    torch.manual_seed(0)
    settings = CLIPTextConfig(
        vocab_size=8, hidden_size=WIDTH, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=TOKENS, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    CLIPTextModel(settings).save_pretrained(base / "text_encoder")
    tokenizer = base / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text('{"<|startoftext|>": 0, "<|endoftext|>": 1, "a": 2, "a</w>": 3}')
    (tokenizer / "merges.txt").write_text("#version: 0.2\n")
    (tokenizer / "tokenizer_config.json").write_text(f'{{"model_max_length": {TOKENS}}}')
    first = empty_prompt(base)
    assert first.shape == (1, TOKENS, WIDTH)
    shutil.rmtree(tokenizer)
    assert torch.equal(first, empty_prompt(base)), "read from the cache"
    assert torch.equal(load_base(str(base)).prompt, first)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_what_the_base_predicts_is_read_from_its_configuration(prediction: str, tmp_path: Path) -> None:
    base = load_base(str(write_tiny_base(tmp_path, prediction)))
    assert (base.schedule.prediction, base.schedule.zero_snr) == (prediction, prediction != "epsilon")


def test_a_base_that_cannot_be_had_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such/base.*unet/config\.json.*give the folder's path"):
        load_base("no-such/base")
    with pytest.raises(InputError, match="no such folder"):
        load_base(str(tmp_path / "absent"))


def test_broken_folders_are_named(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="relighter.json"):
        model_files(str(tmp_path))
    own_model("unet").save(tmp_path / "model")
    (tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"half a file")
    with pytest.raises(InputError, match="unet"):
        RelightingModel.load(str(tmp_path / "model"))
    (tmp_path / "model" / "relighter.json").write_text('{"format": 9}')
    with pytest.raises(InputError, match="format"):
        RelightingModel.load(str(tmp_path / "model"))
