"""Bases that are trained from scratch, and what training makes of a base."""

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from relightnerf.diffusion.base import load_base
from relightnerf.diffusion.codecs import ImageCodec, KlCodec, RatioCodec, RatioSettings, load_codec
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet, LightDiT
from relightnerf.diffusion.hub import require_peft
from relightnerf.diffusion.light_unet import LightUNet
from relightnerf.diffusion.model import ModelSettings, RelightingModel
from relightnerf.diffusion.schedules import NoiseSchedule
from relightnerf.errors import InputError
from relightnerf.training.config import ControlNetRun, NetworkConfig

_ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
"""Layers of the base's attention that a LoRA changes: diffusers' names of queries, keys, values and output."""


@dataclass(frozen=True)
class NetworkDesign:
    """What new networks have besides ``NetworkConfig``; saved ones keep the numbers that they were made with."""

    no_prompt_width: int = 8
    """Width of the zero that a base without text has for a prompt: diffusers' UNet wants one; a small one is cheap."""
    condition_embedding: tuple[int, ...] = (16, 32, 96, 256)
    """Channels of the ControlNet's own encoder of the condition image, from its size to the latent's: diffusers'
    default and the reference method's."""
    light_unet_groups: int = 4
    """Groups of channels that are normalised together: few, so that features keep their strengths next to each other;
    how strong a cue is, is what it says. With many groups, as in Stable Diffusion's 32, each has a scale of its own."""
    head_channels: int = 32
    """Channels of an attention head at most: half of Stable Diffusion's, as these networks are narrow."""


_DESIGN = NetworkDesign()


def new_model(run: ControlNetRun) -> RelightingModel:
    """Return the model that a run trains, with only the weights that it trains requiring a gradient.

    Raises:
        InputError: settings do not fit together, or base or codec cannot be loaded.
    """
    torch.manual_seed(run.seed)
    return _from_base(run) if run.base else _from_scratch(run)


def _from_base(run: ControlNetRun) -> RelightingModel:
    base = load_base(str(run.base))
    base.unet.requires_grad_(False)
    if run.codec == "ratio":
        raise InputError(
            "--codec ratio: Stable Diffusion's latents are pictures", "give kl, or edge with --codec-folder"
        )
    codec: ImageCodec = KlCodec(base.vae) if run.codec == "kl" else _saved_codec(run)
    controlnet = LightControlNet.for_unet(base.unet, run.parts, _DESIGN.condition_embedding)
    if run.lora_rank:
        require_peft(f"--lora-rank {run.lora_rank}")
        from peft import LoraConfig

        # With alpha = r the update B A is added as it is: its factor is alpha / r.
        base.unet.add_adapter(LoraConfig(r=run.lora_rank, lora_alpha=run.lora_rank, target_modules=list(_ATTENTION)))
    if run.precision != "no":
        _to_half(base.unet, torch.bfloat16 if run.precision == "bf16" else torch.float16)
    if run.gradient_checkpointing:
        controlnet.enable_gradient_checkpointing()
        base.unet.enable_gradient_checkpointing()
    settings = ModelSettings(base=run.base, size=run.size, steps=run.sampling_steps, schedule=base.schedule)
    return RelightingModel(ControlledUNet(base.unet, controlnet, base.prompt), codec, settings)


def _from_scratch(run: ControlNetRun) -> RelightingModel:
    codec = RatioCodec(RatioSettings(factor=run.ratio_factor)) if run.codec == "ratio" else _saved_codec(run)
    schedule = NoiseSchedule(prediction=run.prediction, zero_snr=run.prediction != "epsilon")
    settings = ModelSettings(size=run.size, steps=run.sampling_steps, schedule=schedule)
    if run.start_from:
        return _continued(run, settings)
    if run.network.kind == "dit":
        return RelightingModel(_new_dit(run, codec), codec, settings)
    if run.network.kind == "light-unet":
        return RelightingModel(_new_light_unet(run, codec), codec, settings)
    unet = new_unet(run.network, codec.channels)
    # 1, 2, 4 or 8: the condition's encoder halves between its levels, from pixels to the latent's size.
    levels = codec.factor.bit_length()
    if 2 ** (levels - 1) != codec.factor or levels > len(_DESIGN.condition_embedding):
        raise InputError(f"codec with {codec.factor} pixels per latent pixel", "choose one with 1, 2, 4 or 8")
    controlnet = LightControlNet.for_unet(unet, run.parts, _DESIGN.condition_embedding[:levels])
    prompt = torch.zeros(1, 1, _DESIGN.no_prompt_width)
    return RelightingModel(ControlledUNet(unet, controlnet, prompt), codec, settings)


