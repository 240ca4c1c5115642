from pathlib import Path

import pytest
import torch
from diffusers import AsymmetricAutoencoderKL, AutoencoderKL
from torchvision.models import alexnet

from relightnerf.diffusion.codecs import (
    EdgeCodec,
    EdgePreservingAutoencoder,
    ImageCodec,
    KlCodec,
    RatioCodec,
    RatioSettings,
    load_codec,
)
from relightnerf.diffusion.codecs.edge import X1_5
from relightnerf.errors import InputError
from relightnerf.evaluation.lpips import Lpips
from relightnerf.io.files import write_json
from relightnerf.training.decoder import edge_decoder_loss

TINY = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "down_block_out_channels": (4, 8, 8, 8),
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "up_block_out_channels": (4, 8, 8, 8),
    "norm_num_groups": 4,
}


def make_codec(kind: str) -> ImageCodec:
    torch.manual_seed(0)
    if kind == "ratio":
        return RatioCodec(RatioSettings(factor=4))
    if kind == "edge":
        return EdgeCodec(EdgePreservingAutoencoder(**TINY).eval())
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    scale = {"scaling_factor": 0.3, "shift_factor": 0.1}
    vae = AutoencoderKL(**blocks, **scale, block_out_channels=(4, 8), norm_num_groups=4, sample_size=64)
    return KlCodec(vae.eval())


@pytest.fixture(params=["kl", "edge", "ratio"])
def codec(request: pytest.FixtureRequest) -> ImageCodec:
    return make_codec(request.param)


