"""The reference method's own weights, as the folders that this project loads.

The files are ``controlnet_<size>.safetensors`` and ``decoder_<size>.safetensors`` for the sizes 768x512 and 1536x1024;
keys are those of diffusers' ``ControlNetModel`` (with ``time_embedding.cond_proj``) and ``AsymmetricAutoencoderKL``.
They were trained with light directions in the dataset's probe frame (x right, y into the scene, z up) and with
instant-ngp's signs of the spherical harmonics; both go into the light's projection here, so that the converted model
takes directions in the camera's frame and our signs, and gives the same pictures.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor

from relightnerf.diffusion.codecs import EdgeCodec, EdgePreservingAutoencoder
from relightnerf.diffusion.conditions import REFERENCE_PARTS, condition_channels
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.hub import named_model_errors
from relightnerf.diffusion.model import SETTINGS, ModelSettings, settings_json
from relightnerf.diffusion.options import DEFAULT_BASE
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_folder, write_json
from relightnerf.lights import instant_ngp_signs, sh_rotation

PROBE_FROM_CAMERA = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))
"""Turns a direction in the camera's frame (OpenGL) into the dataset's probe frame."""
_LIGHT_KEY = "time_embedding.cond_proj.weight"
"""Name of the light's projection in the files."""
_HEAD_WIDTH = 64
"""Channels of an attention head of Stable Diffusion 2.x, which weights do not tell."""
_SHOWN_KEYS = 3
"""Names that a message lists at most."""


def convert_official(
    controlnet: Path, decoder: Path | None, output: Path, size: tuple[int, int], base: str = DEFAULT_BASE
) -> None:
    """Write a relighting model's folder from the official files.

    Args:
        controlnet: ``controlnet_<size>.safetensors``.
        decoder: ``decoder_<size>.safetensors``; None for the base's own decoder.
        output: folder to write.
        size: (width, height) that the weights were trained for.
        base: folder or hub id of Stable Diffusion 2.1.

    Raises:
        InputError: a file is absent or has another layout.
    """
    model = official_controlnet(_read(controlnet), controlnet)
    codec = EdgeCodec(official_decoder(_read(decoder), decoder)) if decoder else None
    with atomic_folder(output) as folder:
        model.save_pretrained(folder / "controlnet")
        if codec:
            codec.save(folder / "codec")
        write_json(folder / SETTINGS, settings_json(ModelSettings(base=base, size=size)))


def official_controlnet(weights: Mapping[str, Tensor], path: Path) -> LightControlNet:
    """Return the official ControlNet for lights in the camera's frame and with our signs.

    Args:
        weights: of the file.
        path: of the file, for messages.

    Raises:
        InputError: the weights have another layout.
    """
    if _LIGHT_KEY not in weights:
        raise InputError(f"{path}: no {_LIGHT_KEY}", "give the official ControlNet's safetensors file")
    converted = {**weights, _LIGHT_KEY: converted_light_projection(weights[_LIGHT_KEY])}
    return _loaded(lambda: LightControlNet(**_controlnet_arguments(weights)), converted, path)


def official_decoder(weights: Mapping[str, Tensor], path: Path) -> EdgePreservingAutoencoder:
    """Return the official decoder.

    Args:
        weights: of the file.
        path: of the file, for messages.

    Raises:
        InputError: the weights have another layout.
    """
    return _loaded(lambda: EdgePreservingAutoencoder(**_decoder_arguments(weights)), weights, path)


def converted_light_projection(weight: Float[Tensor, "width 16"]) -> Float[Tensor, "width 16"]:
    """Return the projection that does with ours what ``weight`` does with the official spherical harmonics."""
    # official SH of a direction d in the camera frame: signs * sh(P d) = signs * R sh(d), with P the change of frame
    # and R its rotation of our coefficients; so weight (signs R) on sh(d) gives the same
    turned = sh_rotation(torch.tensor(PROBE_FROM_CAMERA, dtype=torch.float64))
    return (weight.double() @ (instant_ngp_signs().double()[:, None] * turned)).to(weight.dtype)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise InputError(f"{path}: no such file", "check the path")
    with named_model_errors(path):
        return load_file(path)


def _loaded(make: Callable[[], Any], weights: Mapping[str, Tensor], path: Path) -> Any:
    try:
        model = make()
    except (KeyError, StopIteration, ValueError) as error:
        raise InputError(f"{path}: not of the official layout ({error!r})", "give the file as it was") from None
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    differing = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
    if differing:
        some = ", ".join(differing[:_SHOWN_KEYS])
        raise InputError(f"{path}: {len(differing)} weights differ from the official layout ({some})", "check the file")
    model.load_state_dict(weights)
    return model


def _controlnet_arguments(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Stable Diffusion 2.1's arguments, with sizes as in the weights."""
    condition = "controlnet_cond_embedding"
    channels = _level_channels(weights, "down_blocks.{}.resnets.0.conv1.weight")
    parts = weights[f"{condition}.conv_in.weight"]
    if parts.shape[1] != condition_channels(REFERENCE_PARTS):
        raise ValueError(f"condition image of {parts.shape[1]} channels")
    blocks = sum(name.startswith(f"{condition}.blocks.") and name.endswith(".bias") for name in weights)
    embedding = [parts.shape[0]]
    embedding += [weights[f"{condition}.blocks.{i}.weight"].shape[0] for i in range(1, blocks, 2)]
    return {
        "condition_parts": REFERENCE_PARTS,
        "in_channels": weights["conv_in.weight"].shape[1],
        "block_out_channels": channels,
        "attention_head_dim": [max(1, c // _HEAD_WIDTH) for c in channels],  # diffusers means the number of heads
        "cross_attention_dim": weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "conditioning_embedding_out_channels": embedding,
        "use_linear_projection": True,
        "upcast_attention": True,
    }


def _decoder_arguments(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    down = _level_channels(weights, "encoder.down_blocks.{}.resnets.0.conv1.weight")
    up = _level_channels(weights, "decoder.up_blocks.{}.resnets.0.conv1.weight")[::-1]
    return {
        "down_block_types": ("DownEncoderBlock2D",) * len(down),
        "down_block_out_channels": down,
        "layers_per_down_block": _count(weights, "encoder.down_blocks.0.resnets.{}.conv1.weight"),
        "up_block_types": ("UpDecoderBlock2D",) * len(up),
        "up_block_out_channels": up,
        "layers_per_up_block": _count(weights, "decoder.up_blocks.0.resnets.{}.conv1.weight") - 1,
        "latent_channels": weights["post_quant_conv.weight"].shape[0],
    }


def _level_channels(weights: Mapping[str, Tensor], pattern: str) -> tuple[int, ...]:
    return tuple(weights[pattern.format(i)].shape[0] for i in range(_count(weights, pattern)))


def _count(weights: Mapping[str, Tensor], pattern: str) -> int:
    return next(i for i in range(len(weights) + 1) if pattern.format(i) not in weights)
