"""Noise schedules: how a base model was trained to denoise, and the samplers that can undo it."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import diffusers

from relightnerf.errors import InputError

TRAIN_STEPS = 1000
"""Steps of the noise schedule; every Stable Diffusion was trained with as many."""

SamplerName = Literal["ddim", "ddpm", "dpm++", "lcm", "euler"]
_SAMPLERS = {
    "ddim": diffusers.DDIMScheduler,
    "ddpm": diffusers.DDPMScheduler,
    "dpm++": diffusers.DPMSolverMultistepScheduler,
    "lcm": diffusers.LCMScheduler,
    "euler": diffusers.EulerDiscreteScheduler,
}
"""diffusers' classes of the samplers."""
_UNCLIPPED = {"ddim", "ddpm", "lcm"}
"""Samplers that clip the clean sample to [-1, 1] unless told not to: right for pictures, wrong for latents."""


@dataclass(frozen=True)
class NoiseSchedule:
    """The forward process x_t = sqrt(a_t) x_0 + sqrt(1 - a_t) noise of 1000 steps, and what the network predicts.

    Defaults are Stable Diffusion 2.1's, made to end in pure noise (Lin et al., "Common Diffusion Noise Schedules and
    Sample Steps are Flawed", WACV 2024), as the reference method does.

    With the betas as they are, the last step still has a_T = 0.0047, so 7 % of the picture's amplitude: enough to tell
    its mean brightness in training, while sampling starts from noise alone. Lin et al. (algorithm 1) shift and scale
    the amplitudes so that the last is 0 and the first stays: s_t = sqrt(a_t) becomes (s_t - s_T) s_1 / (s_1 - s_T).
    """

    prediction: Literal["epsilon", "v_prediction", "sample"] = "v_prediction"
    """The noise, v = sqrt(a_t) noise - sqrt(1 - a_t) x_0 (Salimans and Ho 2022), or x_0."""
    beta_schedule: str = "scaled_linear"
    """Name of the betas' curve, in diffusers' words."""
    beta_start: float = 0.00085
    """First beta."""
    beta_end: float = 0.012
    """Last beta."""
    zero_snr: bool = True
    """Rescale the betas so that the last step is pure noise. Impossible for a network that predicts the noise: x_0 =
    (x_t - sqrt(1 - a_t) noise) / sqrt(a_t), and a_T is 0."""

    @classmethod
    def from_scheduler(cls, config: dict[str, Any]) -> "NoiseSchedule":
        """Return the schedule of a base model's ``scheduler_config.json``; ends in pure noise where it can.

        Raises:
            InputError: the base counts other than 1000 steps, or predicts something unknown.
        """
        schedule = cls()
        # Where a configuration names none, as those of Stable Diffusion 1.x, diffusers takes "epsilon".
        prediction = config.get("prediction_type", "epsilon")
        steps = config.get("num_train_timesteps", TRAIN_STEPS)
        if steps != TRAIN_STEPS or prediction not in ("epsilon", "v_prediction", "sample"):
            raise InputError("the base model's scheduler is not one of Stable Diffusion's", "choose a 1.x or 2.x base")
        return replace(
            schedule,
            prediction=prediction,
            # A network that was trained to predict the noise says nothing about x_0 at a step without signal.
            zero_snr=prediction != "epsilon",
            **{key: config[key] for key in ("beta_schedule", "beta_start", "beta_end") if key in config},
        )

    def sampler(self, name: str = "ddim") -> diffusers.SchedulerMixin:
        """Return a sampler with trailing steps for this schedule.

        ``ddim`` (Song et al. 2021) is the reference; ``ddpm`` (Ho et al. 2020) and ``lcm`` (Luo et al. 2023) draw new
        noise at every step; ``dpm++`` (Lu et al. 2022, second order) and ``euler`` (Karras et al. 2022) are
        deterministic.

        Raises:
            InputError: the name is unknown.
        """
        if name not in _SAMPLERS:
            raise InputError(f"unknown sampler {name!r}", f"choose one of: {', '.join(_SAMPLERS)}")
        clipping = {"clip_sample": False} if name in _UNCLIPPED else {}
        return _SAMPLERS[name](
            num_train_timesteps=TRAIN_STEPS,
            beta_schedule=self.beta_schedule,
            beta_start=self.beta_start,
            beta_end=self.beta_end,
            prediction_type=self.prediction,
            rescale_betas_zero_snr=self.zero_snr,
            timestep_spacing="trailing",  # the first step taken is the last of the schedule, where all is noise
            **clipping,
        )