def test_latents_and_pictures_have_the_promised_shapes(codec: ImageCodec) -> None:
    target, source = torch.rand(2, 3, 32, 48), torch.rand(2, 3, 32, 48)
    latent = codec.encode(target, source)
    assert latent.shape == (2, codec.channels, 32 // codec.factor, 48 // codec.factor)
    photo = torch.rand(1, 3, 70, 101)
    decoded = codec.decode(latent, photo, [torch.rand(1, 2, 70, 101)])
    assert decoded.shape == ((2, 3, 70, 101) if codec.kind == "ratio" else (2, 3, 32, 48))
    assert decoded.min() >= 0 and decoded.max() <= 1


def test_a_saved_codec_gives_the_same_latents_and_pictures(codec: ImageCodec, tmp_path: Path) -> None:
    target, source = torch.rand(2, 2, 3, 32, 48)
    codec.save(tmp_path)
    again = load_codec(tmp_path)
    assert type(again) is type(codec)
    latent = codec.encode(target, source)
    torch.testing.assert_close(again.encode(target, source), latent, rtol=0, atol=0)
    torch.testing.assert_close(again.decode(latent, source), codec.decode(latent, source), rtol=0, atol=0)


def test_many_lights_at_once_are_each_light_alone(codec: ImageCodec) -> None:
    photo = torch.rand(1, 3, 64, 48)
    latents, guides = 0.5 * torch.randn(3, codec.channels, 8, 6), torch.rand(3, 2, 64, 48)
    for groups in ([], [guides[:1]], [guides], [guides[:1], guides]):
        together = codec.decode(latents, photo, groups)
        own = [[group.expand(3, -1, -1, -1)[i : i + 1] for group in groups] for i in range(3)]
        alone = [codec.decode(latents[i : i + 1], photo, own[i]) for i in range(3)]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(codec.decode(latents, photo.expand(3, -1, -1, -1), groups), together)
    whole = codec.encode(photo, photo)
    codec.enable_tiling()
    torch.testing.assert_close(codec.decode(latents, photo, groups), together, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(codec.encode(photo, photo), whole, rtol=1e-4, atol=1e-5)


def test_gradients_reach_the_latent(codec: ImageCodec) -> None:
    latent = (0.3 * torch.randn(2, codec.channels, 4, 4)).requires_grad_()
    codec.decode(latent, torch.rand(1, 3, 32, 32)).square().sum().backward()
    assert latent.grad is not None and latent.grad.isfinite().all() and (latent.grad != 0).any(1).all()


def test_half_precision_weights_give_float_pictures(codec: ImageCodec) -> None:
    target, source = torch.rand(2, 1, 3, 32, 32)
    expected = codec.decode(codec.encode(target, source), source)
    half = codec.to(torch.bfloat16)
    decoded = half.decode(half.encode(target, source), source)
    assert decoded.dtype == torch.float32
    torch.testing.assert_close(decoded, expected, rtol=0, atol=0.05)


def test_pictures_that_are_no_whole_cells_are_refused(codec: ImageCodec) -> None:
    picture = torch.rand(1, 3, 32, 32 + codec.factor // 2)
    with pytest.raises(InputError, match="multiples of"):
        codec.encode(picture, picture)


def test_folders_of_other_codecs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"codec\.json"):
        load_codec(tmp_path)
    write_json(tmp_path / "codec.json", {"kind": "wavelet"})
    with pytest.raises(InputError, match="wavelet"):
        load_codec(tmp_path)
    with pytest.raises(InputError, match="'ratio'"):
        RatioCodec.load(tmp_path)
    write_json(tmp_path / "codec.json", {"kind": "ratio", "colour": 3})
    with pytest.raises(InputError, match="unknown settings"):
        load_codec(tmp_path)


def test_kl_latents_are_those_of_a_stable_diffusion_pipeline() -> None:
    codec = make_codec("kl")
    picture = torch.rand(1, 3, 32, 32)
    mode = codec.vae.encode(2 * picture - 1).latent_dist.mode()
    torch.testing.assert_close(codec.encode(picture, picture), (mode - 0.1) * 0.3)
    expected = (codec.vae.decode(mode).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(codec.decode((mode - 0.1) * 0.3, picture), expected)


def plain_and_edge() -> tuple[AsymmetricAutoencoderKL, EdgePreservingAutoencoder]:
    torch.manual_seed(0)
    plain, edge = AsymmetricAutoencoderKL(**TINY).eval(), EdgePreservingAutoencoder(**TINY).eval()
    edge.load_state_dict(plain.state_dict())
    return plain, edge


def test_the_x1_5_decoder_has_diffusers_names_and_shapes() -> None:
    with torch.device("meta"):
        plain, edge = AsymmetricAutoencoderKL(**X1_5), EdgePreservingAutoencoder(**X1_5)
        EdgeCodec(edge)
    shapes = {name: weight.shape for name, weight in edge.state_dict().items()}
    assert shapes == {name: weight.shape for name, weight in plain.state_dict().items()}
    assert shapes["decoder.condition_encoder.layers.0.weight"] == (192, 3, 3, 3)


@torch.no_grad()
def test_without_a_photo_the_edge_decoder_is_diffusers_own() -> None:
    plain, edge = plain_and_edge()
    latent = torch.randn(2, 4, 4, 6)
    torch.testing.assert_close(edge.decode(latent).sample, plain.decode(latent).sample, rtol=0, atol=0)


@torch.no_grad()
def test_with_a_photo_its_features_are_added_before_every_block_and_the_output() -> None:
    plain, edge = plain_and_edge()
    latent, photo = torch.randn(2, 4, 4, 6), torch.randn(2, 3, 32, 48)
    without = plain.decode(latent).sample
    features = plain.decoder.condition_encoder(photo)
    for module in (*plain.decoder.up_blocks, plain.decoder.conv_norm_out):
        module.register_forward_pre_hook(lambda _, args: (args[0] + features[str(tuple(args[0].shape))], *args[1:]))
    expected = plain.decode(latent).sample
    assert (expected - without).abs().max() > 0.01
    torch.testing.assert_close(edge.decode(latent, image=photo).sample, expected)


@pytest.mark.parametrize("up", [(4, 8, 16, 32), (8, 16, 32), (4, 4, 4), (4, 8), (4,)])
@torch.no_grad()
def test_decoders_whose_channels_fit_the_photo_s_features_decode(up: tuple[int, ...]) -> None:
    sizes = {"down_block_types": ("DownEncoderBlock2D",) * len(up), "up_block_types": ("UpDecoderBlock2D",) * len(up)}
    vae = EdgePreservingAutoencoder(
        **sizes, down_block_out_channels=(4,) * len(up), up_block_out_channels=up, norm_num_groups=4
    )
    codec = EdgeCodec(vae.eval())
    photo = torch.rand(1, 3, 32, 48)
    latent = codec.encode(photo, photo)
    assert codec.decode(latent, photo).shape == photo.shape
    assert not codec.decode(latent, photo).equal(codec.decode(latent, 1 - photo))


def test_decoders_whose_channels_do_not_fit_are_refused() -> None:
    for up in [(4, 4, 8, 8), (4, 8, 8, 8, 8)]:
        types = {"down_block_types": ("DownEncoderBlock2D",), "up_block_types": ("UpDecoderBlock2D",) * len(up)}
        vae = EdgePreservingAutoencoder(
            **types, down_block_out_channels=(4,), up_block_out_channels=up, norm_num_groups=4
        )
        with pytest.raises(InputError, match="up_block_out_channels"):
            EdgeCodec(vae)


def test_checkpointed_gradients_of_the_edge_decoder_are_the_same() -> None:
    target, source = torch.rand(2, 2, 3, 32, 32)
    gradients = []
    for checkpointed in (False, True):
        codec = make_codec("edge")
        if checkpointed:
            codec.vae.enable_gradient_checkpointing()
        edge_decoder_loss(codec, torch.ones(2, 4, 4, 4), source, target).backward()
        gradients.append([w.grad for w in codec.vae.decoder.parameters()])
    torch.testing.assert_close(*gradients)
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients[0])


def test_a_trained_decoder_copies_texture_that_it_never_saw_from_the_photo() -> None:
    losses = []
    for with_photo in (True, False):
        codec, generator = make_codec("edge"), torch.Generator().manual_seed(0)
        optimizer = torch.optim.Adam(codec.vae.decoder.parameters(), 1e-2)
        for _ in range(60):
            photo = torch.rand(4, 3, 32, 32, generator=generator)
            target = 0.6 * photo
            with torch.no_grad():
                latent = codec.encode(target, photo)
            loss = edge_decoder_loss(codec, latent, photo if with_photo else torch.full_like(photo, 0.5), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())
    assert losses[0] < 0.5 * losses[1]


def test_the_edge_decoder_s_loss_is_l1_and_the_perceptual_distance(tmp_path: Path) -> None:
    with torch.device("meta"):
        shapes = alexnet(weights=None).features.state_dict()
    weights = {f"features.{name}": 0.05 * torch.randn(weight.shape) for name, weight in shapes.items()}
    torch.save(weights, tmp_path / "backbone.pth")
    lpips = Lpips(tmp_path / "backbone.pth", with_gradients=True)
    codec = make_codec("edge")
    source, target, latent = (
        torch.rand(1, 3, 64, 64),
        torch.rand(1, 3, 64, 64),
        torch.zeros(1, 4, 8, 8).requires_grad_(),
    )
    decoded = codec.decode_unclipped(latent, source)
    loss = edge_decoder_loss(codec, latent, source, target, lpips)
    expected = (decoded - target).abs().mean() + lpips(decoded, target).mean()
    torch.testing.assert_close(loss, expected)
    (gradient,) = torch.autograd.grad(loss - (decoded - target).abs().mean(), latent)
    assert gradient.isfinite().all() and gradient.any()
