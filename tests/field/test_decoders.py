"""An untrained light changes nothing."""

import torch

from relightnerf.field.decoders import CaptureDecoder, LightDecoder


def test_an_untrained_light_decoder_adds_exactly_nothing() -> None:
    torch.manual_seed(0)
    decoder = LightDecoder(features=10, latents=4, hidden=16)
    encoded = decoder.encode(torch.randn(50, 10), torch.randn(50, 4))
    light = torch.nn.functional.normalize(torch.randn(50, 3), dim=-1)
    assert encoded.abs().sum() > 0
    assert (decoder(encoded, light) == 0).all()


def test_one_step_of_training_reaches_the_light_decoder() -> None:
    torch.manual_seed(0)
    decoder = LightDecoder(features=10, latents=4, hidden=16)
    light = torch.nn.functional.normalize(torch.randn(2, 50, 3), dim=-1)
    encoded = decoder.encode(torch.randn(50, 10), torch.randn(4))
    optimizer = torch.optim.Adam(decoder.parameters(), lr=0.01)
    (decoder(encoded, light[0]) - 1.0).square().mean().backward()
    optimizer.step()
    encoded = encoded.detach()
    assert not torch.equal(decoder(encoded, light[0]), decoder(encoded, light[1]))


def test_an_untrained_capture_decoder_sees_no_view_direction() -> None:
    torch.manual_seed(0)
    decoder, features = CaptureDecoder(features=10), torch.randn(50, 10)
    directions = torch.nn.functional.normalize(torch.randn(2, 50, 3), dim=-1)
    torch.testing.assert_close(decoder(features, directions[0]), decoder(features, directions[1]), rtol=0, atol=0)
