"""Stable Diffusion in miniature: every folder and file of a real base, random weights, 64 x 64 pixels."""

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import nn

from relightnerf.diffusion.base import load_base, save_prompt
from relightnerf.diffusion.codecs import KlCodec
from relightnerf.diffusion.conditions import REFERENCE_PARTS
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet
from relightnerf.diffusion.model import ModelSettings, RelightingModel
from relightnerf.imaging.color import to_uint8
from relightnerf.lights import IRRADIANCE, LightSet
from relightnerf.training.data.light_folders import write_light_folder

TOKENS, WIDTH = 3, 8


def tiny_unet(latent_channels: int = 4, seed: int = 0) -> UNet2DConditionModel:
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        in_channels=latent_channels,
        out_channels=latent_channels,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        block_out_channels=(4, 8),
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=2,
        norm_num_groups=2,
    ).eval()


def tiny_vae(seed: int = 1) -> AutoencoderKL:
    torch.manual_seed(seed)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 8, 8, 8),
        norm_num_groups=2,
    ).eval()


def write_tiny_base(folder: Path, prediction: str = "v_prediction") -> Path:
    """Write a base without tokenizer and text encoder: the prompt's embedding is there already."""
    tiny_unet().save_pretrained(folder / "unet")
    tiny_vae().save_pretrained(folder / "vae")
    DDIMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, prediction_type=prediction
    ).save_pretrained(folder / "scheduler")
    save_prompt(
        folder / "prompt.safetensors", torch.randn(1, TOKENS, WIDTH, generator=torch.Generator().manual_seed(2))
    )
    return folder


def write_light_sets(root: Path, scenes: int = 3, lights: int = 4, size: int = 64, seed: int = 0) -> Path:
    """Write scenes of one ball in front of a wall, each under several lights."""
    rng = np.random.default_rng(seed)
    across = (np.arange(size) + 0.5) / size * 2 - 1
    x, y = np.meshgrid(across, -across)
    for index in range(scenes):
        inside = x**2 + y**2 < 0.6
        z = np.sqrt(np.maximum(0.6 - x**2 - y**2, 0.0))
        normal = np.where(inside[..., None], np.stack([x, y, z], -1) / np.sqrt(0.6), [0.0, 0.0, 1.0])
        directions = rng.normal(size=(lights, 3)) + [0.0, 0.5, 1.5]
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        albedo = rng.uniform(0.3, 0.9, (size // 8, size // 8, 3)).repeat(8, 0).repeat(8, 1)
        shading = 0.15 + IRRADIANCE / np.pi * np.maximum(normal @ directions.T, 0.0)
        pictures = [np.clip(albedo * shading[..., i, None], 0, 1) ** (1 / 2.2) for i in range(lights)]
        write_light_folder(
            root / f"scene{index}",
            [to_uint8(picture) for picture in pictures],
            LightSet("camera", tuple(f"light{i}" for i in range(lights)), directions),
            depth=(3.0 - z).astype(np.float32),
            normal=normal.astype(np.float32),
            fov_deg=40.0,
        )
    return root


def controlled_model(base: Path) -> RelightingModel:
    """A model on a base, with a ControlNet that does something."""
    loaded = load_base(str(base))
    controlnet = LightControlNet.for_unet(loaded.unet, REFERENCE_PARTS, (4, 4, 4, 4))
    for parameter in controlnet.parameters():
        nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(1))
    settings = ModelSettings(base=str(base), size=(64, 64), steps=2, schedule=loaded.schedule)
    return RelightingModel(ControlledUNet(loaded.unet, controlnet.eval(), loaded.prompt), KlCodec(loaded.vae), settings)


def write_depth_anything(folder: Path) -> Path:
    """Write a depth-estimation model of transformers, with random weights."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessor

    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 28}
    config = DepthAnythingConfig(
        backbone_config=Dinov2Config(**sizes, out_indices=[1, 2], reshape_hidden_states=False),
        reassemble_hidden_size=16,
        reassemble_factors=[2, 1],
        neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    torch.manual_seed(0)
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessor(size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder
