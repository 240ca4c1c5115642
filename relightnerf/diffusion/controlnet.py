"""The light-conditioned ControlNet: diffusers' own, with the light's spherical harmonics in its timestep embedding.

Method: Zhang et al., "Adding Conditional Control to Text-to-Image Diffusion Models" (ICCV 2023); the light as in
Poirier-Ginter et al., "A Diffusion Approach to Radiance Field Relighting using Multi-Illumination Synthesis" (EGSR
2024, section 4.1): a bias-free linear layer takes 16 SH values to the sinusoidal timestep embedding.
"""

from collections.abc import Sequence
from typing import Any

from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn

from relightnerf.diffusion.arguments import with_parents_arguments
from relightnerf.diffusion.conditions import REFERENCE_PARTS, condition_channels, part_names
from relightnerf.lights import SH_COEFFICIENTS


@with_parents_arguments
class LightControlNet(ControlNetModel):
    """``ControlNetModel`` with ``time_embedding.cond_proj`` and a condition image of named parts.

    ``forward`` takes the light as ``timestep_cond``: (batch, 16), ``lights.spherical_harmonics`` of the unit direction
    towards the light in the camera's frame. Loads and saves as every diffusers model does, parts included.
    """

    def __init__(self, *args: Any, condition_parts: Sequence[str] = REFERENCE_PARTS, **kwargs: Any) -> None:
        """Make one with random weights whose output is zero.

        Args:
            args: of ``ControlNetModel``.
            condition_parts: names from ``conditions.PARTS``, in the order of the condition image's channels.
            kwargs: of ``ControlNetModel``; ``conditioning_channels`` follows from the parts.
        """
        condition_parts = part_names(condition_parts)
        kwargs["conditioning_channels"] = condition_channels(condition_parts)
        super().__init__(*args, **kwargs)
        self.register_to_config(condition_parts=list(condition_parts))
        width = self.config.block_out_channels[0]
        self.time_embedding.cond_proj = nn.Linear(SH_COEFFICIENTS, width, bias=False)

    @property
    def condition_parts(self) -> tuple[str, ...]:
        """Names of the condition image's parts, in order."""
        return tuple(self.config.condition_parts)

    @property
    def condition_factor(self) -> int:
        """Pixels of the condition image per pixel of the latent, to a side."""
        return 2 ** (len(self.config.conditioning_embedding_out_channels) - 1)

    @classmethod
    def for_unet(
        cls,
        unet: UNet2DConditionModel,
        condition_parts: Sequence[str] = REFERENCE_PARTS,
        embedding_channels: Sequence[int] = (16, 32, 96, 256),
    ) -> "LightControlNet":
        """Return a copy of a UNet's encoder as ControlNet; it changes nothing before it is trained.

        Args:
            unet: the base model.
            condition_parts: what the condition image holds.
            embedding_channels: of the layers that bring the condition image to the latent's size; each but the first
                halves it.
        """
        plain = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=tuple(embedding_channels))
        settings = {name: value for name, value in plain.config.items() if not name.startswith("_")}
        model = cls(**{**settings, "condition_parts": condition_parts})
        shared = {k: v for k, v in plain.state_dict().items() if k != "controlnet_cond_embedding.conv_in.weight"}
        model.load_state_dict(shared, strict=False)
        return model
