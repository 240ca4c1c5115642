"""The codec of Stable Diffusion: diffusers' ``AutoencoderKL`` as it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.diffusion.codecs._base import check_factor, read_settings, save_model


class KlCodec(nn.Module):
    """Latents of a variational autoencoder (Rombach et al., "High-Resolution Image Synthesis", CVPR 2022).

    Use it with a Stable Diffusion base for which there is no fine-tuned decoder. It draws the whole picture anew from a
    latent that is 8 times smaller to a side: text, faces and fine texture of the photo come out changed, and
    differently from view to view. ``EdgeCodec`` and ``RatioCodec`` keep them.
    """

    kind: ClassVar[str] = "kl"

    def __init__(self, vae: AutoencoderKL) -> None:
        """Wrap an autoencoder."""
        super().__init__()
        self.vae: Any = vae

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return self.vae.config.latent_channels

    @property
    def factor(self) -> int:
        """Pixels of the picture per pixel of the latent, to a side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def enable_tiling(self) -> None:
        """Work on one picture of a batch after the other, and on overlapping tiles of large ones."""
        self.vae.enable_tiling()
        self.vae.enable_slicing()

    def encode(
        self, target: Float[Tensor, "batch 3 height width"], source: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels low_height low_width"]:
        """Return the modes of the latents' distributions, shifted and scaled as the base model's configuration says.

        Args:
            target: sRGB in [0, 1]; sides are multiples of ``factor``.
            source: not used.

        Raises:
            InputError: a side is no multiple of ``factor``.
        """
        check_factor(target, self.factor)
        mode = self.vae.encode((2 * target - 1).to(self.vae.dtype)).latent_dist.mode().float()
        return (mode - (self.vae.config.shift_factor or 0.0)) * self.vae.config.scaling_factor

    def decode(
        self,
        latent: Float[Tensor, "batch channels low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
        guides: Sequence[Float[Tensor, "_ _ height width"]] = (),
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Return pictures, sRGB in [0, 1], ``factor`` times as large as the latents.

        Args:
            latent: what ``encode`` returns, or the diffusion model.
            photo: not used.
            guides: not used.
        """
        unscaled = latent / self.vae.config.scaling_factor + (self.vae.config.shift_factor or 0.0)
        decoded = self.vae.decode(unscaled.to(self.vae.dtype)).sample.float()
        return (0.5 * decoded + 0.5).clamp(0.0, 1.0)

    def save(self, folder: Path) -> None:
        """Write the autoencoder into a folder."""
        save_model(self.vae, folder, self.kind)

    @classmethod
    def load(cls, folder: Path) -> "KlCodec":
        """Read what ``save`` wrote.

        Raises:
            InputError: ``codec.json`` is absent, or of another kind.
        """
        read_settings(folder, cls.kind)
        return cls(AutoencoderKL.from_pretrained(folder, local_files_only=True))
