"""From noise to a relit latent, step by step."""

import inspect

import torch
from diffusers import SchedulerMixin
from jaxtyping import Float
from torch import Tensor

from relightnerf.diffusion.denoisers import Denoiser


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    sampler: SchedulerMixin,
    steps: int,
    shape: tuple[int, int, int],
    light: Float[Tensor, "batch 16"],
    condition: Float[Tensor, "batch channels tall wide"],
    seed: int = 0,
    eta: float = 0.0,
) -> Float[Tensor, "batch latent height width"]:
    """Draw one latent for each light; all from the same noise, however they are spread over batches.

    Args:
        denoiser: its parameters decide on device and precision; the latent itself is kept in float32.
        sampler: of the denoiser's ``NoiseSchedule``.
        steps: how many to take.
        shape: (channels, height, width) of a latent.
        light: spherical harmonics of the direction in the camera's frame.
        condition: condition image of each light.
        seed: of the noise: the first, and that of samplers which add noise at every step.
        eta: 0 for DDIM's deterministic steps, 1 for DDPM's variance; other samplers have none.
    """
    generators = [torch.Generator().manual_seed(seed) for _ in light]
    noise = torch.stack([torch.randn(shape, generator=generator) for generator in generators])
    sampler.set_timesteps(steps, device=light.device)
    latent = noise.to(light.device) * sampler.init_noise_sigma
    accepted = inspect.signature(sampler.step).parameters
    options = {name: value for name, value in {"generator": generators, "eta": eta}.items() if name in accepted}
    for timestep in sampler.timesteps:
        scaled = sampler.scale_model_input(latent, timestep).to(condition.dtype)
        prediction = denoiser(scaled, timestep.round().long().expand(len(light)), light.to(condition.dtype), condition)
        latent = sampler.step(prediction.float(), timestep, latent, **options).prev_sample
    return latent
