"""The ratio codec: latents say how much brighter each place of the photo becomes, not what it looks like."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relightnerf.diffusion.codecs._base import check_factor, read_settings
from relightnerf.diffusion.hub import CODEC_FILE
from relightnerf.errors import InputError
from relightnerf.imaging.color_tensors import linear_from_srgb, srgb_from_linear
from relightnerf.imaging.joint_bilateral import Kernel, upsampled_chunks
from relightnerf.io.files import write_json


@dataclass(frozen=True)
class RatioSettings:
    """Numbers of a ``RatioCodec``; those of the latents (the first four) belong to the weights trained with them."""

    factor: int = 8
    """Pixels of the working picture per pixel of the latent, to a side. Twice as many make the network four times as
    fast and shadow edges twice as soft; on toy scenes, a quarter of the picture's size cost 7.6 degrees of the light's
    direction by itself, so the recipes take half."""
    offset: float = 0.004
    """Linear; added to both values before they are divided, so that black has a ratio. It is 13 of 255 in sRGB: where
    the photo is darker, its noise would decide a ratio without it; a larger one flattens the ratio in real shadows."""
    limit: float = 4.0
    """Largest natural logarithm of a ratio, to both sides: a factor of 55, more than the offset lets most photos reach.
    It only keeps what a network says far from training data from becoming infinite."""
    scale: float = 0.8
    """Logarithm of a ratio per unit of the latent: about the standard deviation over training data, so that latents
    have unit scale, which the noise schedule takes for granted."""
    radius: int = 2
    """Neighbours to each side that a pixel's ratio is a mean of: 5x5. More reach further for one that looks like the
    pixel, and cost as their number; with ``sigma_cells``, those beyond hardly count."""
    sigma_cells: float = 0.7
    """Spatial standard deviation of their weights in latent pixels: about that of bilinear interpolation. Smaller ones
    show the latent's squares, larger ones blur the ratio where photo and guides are even."""
    sigma_photo: float = 0.1
    """Difference in sRGB at which a neighbour's weight falls to 0.61 = exp(-1/2). Smaller ones follow the photo's noise
    and texture, larger ones let the ratio run over edges."""
    sigma_guide: float = 0.1
    """The same for the guide's channels, which ``GuideSettings`` has brought to a common scale."""


class RatioCodec(nn.Module):
    """Latent = log of target over source in linear light, small; decoded onto the photo in its own size.

    Use it to relight photos of any resolution with a small diffusion model: texture, text and sharpness are the photo's
    own, exactly, whatever the model does, and edges of the ratio follow edges of the photo and of the guide (joint
    bilateral upsampling, Kopf et al., SIGGRAPH 2007). Highlights and shadow edges finer than a latent pixel come out
    soft where neither the photo nor the guide shows them. It has no weights and needs no training.
    """

    kind: ClassVar[str] = "ratio"
    channels: int = 3

    def __init__(self, settings: RatioSettings | None = None) -> None:
        """Make one; the default settings if none are given."""
        super().__init__()
        self.settings = settings or RatioSettings()
        self.factor = self.settings.factor

    def enable_tiling(self) -> None:
        """Change nothing: it works on a few rows at a time anyway."""

    def encode(
        self, target: Float[Tensor, "batch 3 height width"], source: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 low_height low_width"]:
        """Return log((target + offset) / (source + offset)) / scale of means in linear light over each latent pixel.

        Args:
            target: sRGB in [0, 1]; sides are multiples of ``factor``.
            source: the photo that is relit to ``target``, sRGB in [0, 1].

        Raises:
            InputError: a side is no multiple of ``factor``.
        """
        check_factor(target, self.factor)
        # A ratio of means and not a mean of ratios: a mean of linear values is what a small camera would see, and dark
        # pixels, whose ratios are noise, count for little in it.
        over, under = (self._small_linear(picture) + self.settings.offset for picture in (target, source))
        return (over / under).log().clamp(-self.settings.limit, self.settings.limit) / self.settings.scale

    def small(self, picture: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 low_height low_width"]:
        """Return a picture (sRGB in [0, 1]) averaged in linear light to the latent's size, sRGB."""
        return srgb_from_linear(self._small_linear(picture))

    def small_picture(
        self, latent: Float[Tensor, "batch 3 low_height low_width"], source: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 low_height low_width"]:
        """Return what a latent makes of the photo at the latent's size, sRGB from 0 on, brighter than 1 where it is.

        Args:
            latent: what ``encode`` returns, or the diffusion model.
            source: the photo, sRGB in [0, 1].
        """
        # t = (s + offset) e^r - offset, the inverse of ``encode`` at the latent's size.
        offset = self.settings.offset
        linear = (self._small_linear(source) + offset) * self._log_ratio(latent).exp() - offset
        return srgb_from_linear(linear, clip=False)

    def _small_linear(self, picture: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch 3 _ _"]:
        # Means in linear light, as a coarser camera would measure them.
        return functional.avg_pool2d(linear_from_srgb(picture.float()), self.factor)

    def _log_ratio(self, latent: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return (latent * self.settings.scale).clamp(-self.settings.limit, self.settings.limit)

    def decode(
        self,
        latent: Float[Tensor, "batch 3 low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
        guides: Sequence[Float[Tensor, "_ _ height width"]] = (),
    ) -> Float[Tensor, "batch 3 height width"]:
        """Return the photo, brightened and tinted as the latent says, sRGB in [0, 1], in the photo's size.

        Args:
            latent: what ``encode`` returns, or the diffusion model.
            photo: sRGB in [0, 1], in any size, of the same field of view: one for each latent, or one for all.
            guides: channels whose edges the ratio's edges follow, such as normalised depth and light cues, in about
                [0, 1] and in the photo's size; each group of them one for each latent, or one for all.
        """
        # In standard deviations, as ``upsampled_chunks`` wants guides.
        photo = photo.float()
        scaled = [photo / self.settings.sigma_photo, *(guide.float() / self.settings.sigma_guide for guide in guides)]
        return torch.cat(list(self._relit_rows(latent.float(), photo, scaled)), dim=2)

    def _relit_rows(
        self,
        latent: Float[Tensor, "batch 3 low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
        guides: Sequence[Float[Tensor, "_ _ height width"]],
    ) -> Iterator[Float[Tensor, "batch 3 rows width"]]:
        settings = self.settings
        top = 0
        # The logarithm is upsampled, not the ratio: factors of 2 and of 1/2 are equally far from none.
        for rows in upsampled_chunks(self._log_ratio(latent), guides, Kernel(settings.radius, settings.sigma_cells)):
            # Solved for the target t, the latent's logarithm r = log((t + offset) / (s + offset)) gives
            # t = (s + offset) e^r - offset = s + (s + offset) (e^r - 1): written so, s stays exactly where r is 0.
            linear = linear_from_srgb(photo[:, :, top : top + rows.shape[2]])
            yield srgb_from_linear(linear + (linear + settings.offset) * rows.expm1())
            top += rows.shape[2]

    def save(self, folder: Path) -> None:
        """Write the settings into a folder."""
        write_json(folder / CODEC_FILE, {"kind": self.kind, **asdict(self.settings)})

    @classmethod
    def load(cls, folder: Path) -> "RatioCodec":
        """Read what ``save`` wrote.

        Raises:
            InputError: ``codec.json`` is absent, or holds something else.
        """
        settings = read_settings(folder, cls.kind)
        try:
            return cls(RatioSettings(**settings))
        except TypeError:
            raise InputError(f"{folder / CODEC_FILE}: unknown settings of a ratio codec", "save it again") from None
