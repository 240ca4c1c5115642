"""The frozen diffusion model below the ControlNet: any Stable Diffusion 1.x or 2.x, in diffusers' folders."""

from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from jaxtyping import Float
from safetensors.torch import load_file, save_file
from torch import Tensor

from relightnerf.diffusion.hub import cache_path, model_folder, named_model_errors
from relightnerf.diffusion.schedules import NoiseSchedule
from relightnerf.io.files import atomic_path, read_json

PROMPT_FILE = "prompt.safetensors"
"""File in a base's or a model's folder with the embedding of the empty prompt."""
_PATTERNS = (
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model*.safetensors",
    "tokenizer/*",
    "unet/config.json",
    "unet/diffusion_pytorch_model*.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model*.safetensors",
)
"""What is downloaded of a base."""


@dataclass(frozen=True)
class Base:
    """A base model's parts.

    Attributes:
        unet: the denoiser.
        vae: from pictures to latents and back.
        schedule: what the UNet was trained on.
        prompt: (1, tokens, width) embedding of the empty prompt.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    schedule: NoiseSchedule
    prompt: Float[Tensor, "1 tokens width"]


def load_base(
    name: str, dtype: torch.dtype = torch.float32, prompt: Float[Tensor, "1 tokens width"] | None = None
) -> Base:
    """Load a base model.

    Args:
        name: a folder in diffusers' layout (``unet``, ``vae``, ``scheduler``, ``text_encoder``, ``tokenizer``), or an
            id of the hub. ``prompt.safetensors`` in the folder stands for text encoder and tokenizer.
        dtype: of the weights.
        prompt: embedding of the empty prompt; the text encoder is not needed then.

    Raises:
        InputError: the folder is absent or incomplete, or the hub cannot be reached.
    """
    folder = model_folder(name, _PATTERNS, "--base")
    schedule = NoiseSchedule.from_scheduler(read_json(folder / "scheduler" / "scheduler_config.json"))
    prompt = empty_prompt(folder) if prompt is None else prompt
    with named_model_errors(folder):
        unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype)
        vae = AutoencoderKL.from_pretrained(folder / "vae", torch_dtype=dtype)
    return Base(unet, vae, schedule, prompt)


def empty_prompt(folder: Path) -> Float[Tensor, "1 tokens width"]:
    """Return the embedding of the empty prompt; computed once, then read from the user's cache.

    Args:
        folder: of a base model.
    """
    ready = folder / PROMPT_FILE
    if ready.is_file():
        return load_prompt(ready)
    cached = cache_path("prompts", folder / "text_encoder", ".safetensors")
    if not cached.is_file():
        save_prompt(cached, _embedded(folder, ""))
    return load_prompt(cached)


def load_prompt(path: Path) -> Float[Tensor, "1 tokens width"]:
    """Read a prompt's embedding.

    Raises:
        InputError: the file is absent or something else.
    """
    with named_model_errors(path):
        return load_file(path)["prompt"]


def save_prompt(path: Path, prompt: Float[Tensor, "1 tokens width"]) -> None:
    """Write a prompt's embedding, atomically."""
    with atomic_path(path) as temporary:
        save_file({"prompt": prompt.contiguous()}, temporary)


@torch.no_grad()
def _embedded(folder: Path, text: str) -> Tensor:
    from transformers import CLIPTextModel, CLIPTokenizer

    with named_model_errors(folder):
        tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
        encoder = CLIPTextModel.from_pretrained(folder / "text_encoder")
    tokens = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, return_tensors="pt")
    return encoder(tokens.input_ids)[0].float()
