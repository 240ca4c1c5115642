"""An untrained light changes nothing."""

import torch

from relightnerf.field.decoders import CaptureDecoder, LightDecoder


def _decoder() -> tuple[LightDecoder, torch.Tensor]:
    torch.manual_seed(0)
    decoder = LightDecoder(features=10, latents=4, hidden=16, basis=6, cues=2)
    return decoder, decoder.encode(torch.randn(50, 10), _directions(50))


def _directions(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape, 3), dim=-1)


def test_an_untrained_light_decoder_adds_exactly_nothing() -> None:
    decoder, transfer = _decoder()
    assert transfer.shape == (50, 3, 8)
    assert (decoder(transfer, decoder.encode_lights(_directions(50, 2))) == 0).all()


def test_lights_that_all_rays_share_are_each_ray_s_own() -> None:
    decoder, _ = _decoder()
    transfer, lights = torch.randn(50, 3, 8), decoder.encode_lights(_directions(4))
    own = decoder(transfer, lights.expand(50, 4, 8))
    assert own.shape == (50, 4, 3)
    assert own.std() > 0.01
    torch.testing.assert_close(decoder(transfer, lights), own)


def test_a_picture_s_latent_changes_its_light_and_no_latent_changes_nothing() -> None:
    decoder, _ = _decoder()
    transfer, directions = torch.randn(50, 3, 8), _directions(50, 2)
    plain, none, some = (
        decoder(transfer, decoder.encode_lights(directions, latents))
        for latents in (None, torch.zeros(50, 2, 4), torch.ones(50, 2, 4))
    )
    torch.testing.assert_close(none, plain, rtol=0, atol=0)
    assert (some - plain).abs().max() > 0.01


def test_cues_are_functions_of_the_light_beside_the_learned_ones() -> None:
    decoder, _ = _decoder()
    transfer, lights, cues = torch.randn(50, 3, 8), decoder.encode_lights(_directions(4)), torch.rand(50, 4, 2)
    expected = decoder(transfer, lights) + torch.einsum("rlk,rck->rlc", cues, transfer[..., 6:])
    torch.testing.assert_close(decoder(transfer, lights, cues), expected)
    torch.testing.assert_close(decoder(transfer, lights.expand(50, 4, 8), cues), expected)


def test_one_step_of_training_reaches_the_light_decoder() -> None:
    decoder, transfer = _decoder()
    directions = _directions(50, 2)
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    (decoder(transfer, decoder.encode_lights(directions)) - 1.0).square().mean().backward()
    optimizer.step()
    torch.manual_seed(0)
    after = decoder.encode(torch.randn(50, 10), _directions(50))
    offsets = decoder(after, decoder.encode_lights(directions))
    assert not torch.equal(offsets[:, 0], offsets[:, 1])


def test_an_untrained_capture_decoder_sees_no_view_direction() -> None:
    torch.manual_seed(0)
    decoder, features = CaptureDecoder(features=10), torch.randn(50, 10)
    directions = _directions(2, 50)
    torch.testing.assert_close(decoder(features, directions[0]), decoder(features, directions[1]), rtol=0, atol=0)