def new_unet(config: NetworkConfig, latent_channels: int) -> UNet2DConditionModel:
    """Return a UNet without text, with random weights.

    Args:
        config: its size.
        latent_channels: of the codec.
    """
    levels = len(config.channels)
    # Attention at the lowest level only: its cost grows with the square of the number of pixels.
    lowest = "AttnDownBlock2D" if config.attention else "DownBlock2D"
    return UNet2DConditionModel(
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("DownBlock2D",) * (levels - 1) + (lowest,),
        up_block_types=(lowest.replace("Down", "Up"),) + ("UpBlock2D",) * (levels - 1),
        mid_block_type="UNetMidBlock2D",
        block_out_channels=config.channels,
        layers_per_block=config.layers,
        cross_attention_dim=_DESIGN.no_prompt_width,
        attention_head_dim=min(_DESIGN.head_channels, config.channels[-1]),
        norm_num_groups=_groups(config.channels),
        resnet_time_scale_shift="scale_shift",  # the light scales features, as a cosine does, and is not only added
    )


def _new_dit(run: ControlNetRun, codec: ImageCodec) -> LightDiT:
    heads = max(1, run.network.width // _DESIGN.head_channels)
    return LightDiT(
        num_attention_heads=heads,
        attention_head_dim=run.network.width // heads,
        out_channels=codec.channels,
        num_layers=run.network.layers,
        # Position embeddings for the longer side, as latents are padded to squares.
        sample_size=max(run.size) // codec.factor,
        patch_size=run.network.patch,
        condition_parts=run.parts,
    )


def _new_light_unet(run: ControlNetRun, codec: ImageCodec) -> LightUNet:
    channels = run.network.channels
    levels = len(channels)
    lowest = "AttnDownBlock2D" if run.network.attention else "DownBlock2D"
    network = LightUNet(
        condition_parts=run.parts,
        condition_factor=codec.factor,
        out_channels=codec.channels,
        down_block_types=("DownBlock2D",) * (levels - 1) + (lowest,),
        up_block_types=(lowest.replace("Down", "Up"),) + ("UpBlock2D",) * (levels - 1),
        block_out_channels=channels,
        layers_per_block=run.network.layers,
        norm_num_groups=_DESIGN.light_unet_groups,
        attention_head_dim=min(_DESIGN.head_channels, channels[-1]),
        resnet_time_scale_shift="scale_shift",
    )
    return network.to(memory_format=torch.channels_last)


def _continued(run: ControlNetRun, settings: ModelSettings) -> RelightingModel:
    started = RelightingModel.load(str(run.start_from))
    denoiser, known = started.denoiser, started.denoiser.condition_parts
    if isinstance(denoiser, LightUNet) and run.parts[: len(known)] == known:
        denoiser = denoiser.with_parts(run.parts)
        while denoiser.config.layers_per_block < run.network.layers:
            denoiser = denoiser.deepened()
    elif known != run.parts:
        raise InputError(f"{run.start_from}: has other condition parts", f"give --parts {' '.join(known)}")
    denoiser = denoiser.train().to(memory_format=torch.channels_last)
    return RelightingModel(denoiser, started.codec, settings, started.normals)


def _saved_codec(run: ControlNetRun) -> ImageCodec:
    if run.codec_folder is None:
        raise InputError(f"--codec {run.codec}: which one?", "give --codec-folder, or --codec ratio")
    codec = load_codec(run.codec_folder)
    if codec.kind != run.codec:
        raise InputError(f"{run.codec_folder}: a codec of kind {codec.kind}", f"give --codec {codec.kind}")
    return codec


def _groups(channels: tuple[int, ...]) -> int:
    # as many groups as Stable Diffusion has, or the most with two channels each: a channel alone loses its mean
    return next(n for n in (32, 16, 8, 4, 2, 1) if all(c % n == 0 and c // n >= 2 for c in channels) or n == 1)


def _to_half(unet: UNet2DConditionModel, dtype: torch.dtype) -> None:
    """Keep the frozen weights in half precision; those of a LoRA, which are trained, stay in float32."""
    for parameter in unet.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.to(dtype)
