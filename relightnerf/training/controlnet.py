"""Training of the light-conditioned ControlNet."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers.training_utils import compute_snr
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.data import default_collate

from relightnerf.diffusion.codecs import RatioCodec
from relightnerf.diffusion.conditions import DERIVED_PARTS, guide_images, part_slice
from relightnerf.diffusion.model import RelightingModel
from relightnerf.diffusion.normals import load_normals
from relightnerf.diffusion.schedules import TRAIN_STEPS, NoiseSchedule
from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import mean_scores
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.lights import spherical_harmonics
from relightnerf.training.config import ControlNetRun
from relightnerf.training.data.light_folders import LightFolder, find_light_folders
from relightnerf.training.data.light_mixtures import LightMixtures
from relightnerf.training.data.light_pairs import LightPairs
from relightnerf.training.networks import new_model
from relightnerf.training.trainer import Batch, Validation, check_size, pair_scores, train

_SHOWN = 8
"""Validation pairs on the sheet of pictures."""
_VALIDATION_BATCH = 8
"""Validation pairs that are relit at once: memory, not results."""


@dataclass(frozen=True)
class PictureLossSettings:
    """The loss ``picture``: the logarithm of a picture's mean squared difference in sRGB, as in PSNR."""

    exposure_share: float = 0.2
    """Part of the square that is of the picture in its own exposure; the rest is after each channel's best one. How
    bright a picture is as a whole can hardly be known from the photo, and would drown everything else at 1; at 0 the
    network would not even learn what can be known of it."""
    least_square: float = 1e-5
    """Added to the mean square before the logarithm: 50 dB. Pictures that are nearly right already would get gradients
    without bounds without it, and a larger one would make all good pictures count alike."""
    typical_error: float = 0.05
    """Difference in sRGB, root of the mean square, at which the loss has the slope of that root: 26 dB. Only a factor
    on the loss, so that learning rates and clipped gradients mean what they did when the root was the loss."""


_PICTURE_LOSS = PictureLossSettings()


@dataclass(frozen=True)
class RelitPair:
    """A validation scene relit from one light to another; pictures are float32 sRGB in [0, 1].

    Attributes:
        scene: where the pictures come from.
        light: index of the target's light.
        source: the picture that the model saw.
        target: what it should have made.
        relit: what it made.
    """

    scene: LightFolder
    light: int
    source: Float[np.ndarray, "height width 3"]
    target: Float[np.ndarray, "height width 3"]
    relit: Float[np.ndarray, "height width 3"]


