"""A convolutional UNet that denoises a latent, told the light and the condition image directly."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DModel
from jaxtyping import Float, Int
from torch import Tensor, nn

from relightnerf.diffusion.arguments import with_parents_arguments
from relightnerf.diffusion.conditions import REFERENCE_PARTS, condition_channels, part_names, part_slice
from relightnerf.lights import SH_COEFFICIENTS

_SHADED = "shaded"
"""The part with what ray-cast shading multiplies the photo by."""


@dataclass(frozen=True)
class UntrainedAnswer:
    """What the network answers before it is trained; the weights of the cues are trained on from there.

    The unit of the ratio codec's latents is ``RatioSettings.scale`` = 0.8 of a natural logarithm.
    """

    cue_weight: float = 0.82
    """Latent per unit of ``cue``, the log of the new light's white scene. This and the next two are from a regression
    with least absolute differences over 200 procedural training scenes. Were the cue exact, it would be 1 / 0.8 = 1.25;
    what a regression explains with is not exact, which makes its effect smaller."""
    source_weight: float = -0.09
    """Latent per unit of ``source``, the photo's shading as guessed from the photo; next to ``capture`` it tells
    little."""
    capture_weight: float = -0.76
    """Latent per unit of ``capture``, the photo's shading under the capture's light. About minus the weight of ``cue``:
    the answer is new light over old."""
    shaded_latent: float = 1.25
    """Latent per unit of ``shaded``: 1 / ``RatioSettings.scale``, so that both are natural logarithms. Not trained:
    another scale of the codec needs another value here."""
    shaded_share: float = 0.4
    """Share of ray-cast shading in the answer, wherever it is known. As a fixed share two fifths were as good as the
    learned one on true geometry, and 0.6 dB worse with a field's, where a smaller share is better."""


_UNTRAINED = UntrainedAnswer()


