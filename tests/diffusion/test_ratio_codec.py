import pytest
import torch
from torch import Tensor
from torch.nn import functional

from relightnerf.diffusion.codecs import RatioCodec, RatioSettings
from relightnerf.imaging import joint_bilateral
from relightnerf.imaging.color_tensors import linear_from_srgb, srgb_from_linear


def lit_pictures(lights: int, height: int = 96, width: int = 144) -> tuple[Tensor, Tensor, Tensor]:
    """Return pictures (lights, 3, h, w) of one scene, a photo of it (1, 3, h, w) and its depth (1, 1, h, w).

    Smooth light on fine texture; it jumps at the rim of a disc that stands before the rest.
    """
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1.5, 1.5, width), indexing="ij")
    disc = (x + 0.3).square() + y.square() < 0.4
    checks = 0.6 + 0.4 * ((x * 9).floor() + (y * 9).floor()).remainder(2)
    base = torch.where(disc, torch.tensor([0.7, 0.4, 0.3])[:, None, None], torch.tensor([0.3, 0.5, 0.6])[:, None, None])
    albedo = base * torch.where(disc, 1.0, checks) * (0.6 + 0.4 * torch.rand(height, width, generator=generator))
    coefficients = torch.rand(lights + 1, 2, 3, 1, 1, generator=generator)
    level, slope_x, slope_y = (torch.where(disc, c[:, 0], c[:, 1]) for c in coefficients.unbind(2))
    shading = 0.1 + 0.5 * level + 0.2 * (1 + (2 * slope_x - 1) * x.sin() + (2 * slope_y - 1) * y.sin())
    pictures = srgb_from_linear(albedo * shading[:, None])
    return pictures[1:], pictures[:1], torch.where(disc, 0.3, 0.8 + 0.1 * y)[None, None]


def decibels(first: Tensor, second: Tensor) -> float:
    return float(-10 * (first - second).square().mean().log10())


def bilinear(codec: RatioCodec, latent: Tensor, photo: Tensor) -> Tensor:
    log_ratio = functional.interpolate(latent * codec.settings.scale, photo.shape[-2:], mode="bilinear")
    offset = codec.settings.offset
    return srgb_from_linear((linear_from_srgb(photo) + offset) * log_ratio.exp() - offset)


@pytest.mark.parametrize("size", [(64, 96), (61, 101), (200, 30), (7, 5)])
def test_a_ratio_of_one_is_the_photo_itself(size: tuple[int, int]) -> None:
    photo = torch.rand(1, 3, *size)
    decoded = RatioCodec().decode(torch.zeros(2, 3, 8, 12), photo)
    torch.testing.assert_close(decoded, photo.expand(2, -1, -1, -1), rtol=0, atol=1e-6)


def test_a_constant_ratio_scales_the_photo() -> None:
    codec = RatioCodec()
    photo = 0.1 + 0.5 * torch.rand(1, 3, 61, 101)
    latent = torch.tensor([0.5, -0.5, 0.2])[None, :, None, None].expand(-1, -1, 8, 12)
    offset, factors = codec.settings.offset, (latent[:, :, :1, :1] * codec.settings.scale).exp()
    expected = srgb_from_linear((linear_from_srgb(photo) + offset) * factors - offset)
    torch.testing.assert_close(codec.decode(latent, photo), expected, rtol=0, atol=1e-5)


def test_at_the_same_size_the_ratio_gives_the_target_back() -> None:
    codec = RatioCodec(RatioSettings(factor=1))
    targets, photo, _ = lit_pictures(lights=3)
    decoded = codec.decode(codec.encode(targets, photo.expand_as(targets)), photo)
    torch.testing.assert_close(decoded, targets, rtol=0, atol=1e-4)


def test_a_small_ratio_keeps_texture_and_edges() -> None:
    codec = RatioCodec(RatioSettings(factor=4))
    targets, photo, depth = lit_pictures(lights=3)
    latents = codec.encode(targets, photo.expand_as(targets))
    soft = decibels(bilinear(codec, latents, photo), targets)
    by_photo = decibels(codec.decode(latents, photo), targets)
    by_depth = decibels(codec.decode(latents, photo, [depth]), targets)
    assert soft > decibels(photo.expand_as(targets), targets) + 3
    assert by_photo > soft + 4
    assert by_depth > max(by_photo, soft + 10)
    assert by_depth > 40


def test_where_no_neighbour_is_alike_the_ratio_is_bilinear() -> None:
    codec = RatioCodec()
    photo, latent = torch.rand(1, 3, 61, 101), 0.5 * torch.randn(1, 3, 8, 12)
    checks = (torch.arange(61)[:, None] + torch.arange(101)).remainder(2)[None, None]
    decoded = codec.decode(latent, photo, [1000.0 * checks])
    torch.testing.assert_close(decoded, bilinear(codec, latent, photo), rtol=0, atol=1e-5)


def test_an_upsampled_pixel_is_the_weighted_mean_of_its_neighbours() -> None:
    values, guide = torch.rand(1, 1, 5, 7), 3 * torch.rand(1, 2, 20, 28)
    kernel = joint_bilateral.Kernel(radius=1, sigma_cells=0.7, fallback=0.0)
    result = torch.cat(list(joint_bilateral.upsampled_chunks(values, [guide], kernel)), dim=2)
    low_guide = functional.avg_pool2d(guide, 4)
    # pixel (9, 18) lies in cell (2, 4), at (1.875, 4.125) cells from the first cell's centre
    total = weights = torch.tensor(0.0)
    for row in (1, 2, 3):
        for column in (3, 4, 5):
            far = ((row - 1.875) ** 2 + (column - 4.125) ** 2) / (0.7**2 * (1 - 1 / 16))
            other = (guide[0, :, 9, 18] - low_guide[0, :, row, column]).square().sum()
            weight = torch.exp(-0.5 * (far + other))
            total, weights = total + weight * values[0, 0, row, column], weights + weight
    torch.testing.assert_close(result[0, 0, 9, 18], total / weights)


def test_pieces_of_rows_make_the_same_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    latent, photo = torch.randn(2, 3, 8, 12), torch.rand(1, 3, 61, 101)
    whole = RatioCodec().decode(latent, photo)
    monkeypatch.setattr(joint_bilateral, "_CHUNK_VALUES", 1)
    torch.testing.assert_close(RatioCodec().decode(latent, photo), whole)


def test_ratios_are_bounded() -> None:
    codec = RatioCodec(RatioSettings(limit=1.0, scale=0.5))
    black, white = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    assert codec.encode(white, black).eq(2).all() and codec.encode(black, white).eq(-2).all()
    photo = torch.full((1, 3, 8, 8), 0.4)
    assert codec.decode(torch.full((1, 3, 1, 1), 9.0), photo).equal(codec.decode(torch.full((1, 3, 1, 1), 2.0), photo))