class ControlNetObjective:
    """Denoise the latent of a picture under another light (Ho et al. 2020, section 3.4)."""

    def __init__(self, run: ControlNetRun, model: RelightingModel) -> None:
        """Open the data.

        Args:
            run: settings.
            model: what is trained.

        Raises:
            InputError: there is no usable data.
        """
        if run.loss == "picture" and (run.codec != "ratio" or run.prediction != "sample"):
            raise InputError("--loss picture: needs the ratio codec and sample prediction", "give --loss latent")
        check_size(run.size, model.codec.factor * model.denoiser.granularity)
        self._run, self.model = run, model
        self.module: nn.Module = model.denoiser
        self.dataset = _samples(run.data, run)
        self.validation = _samples(run.validation, run, augment=False) if run.validation else None
        self._schedule = model.settings.schedule
        self._process = self._schedule.sampler("ddpm")

    def to(self, device: torch.device) -> None:
        """Move the codec and the noise schedule; in mixed precision the codec of a base is halved, too."""
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self._run.precision)
        self.model.codec.to(device, half if self._run.base else None)
        self._process.alphas_cumprod = self._process.alphas_cumprod.to(device)

    def loss(self, module: nn.Module, batch: Batch, generators: Sequence[torch.Generator]) -> Float[Tensor, ""]:
        """Return the mean error of the prediction, weighted by the mask and, if asked for, by min-SNR.

        Of pictures it is the mean logarithm, scaled to have the slope of the root at a typical error.
        """
        with torch.no_grad():
            latent = self.model.codec.encode(batch["target"], batch["source"]).float()
        noise = torch.stack([torch.randn(latent.shape[1:], generator=g) for g in generators]).to(latent.device)
        timesteps = self._timesteps(generators).to(latent.device)
        condition = self._thinned(batch["condition"], generators)
        noisy = self._process.add_noise(latent, noise, timesteps)
        prediction = module(noisy, timesteps, spherical_harmonics(batch["light"]), condition).float()
        if self._run.loss == "picture":
            error = self._picture_error(prediction, latent, batch)
        else:
            error = (prediction - _wanted(self._process, self._schedule, latent, noise, timesteps)).square()
        mask = nn.functional.interpolate(batch["weight"], latent.shape[-2:], mode="area")
        each = (error * mask).mean((1, 2, 3)) / mask.mean((1, 2, 3)).clamp(min=1e-6)
        if self._run.loss == "picture":
            # of a mean square m, sqrt(m) has the slope 1 / (2 sqrt(m)), k log(m) has k / m: equal for k = sqrt(m) / 2
            each = _PICTURE_LOSS.typical_error / 2.0 * (each + _PICTURE_LOSS.least_square).log()
        return (each * snr_weights(self._process, self._schedule, timesteps, self._run.min_snr)).mean()

    def _picture_error(
        self,
        prediction: Float[Tensor, "batch 3 low_height low_width"],
        latent: Float[Tensor, "batch 3 low_height low_width"],
        batch: Batch,
    ) -> Float[Tensor, "batch 3 low_height low_width"]:
        """Return squared differences in sRGB between the relit photo and the target, at the latent's size.

        How bright a picture is as a whole can hardly be known from the photo. So that this does not drown everything
        else, most of the error is that of the picture with each channel's best exposure.
        """
        codec = self.model.codec
        assert isinstance(codec, RatioCodec)
        wanted = codec.small(batch["target"])
        # An exposure is a constant added to the latent, a logarithm. The best one is taken to be the mean of what is
        # missing; bright places count more in it, as they do in the picture's differences.
        exposure = ((latent - prediction) * wanted).mean((2, 3), keepdim=True)
        exposed = prediction + exposure / wanted.mean((2, 3), keepdim=True).clamp(min=1e-3)
        error = torch.zeros_like(wanted)
        own = _PICTURE_LOSS.exposure_share
        for share, guess in ((1.0 - own, exposed), (own, prediction)):
            relit = codec.small_picture(guess, batch["source"])
            # what is white in the target may be any amount brighter: the target was clipped
            error = error + share * (torch.where(wanted < 1.0, relit, relit.clamp(max=1.0)) - wanted).square()
        return error

    def _timesteps(self, generators: Sequence[torch.Generator]) -> Int[Tensor, " batch"]:
        anywhere = torch.cat([torch.randint(TRAIN_STEPS, (1,), generator=g) for g in generators])
        focused = torch.cat([torch.rand(1, generator=g) for g in generators]) < self._run.noise_focus
        return torch.where(focused, TRAIN_STEPS - 1, anywhere)

    def _thinned(self, condition: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """Leave parts out at random: their channels become zero."""
        run, thinned = self._run, condition.clone()
        drawn = torch.stack([torch.rand(len(run.parts) + 1, generator=g) for g in generators])
        scant, drawn = drawn[:, 0], drawn[:, 1:]
        rates = torch.tensor([run.rgb_dropout if part == "rgb" else run.cue_dropout for part in run.parts])
        dropped = dict(zip(run.parts, (drawn < rates).T, strict=True))
        for part in dropped:
            if part != "rgb":
                dropped[part] |= scant < (run.photo_only if part == "depth" else run.photo_only + run.depth_only)
        for part, needed in DERIVED_PARTS.items():
            for other in needed:
                if part in dropped and other in dropped:
                    dropped[part] |= dropped[other]
        for part, samples in dropped.items():
            thinned[samples.to(condition.device), part_slice(run.parts, part)] = 0.0
        return thinned

    def validate(self) -> Validation | None:
        """Relight validation pairs as users would; PSNR and SSIM in all and of each light's name."""
        if self.validation is None:
            return None
        pairs = [pair for numbers in _chunks(self._run.validation_samples) for pair in self._relit(numbers)]
        shown = [to_uint8(image) for pair in pairs[:_SHOWN] for image in (pair.source, pair.target, pair.relit)]
        labels = ["source", "target", "relit"] * (len(shown) // 3)
        return self.scores(pairs), contact_sheet(shown, labels, 6)

    def scores(self, pairs: Sequence[RelitPair]) -> dict[str, float]:
        """Return means over the pairs, and of each light's name as ``<score>/<light>``."""
        every = [pair_scores(pair.relit, pair.target) for pair in pairs]
        by_light = defaultdict(list)
        for pair, score in zip(pairs, every, strict=True):
            by_light[pair.scene.lights.names[pair.light]].append(score)
        summary = mean_scores(every)
        for light, some in sorted(by_light.items()):
            summary |= {f"{name}/{light}": value for name, value in mean_scores(some).items()}
        return summary

    @torch.no_grad()
    def _relit(self, numbers: range) -> list[RelitPair]:
        assert self.validation is not None
        choices = [self.validation.choice(number) for number in numbers]
        batch = default_collate([self.validation.sample(choice) for choice in choices])
        device = next(self.module.parameters()).device
        source, condition, light = (batch[name].to(device) for name in ("source", "condition", "light"))
        guides = guide_images({part: condition[:, part_slice(self._run.parts, part)] for part in self._run.parts})
        with torch.autocast(device.type, enabled=self._run.precision != "no" and bool(self._run.base)):
            relit = self.model.relight(source, condition, light, guides)
        images = [value.movedim(1, -1).float().cpu().numpy() for value in (source, batch["target"], relit)]
        return [
            RelitPair(self.validation.scenes[choice.scene], choice.target, *(image[i] for image in images))
            for i, choice in enumerate(choices)
        ]

    def save(self, folder: Path) -> None:
        """Write the model."""
        self.model.save(folder)


def train_controlnet(run: ControlNetRun) -> list[float]:
    """Train as the run says; returns the losses of the steps taken now.

    Raises:
        InputError: a setting, the data or the output folder cannot be used.
    """
    return train(run, ControlNetObjective(run, new_model(run)))


def snr_weights(
    process: diffusers.DDPMScheduler, schedule: NoiseSchedule, timesteps: Int[Tensor, " batch"], gamma: float
) -> Float[Tensor, " batch"]:
    """Return the weights of Hang et al., "Efficient Diffusion Training via Min-SNR Weighting" (2023); 1 for gamma 0.

    The weight of an error in x_0 is min(SNR, gamma); an error in the noise is SNR times, and in v (SNR + 1) times as
    large as one in x_0.
    """
    if not gamma:
        return torch.ones(len(timesteps), device=timesteps.device)
    snr = compute_snr(process, timesteps)
    clipped = snr.clamp(max=gamma)
    if schedule.prediction == "epsilon":
        return clipped / snr
    return clipped / (snr + 1.0) if schedule.prediction == "v_prediction" else clipped


def _samples(root: Path, run: ControlNetRun, augment: bool = True) -> LightPairs:
    """Return mixtures of lights if the scenes have layers, else pairs of their pictures."""
    if find_light_folders(root)[0].layers is None:
        if run.normals:
            raise InputError(f"--normals: the scenes of {root} have no inexact geometry", "leave it out")
        return LightPairs(root, run.parts, run.size, run.seed, augment=augment)
    normals = load_normals(run.normals).eval() if run.normals else None
    return LightMixtures(root, run.parts, run.size, run.seed, augment=augment, normals=normals)


def _wanted(
    process: diffusers.DDPMScheduler, schedule: NoiseSchedule, latent: Tensor, noise: Tensor, timesteps: Tensor
) -> Tensor:
    if schedule.prediction == "v_prediction":
        return process.get_velocity(latent, noise, timesteps)
    return noise if schedule.prediction == "epsilon" else latent


def _chunks(count: int) -> list[range]:
    return [range(i, min(i + _VALIDATION_BATCH, count)) for i in range(0, count, _VALIDATION_BATCH)]