@with_parents_arguments
class LightUNet(UNet2DModel):
    """A convolutional UNet told the light, for bases trained from scratch on small pictures.

    There is no ControlNet: the condition image comes in as further channels, ``condition_factor`` squared of its pixels
    under one pixel of the latent (Shi et al., CVPR 2016, backwards), so nothing of it is averaged away; the light goes
    the way of the timestep and scales and shifts the features of every block.

    If it is shown what ray-cast shading would make of the photo (the part ``shaded``), its answer is a mean of that and
    of its own, with a share that it chooses for each place, 0.4 before training. Their errors are unlike each other, so
    the mean has smaller ones; and where geometry is noise, there is a share to turn down.
    """

    def __init__(
        self, *args: Any, condition_parts: Sequence[str] = REFERENCE_PARTS, condition_factor: int = 2, **kwargs: Any
    ) -> None:
        """Make one with random weights.

        Args:
            args: of ``UNet2DModel``.
            condition_parts: names from ``conditions.PARTS``, in the order of the condition image's channels.
            condition_factor: pixels of the condition image to a side of a latent pixel.
            kwargs: of ``UNet2DModel``; ``out_channels`` is the latent's, and ``in_channels`` follows.
        """
        condition_parts = part_names(condition_parts)
        kwargs.setdefault("out_channels", 3)
        # ``condition_factor``^2 pixels lie under one latent pixel, each a channel of its own.
        kwargs["in_channels"] = kwargs["out_channels"] + condition_channels(condition_parts) * condition_factor**2
        kwargs["class_embed_type"] = "identity"
        super().__init__(*args, **kwargs)
        self.register_to_config(condition_parts=list(condition_parts), condition_factor=condition_factor)
        # diffusers builds an identity, which adds (batch, width) to the timestep's embedding; a projection of the 16
        # harmonics takes its place. Without a bias: light that is 0 says nothing.
        self.class_embedding = nn.Linear(SH_COEFFICIENTS, self.time_embedding.linear_2.out_features, bias=False)
        self.shortcut = nn.Conv2d(kwargs["in_channels"], self.config.out_channels, 1)
        if _SHADED in condition_parts:
            # The share of ray-cast shading is one more channel.
            self.conv_out = nn.Conv2d(self.config.block_out_channels[0], self.config.out_channels + 1, 3, padding=1)
        self._initialize(condition_parts, condition_factor**2)

    @torch.no_grad()
    def _initialize(self, parts: Sequence[str], folded: int) -> None:
        """Start from what a linear regression of log ratios on the cues finds, and from ignoring the noise."""
        # The answer is conv_out + shortcut, whose weights all start at 0 but for the shortcut's on the cues: a 1x1
        # convolution that is the regression itself. The cues come in as ``folded`` channels each, the pixels under
        # one latent pixel; dividing the weight by their number gives the weight of their mean.
        latent = self.config.out_channels
        self.conv_in.weight[:, :latent] = 0.0
        for zero in (self.conv_out, self.shortcut):
            nn.init.zeros_(zero.weight)
        if _SHADED in parts:
            assert self.conv_out.bias is not None
            # the share is a sigmoid, whose inverse this is
            self.conv_out.bias[latent:] = math.log(_UNTRAINED.shaded_share / (1.0 - _UNTRAINED.shaded_share))
        weights = {
            "cue": _UNTRAINED.cue_weight,
            "source": _UNTRAINED.source_weight,
            "capture": _UNTRAINED.capture_weight,
        }
        for part in set(parts) & set(weights):
            # (latent + folded * c): pixel_unshuffle keeps the pixels of one channel next to each other.
            channels = part_slice(parts, part)
            start, end = (latent + folded * at for at in (channels.start, channels.stop))
            self.shortcut.weight[:, start:end] = weights[part] / folded

    @torch.no_grad()
    def with_parts(self, parts: Sequence[str]) -> "LightUNet":
        """Return a network that is shown further parts, after those that it knows, and does not heed them yet.

        Only ``shaded`` has its share from the start.

        Raises:
            ValueError: the parts do not begin with the network's own.
        """
        if tuple(parts[: len(self.condition_parts)]) != self.condition_parts:
            raise ValueError(f"parts {tuple(parts)} do not begin with {self.condition_parts}")
        grown = type(self).from_config({**self.config, "condition_parts": list(parts)})
        state = self.state_dict()
        for name in ("conv_in.weight", "shortcut.weight"):
            # New columns are 0, so new parts add nothing; they are last, so the known ones keep their places.
            known, wanted = state[name], grown.state_dict()[name]
            state[name] = torch.cat([known, torch.zeros_like(wanted[:, known.shape[1] :])], dim=1)
        # The row of the share, if it is new, as a fresh network has it.
        for name in ("conv_out.weight", "conv_out.bias"):
            state[name] = torch.cat([state[name], grown.state_dict()[name][len(state[name]) :]])
        grown.load_state_dict(state)
        return grown

    @torch.no_grad()
    def deepened(self) -> "LightUNet":
        """Return a network with one residual block more in each level on each side, which computes the same.

        Each new block passes on what it gets until it is trained (Chen et al., "Net2Net", ICLR 2016, section 2.3). On
        the way up it stands behind the level's first: the further connection between the sides has the first one's
        content, as the blocks that it comes from pass on, too.
        """
        layers = self.config.layers_per_block
        grown = type(self).from_config({**self.config, "layers_per_block": layers + 1})
        for old, new in zip(self.down_blocks, grown.down_blocks, strict=True):
            _insert(old, new, layers)
        for old, new in zip(self.up_blocks, grown.up_blocks, strict=True):
            _insert(old, new, 1)
        # All but the blocks' layers is copied as it is; what lies between levels does not depend on their depth.
        blocks = ("down_blocks.", "up_blocks.")
        between = (".downsamplers.", ".upsamplers.")
        kept = {
            n: v for n, v in self.state_dict().items() if not n.startswith(blocks) or any(part in n for part in between)
        }
        grown.load_state_dict(kept, strict=False)
        return grown

    @property
    def condition_parts(self) -> tuple[str, ...]:
        """Names of the condition image's parts, in order."""
        return tuple(self.config.condition_parts)

    @property
    def granularity(self) -> int:
        """The UNet halves the latent between its blocks."""
        return 2 ** (len(self.config.block_out_channels) - 1)

    def forward(
        self,
        noisy: Float[Tensor, "batch latent height width"],
        timesteps: Int[Tensor, " batch"],
        light: Float[Tensor, "batch 16"],
        condition: Float[Tensor, "batch channels tall wide"],
    ) -> Float[Tensor, "batch latent height width"]:
        """Return the prediction; see ``Denoiser``."""
        folded = nn.functional.pixel_unshuffle(condition, self.config.condition_factor)
        # convolutions of CPUs are several times faster with the channels next to each other
        inputs = torch.cat([noisy, folded], dim=1).contiguous(memory_format=torch.channels_last)
        output = super().forward(inputs, timesteps, class_labels=light, return_dict=False)[0]
        latent = output[:, : noisy.shape[1]] + self.shortcut(inputs)
        if _SHADED not in self.condition_parts:
            return latent
        # Log ratios (batch, 3, tall, wide) in the latent's unit; next, their means over latent pixels less ``latent``.
        shaded = _UNTRAINED.shaded_latent * condition[:, part_slice(self.condition_parts, _SHADED)]
        other = nn.functional.avg_pool2d(shaded, self.config.condition_factor) - latent
        # 0 in all pixels and channels means that the part was left out, and then it has no share
        share = output[:, noisy.shape[1] :].sigmoid() * shaded.any(1).any(1).any(1)[:, None, None, None]
        # latent + share * other is (1 - share) latent + share * shaded, up to the mean.
        # less its mean: how bright the picture is as a whole, the network knows better than ray-cast shading does
        return latent + share * (other - other.mean((2, 3), keepdim=True))


def _insert(old: Any, new: Any, at: int) -> None:
    """Fill a block of a UNet with another's layers, and with one at ``at`` that passes on the features it gets."""
    for name in ("resnets", "attentions"):
        layers = getattr(new, name, None)
        if layers is None:
            continue
        for index, layer in enumerate(layers):
            if index != at:
                layer.load_state_dict(getattr(old, name)[index - (index > at)].state_dict())
            elif name == "resnets":
                _pass_on(layer)
            else:
                # x + f(x): an attention whose output layer is 0 passes x on.
                nn.init.zeros_(layer.to_out[0].weight)
                nn.init.zeros_(layer.to_out[0].bias)


def _pass_on(block: Any) -> None:
    """Let a residual block return its first input channels."""
    # The block is shortcut(x) + conv2(...): conv2 becomes 0, the shortcut (if any) the identity on the first channels.
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    if block.conv_shortcut is not None:
        nn.init.dirac_(block.conv_shortcut.weight)
        nn.init.zeros_(block.conv_shortcut.bias)
