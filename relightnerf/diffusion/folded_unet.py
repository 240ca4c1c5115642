"""A convolutional UNet that works at half the pictures' size and answers at their own."""

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import torch
from diffusers import UNet2DModel
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.diffusion.arguments import with_parents_arguments

_FOLD = 2
"""Pixels to a side that become channels; part of the weights' shapes."""
_Network = TypeVar("_Network", bound="FoldedUNet")
_GROUPS = 16
"""Channels are normalised in so many groups; the levels of shipped networks have multiples of 16."""


@with_parents_arguments
class FoldedUNet(UNet2DModel):
    """Folds two by two pixels into channels and back (Shi et al., CVPR 2016). Before training it answers with 0.

    Attributes:
        inputs: channels of a picture that goes in.
        outputs: channels of the answer.
    """

    inputs: ClassVar[int]
    outputs: ClassVar[int]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Make one with random weights; the arguments are those of ``UNet2DModel`` without its channels."""
        kwargs["in_channels"], kwargs["out_channels"] = self.inputs * _FOLD**2, self.outputs * _FOLD**2
        super().__init__(*args, **kwargs)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    @classmethod
    def of_levels(cls: type[_Network], channels: Sequence[int], groups: int = _GROUPS) -> _Network:
        """Return a network with random weights and one residual block a level.

        Args:
            channels: of each level; the first is at half the pictures' size.
            groups: of the normalisation; every level's channels are a multiple of it.
        """
        return cls(
            down_block_types=("DownBlock2D",) * len(channels),
            up_block_types=("UpBlock2D",) * len(channels),
            block_out_channels=tuple(channels),
            layers_per_block=1,
            add_attention=False,
            norm_num_groups=groups,
        )

    @property
    def granularity(self) -> int:
        """Both sides of a picture must be multiples of this."""
        return _FOLD * 2 ** (len(self.config.block_out_channels) - 1)

    def answer(self, planes: Sequence[Float[Tensor, "batch _ height width"]]) -> Float[Tensor, "batch _ height width"]:
        """Return what the network answers to pictures that are laid upon each other, in single precision."""
        folded = nn.functional.pixel_unshuffle(torch.cat([*planes], dim=1).to(self.dtype), _FOLD)
        folded = folded.contiguous(memory_format=torch.channels_last)
        answer = UNet2DModel.forward(self, folded, 0, return_dict=False)[0]
        return nn.functional.pixel_shuffle(answer, _FOLD).float()
