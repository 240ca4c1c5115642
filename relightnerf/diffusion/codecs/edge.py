"""The reference method's codec: a decoder that sees the photo and so keeps its edges.

Method: Poirier-Ginter et al., "A Diffusion Approach to Radiance Field Relighting using Multi-Illumination Synthesis"
(EGSR 2024), on the asymmetric decoder of Zhu et al., "Designing a Better Asymmetric VQGAN for StableDiffusion" (2023).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from diffusers import AsymmetricAutoencoderKL
from diffusers.models.autoencoders.autoencoder_kl import DecoderOutput
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.diffusion.codecs._base import check_factor, read_settings, save_model
from relightnerf.diffusion.sizes import resized
from relightnerf.errors import InputError

X1_5: dict[str, Any] = {
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "down_block_out_channels": (128, 256, 512, 512),
    "layers_per_down_block": 2,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "up_block_out_channels": (192, 384, 768, 768),
    "layers_per_up_block": 3,
    "latent_channels": 4,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
"""Arguments of the autoencoder that is 1.5 times as wide as Stable Diffusion's (Zhu et al., table 1)."""


class EdgePreservingAutoencoder(AsymmetricAutoencoderKL):
    """diffusers' ``AsymmetricAutoencoderKL`` whose decoder adds features of a photo to its own, without a mask.

    Weights of that class load by name and mean the same; ``decode(z)`` without an image gives the same picture.
    ``decode(z, image=photo)``, the photo in [-1, 1] and as large as the picture, adds what
    ``decoder.condition_encoder`` sees in it before every up block and before the output layers. One photo serves any
    number of latents.

    The condition encoder has five layers: two in the picture's size, then three that halve it, with
    ``up_block_out_channels[0]`` channels, twice as many from layer to layer, and never more than the last up block has.
    So an autoencoder has one to four blocks (factor 1 to 8), and with channels c0 the others are min(2 c0, last),
    min(4 c0, last), last: (192, 384, 768, 768), (4, 8, 8, 8) or (8, 16, 32) fit. With fewer than four blocks the
    smallest features are not used.
    """

    _supports_gradient_checkpointing = True
    use_slicing = False
    """Whether ``decode`` works on one latent after the other; ``enable_slicing`` sets it."""

    def _decode(
        self,
        z: Float[Tensor, "batch channels low_height low_width"],
        image: Float[Tensor, "photos 3 height width"] | None = None,
        mask: None = None,
        return_dict: bool = True,
    ) -> DecoderOutput | tuple[Tensor]:
        features = [] if image is None else self._photo_features(image)
        z = self.post_quant_conv(z)
        if self.use_slicing:
            # One photo's features serve every latent: a view of them, not copies.
            own = (f.expand(len(z), -1, -1, -1).split(1) for f in features)
            parts = zip(z.split(1), *own, strict=True)
            sample = torch.cat([self._decode_adding(one, one_photo) for one, *one_photo in parts])
        else:
            sample = self._decode_adding(z, features)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def _photo_features(self, image: Float[Tensor, "photos 3 height width"]) -> list[Tensor]:
        """Return the photo's features from the smallest that the decoder uses to those of the picture's size."""
        features: list[Tensor] = []
        for layer in self.decoder.condition_encoder.layers[: len(self.decoder.up_blocks) + 1]:
            # Kept before the activation, as in diffusers' condition encoder, whose weights load here.
            image = layer(image if not features else torch.relu(image))
            features.insert(0, image)
        return features

    def _decode_adding(
        self, z: Float[Tensor, "batch channels low_height low_width"], features: Sequence[Tensor]
    ) -> Float[Tensor, "batch 3 height width"]:
        decoder = self.decoder
        sample = self._run(decoder.mid_block, decoder.conv_in(z))
        # From small to large: each block works on its input plus the photo's features of that size.
        for index, block in enumerate(decoder.up_blocks):
            sample = self._run(block, sample + features[index] if features else sample)
        # The last level has the picture's size twice: once before the last block, and here before the output layers.
        sample = sample + features[-1] if features else sample
        return decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(sample)))

    def _run(self, block: nn.Module, sample: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.decoder.gradient_checkpointing:
            return self.decoder._gradient_checkpointing_func(block, sample)
        return block(sample)


class EdgeCodec(nn.Module):
    """Latents as Stable Diffusion's, decoded by a network that also sees the photo.

    Use it with a Stable Diffusion base and weights that were fine-tuned with ``edge_decoder_loss``: text and texture of
    the photo survive, which they do not with ``KlCodec``, and the decoder may still draw highlights and shadow edges
    that the photo has not. With weights that were not fine-tuned, the photo's features disturb the picture.
    """

    kind: ClassVar[str] = "edge"

    def __init__(self, vae: EdgePreservingAutoencoder) -> None:
        """Wrap an autoencoder.

        Raises:
            InputError: its channels do not fit its condition encoder's.
        """
        super().__init__()
        self.vae: Any = vae
        # From the picture's size down: the width of the output layers, then of the up blocks' inputs, last to first.
        up = tuple(vae.config.up_block_out_channels)
        given = [layer.out_channels for layer in vae.decoder.condition_encoder.layers[: len(up) + 1]]
        if given != [*up, up[-1]]:
            raise InputError(
                f"up_block_out_channels {up}: not what the photo's features have",
                "give one to four, each twice the one before it or as many as the last, such as (192, 384, 768, 768)",
            )

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return self.vae.config.latent_channels

    @property
    def factor(self) -> int:
        """Pixels of the picture per pixel of the latent, to a side."""
        # All blocks but the last enlarge by 2.
        return 2 ** (len(self.vae.config.up_block_out_channels) - 1)

    def enable_tiling(self) -> None:
        """Work on one picture of a batch after the other; the photo's features are still computed once."""
        self.vae.enable_slicing()

    def encode(
        self, target: Float[Tensor, "batch 3 height width"], source: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels low_height low_width"]:
        """Return the modes of the latents' distributions times the configuration's scaling factor.

        Args:
            target: sRGB in [0, 1]; sides are multiples of ``factor``.
            source: not used.

        Raises:
            InputError: a side is no multiple of ``factor``.
        """
        check_factor(target, self.factor)
        # The mode of a Gaussian is its mean: no noise is drawn, so a picture always has the same latent.
        pictures = (2 * target - 1).to(self.vae.dtype)
        modes = [
            self.vae.encode(p).latent_dist.mode() for p in pictures.split(1 if self.vae.use_slicing else len(target))
        ]
        return torch.cat(modes).float() * self.vae.config.scaling_factor

    def decode(
        self,
        latent: Float[Tensor, "batch channels low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
        guides: Sequence[Float[Tensor, "_ _ height width"]] = (),
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Return pictures, sRGB in [0, 1], ``factor`` times as large as the latents.

        Args:
            latent: what ``encode`` returns, or the diffusion model.
            photo: sRGB in [0, 1], in any size, of the same field of view: one for each latent, or one for all.
            guides: not used.
        """
        return self.decode_unclipped(latent, photo).clamp(0.0, 1.0)

    def decode_unclipped(
        self,
        latent: Float[Tensor, "batch channels low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Return what ``decode`` returns before it clips: values outside [0, 1] have gradients too."""
        size = (latent.shape[-2] * self.factor, latent.shape[-1] * self.factor)
        if photo.shape[-2:] != size:
            photo = resized(photo, size)
        # The autoencoder works in [-1, 1]; its weights may be in half precision, the result is float32.
        unscaled = (latent / self.vae.config.scaling_factor).to(self.vae.dtype)
        decoded = self.vae.decode(unscaled, image=(2 * photo - 1).to(self.vae.dtype)).sample
        return 0.5 * decoded.float() + 0.5

    def save(self, folder: Path) -> None:
        """Write the autoencoder into a folder."""
        save_model(self.vae, folder, self.kind)

    @classmethod
    def load(cls, folder: Path) -> "EdgeCodec":
        """Read what ``save`` wrote.

        Raises:
            InputError: ``codec.json`` is absent, or of another kind.
        """
        read_settings(folder, cls.kind)
        return cls(EdgePreservingAutoencoder.from_pretrained(folder, local_files_only=True))
