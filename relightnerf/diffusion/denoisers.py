"""Networks that denoise a latent, told the light and the condition image."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from diffusers import DiTTransformer2DModel, UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor, nn

from relightnerf.diffusion.arguments import with_parents_arguments
from relightnerf.diffusion.conditions import REFERENCE_PARTS, condition_channels, part_names
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.lights import SH_COEFFICIENTS


class Denoiser(Protocol):
    """What ``sampling.sample`` calls and training trains."""

    @property
    def condition_parts(self) -> tuple[str, ...]:
        """Names of the condition image's parts, in order."""
        ...

    @property
    def granularity(self) -> int:
        """Both sides of a latent must be multiples of this."""
        ...

    def __call__(
        self,
        noisy: Float[Tensor, "batch latent height width"],
        timesteps: Int[Tensor, " batch"],
        light: Float[Tensor, "batch 16"],
        condition: Float[Tensor, "batch channels tall wide"],
    ) -> Float[Tensor, "batch latent height width"]:
        """Return the prediction (noise, v or clean latent, as the base was trained).

        Args:
            noisy: scaled as the scheduler wants the model's input.
            timesteps: in [0, 1000).
            light: ``lights.spherical_harmonics`` of the direction in the camera's frame.
            condition: ``conditions.condition_image``, a whole number of times the latent's size.
        """
        ...


class ControlledUNet(nn.Module):
    """A Stable Diffusion UNet whose features a ``LightControlNet`` shifts; the prompt is always the same.

    Attributes:
        prompt: (1, tokens, width) embedding.
    """

    prompt: Tensor

    def __init__(
        self,
        unet: UNet2DConditionModel,
        controlnet: LightControlNet,
        prompt: Float[Tensor, "1 tokens width"],
    ) -> None:
        """Join the two.

        Args:
            unet: the base.
            controlnet: the control.
            prompt: text embedding, for the empty prompt as a rule.
        """
        super().__init__()
        self.unet: Any = unet
        self.controlnet = controlnet
        self.register_buffer("prompt", prompt, persistent=False)

    @property
    def condition_parts(self) -> tuple[str, ...]:
        """Names of the condition image's parts, in order."""
        return self.controlnet.condition_parts

    @property
    def granularity(self) -> int:
        """The UNet halves the latent between its blocks."""
        return 2 ** (len(self.unet.config.block_out_channels) - 1)

    def forward(
        self,
        noisy: Float[Tensor, "batch latent height width"],
        timesteps: Int[Tensor, " batch"],
        light: Float[Tensor, "batch 16"],
        condition: Float[Tensor, "batch channels tall wide"],
    ) -> Float[Tensor, "batch latent height width"]:
        """Return the prediction; see ``Denoiser``."""
        prompt = self.prompt.expand(len(noisy), -1, -1)
        # The light goes where distilled models get their guidance scale: ``cond_proj`` adds it to the timestep's code.
        down, middle = self.controlnet(
            noisy,
            timesteps,
            encoder_hidden_states=prompt,
            controlnet_cond=condition,
            timestep_cond=light,
            return_dict=False,
        )
        # The residuals are added to the base's skip connections and to its middle; before training they are all 0.
        return self.unet(
            noisy,
            timesteps,
            encoder_hidden_states=prompt,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
            return_dict=False,
        )[0]


@with_parents_arguments
class LightDiT(DiTTransformer2DModel):
    """A diffusion transformer (Peebles and Xie, ICCV 2023) told the light where the original is told the class.

    For bases trained from scratch: there is no ControlNet; the condition image, averaged to the latent's size, comes in
    as further channels, and the light through the adaptive layer norms.
    """

    def __init__(self, *args: Any, condition_parts: Sequence[str] = REFERENCE_PARTS, **kwargs: Any) -> None:
        """Make one with random weights.

        Args:
            args: of ``DiTTransformer2DModel``.
            condition_parts: names from ``conditions.PARTS``, in the order of the condition image's channels.
            kwargs: of ``DiTTransformer2DModel``; ``out_channels`` is the latent's, and ``in_channels`` follows.
        """
        condition_parts = part_names(condition_parts)
        # Noisy latent and condition as channels of one input.
        kwargs["in_channels"] = kwargs.get("out_channels", 4) + condition_channels(condition_parts)
        kwargs.setdefault("out_channels", 4)
        super().__init__(*args, **kwargs)
        self.register_to_config(condition_parts=list(condition_parts))
        # Where the class was looked up in a table, the 16 harmonics are projected: (batch, 16) to (batch, width). It is
        # added to the timestep's embedding, from which the layer norms' scales and shifts come.
        for block in self.transformer_blocks:
            block.norm1.emb.class_embedder = nn.Linear(SH_COEFFICIENTS, self.inner_dim, bias=False)

    @property
    def condition_parts(self) -> tuple[str, ...]:
        """Names of the condition image's parts, in order."""
        return tuple(self.config.condition_parts)

    @property
    def granularity(self) -> int:
        """The transformer cuts the latent into patches."""
        return self.config.patch_size

    def forward(
        self,
        noisy: Float[Tensor, "batch latent height width"],
        timesteps: Int[Tensor, " batch"],
        light: Float[Tensor, "batch 16"],
        condition: Float[Tensor, "batch channels tall wide"],
    ) -> Float[Tensor, "batch latent height width"]:
        """Return the prediction; see ``Denoiser``."""
        height, width = noisy.shape[-2:]
        # An area mean: each latent pixel sees the mean of the condition's pixels over it.
        small = nn.functional.interpolate(condition, (height, width), mode="area")
        tokens = torch.cat([noisy, small], dim=1)
        # diffusers puts the patches together as a square
        side = max(height, width)
        square = nn.functional.pad(tokens, (0, side - width, 0, side - height), mode="replicate")
        output = super().forward(square, timesteps, class_labels=light, return_dict=False)[0]
        return output[..., :height, :width]
