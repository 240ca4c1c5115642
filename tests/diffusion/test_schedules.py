import pytest
import torch
from diffusers import SchedulerMixin
from torch import Tensor

from relightnerf.diffusion.sampling import sample
from relightnerf.diffusion.schedules import NoiseSchedule
from relightnerf.errors import InputError

SAMPLERS = ("ddim", "ddpm", "dpm++", "lcm", "euler")
PREDICTIONS = ("epsilon", "v_prediction", "sample")


def schedule_for(prediction: str) -> NoiseSchedule:
    return NoiseSchedule(prediction=prediction, zero_snr=prediction != "epsilon")


def alpha_bars(schedule: NoiseSchedule) -> Tensor:
    """Stable Diffusion's products of 1 - beta, from their definition, in float64."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    root = torch.cumprod(1 - betas, 0).sqrt()
    if schedule.zero_snr:  # Lin et al. 2024, algorithm 1: shifted to end at 0, scaled to begin where it did
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return root**2


def predicted(prediction: str, clean: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    if prediction == "epsilon":
        return noise
    if prediction == "sample":
        return clean
    return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * clean


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_forward_process_is_that_of_ddpm(prediction: str) -> None:
    """q(x_t | x_0) = N(sqrt(a_t) x_0, (1 - a_t) I): Ho et al. 2020, equation 4."""
    schedule = schedule_for(prediction)
    process = schedule.sampler("ddpm")
    clean = torch.full((20000,), 1.5)
    generator = torch.Generator().manual_seed(0)
    for t in (0, 250, 700, 999):
        alpha_bar = alpha_bars(schedule)[t]
        noise = torch.randn(len(clean), generator=generator)
        noisy = process.add_noise(clean, noise, torch.tensor([t]))
        expected = alpha_bar.sqrt() * 1.5 + (1 - alpha_bar).sqrt() * noise.double()
        assert torch.allclose(noisy.double(), expected, atol=1e-5)
        assert noisy.mean() == pytest.approx(1.5 * alpha_bar.sqrt().item(), abs=0.03)
        assert noisy.var() == pytest.approx(1 - alpha_bar.item(), abs=0.03)


def test_the_last_step_is_pure_noise_where_it_can_be() -> None:
    assert schedule_for("v_prediction").sampler("ddim").alphas_cumprod[-1] == 0
    assert schedule_for("epsilon").sampler("ddim").alphas_cumprod[-1] > 0.004


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("t", [1, 400, 998])
def test_a_ddpm_step_has_the_posteriors_mean_and_variance(prediction: str, t: int) -> None:
    """q(x_{t-1} | x_t, x_0): Ho et al. 2020, equations 6 and 7."""
    schedule = schedule_for(prediction)
    bars = alpha_bars(schedule)
    bar, before = bars[t], bars[t - 1]
    alpha = bar / before
    mean_of = before.sqrt() * (1 - alpha) / (1 - bar), alpha.sqrt() * (1 - before) / (1 - bar)
    variance = (1 - before) / (1 - bar) * (1 - alpha)

    generator = torch.Generator().manual_seed(3)
    clean = torch.full((1, 40000), 0.7)
    noise = torch.full((1, 40000), -0.4)
    noisy = (bar.sqrt() * clean + (1 - bar).sqrt() * noise).float()
    process = schedule.sampler("ddpm")
    process.set_timesteps(1000)
    output = predicted(prediction, clean, noise, bar).float()
    moved = process.step(output, torch.tensor(t), noisy, generator=generator).prev_sample
    expected = mean_of[0] * 0.7 + mean_of[1] * noisy[0, 0]
    deviation = variance.sqrt().item()
    assert moved.mean() == pytest.approx(expected.item(), abs=5 * deviation / 200 + 2e-4)
    assert moved.std() == pytest.approx(deviation, rel=0.02, abs=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("steps", [5, 50])
def test_a_ddim_step_has_its_mean_and_variance(prediction: str, eta: float, steps: int) -> None:
    """Song et al. 2021, equations 12 and 16; with eta 0 nothing is random, with eta 1 it is DDPM's variance."""
    schedule = schedule_for(prediction)
    bars = alpha_bars(schedule)
    process = schedule.sampler("ddim")
    process.set_timesteps(steps)
    t, previous = (int(v) for v in process.timesteps[steps // 2 :][:2])
    bar, before = bars[t], bars[previous]
    sigma = eta * ((1 - before) / (1 - bar)).sqrt() * (1 - bar / before).sqrt()

    clean, noise = torch.full((1, 40000), 0.7), torch.full((1, 40000), -0.4)
    noisy = (bar.sqrt() * clean + (1 - bar).sqrt() * noise).float()
    output = predicted(prediction, clean, noise, bar).float()
    generator = torch.Generator().manual_seed(4)
    moved = process.step(output, torch.tensor(t), noisy, eta=eta, generator=generator).prev_sample
    expected = before.sqrt() * 0.7 + (1 - before - sigma**2).sqrt() * -0.4
    assert moved.mean() == pytest.approx(expected.item(), abs=5 * sigma.item() / 200 + 2e-4)
    assert moved.std() == pytest.approx(sigma.item(), rel=0.02, abs=1e-5)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 5, 20])
def test_steps_trail_from_the_noisiest_one(name: str, steps: int) -> None:
    sampler = schedule_for("v_prediction").sampler(name)
    sampler.set_timesteps(steps)
    assert len(sampler.timesteps) == steps
    assert round(float(sampler.timesteps[0])) == 999


class Oracle:
    """Knows the clean latent of each light, and predicts what the schedule asks for."""

    condition_parts = ("rgb",)
    granularity = 1

    def __init__(self, schedule: NoiseSchedule, sampler: SchedulerMixin) -> None:
        self._bars, self._prediction = alpha_bars(schedule).float(), schedule.prediction
        self._sampler, self.noises = sampler, []

    def __call__(self, noisy: Tensor, timesteps: Tensor, light: Tensor, condition: Tensor) -> Tensor:
        self.noises.append(noisy)
        bar = self._bars[timesteps][:, None, None, None]
        clean = light[:, :1, None, None].expand_as(noisy)
        noise = (noisy - bar.sqrt() * clean) / (1 - bar).sqrt()
        return predicted(self._prediction, clean, noise, bar)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_every_sampler_finds_what_a_perfect_network_knows(name: str, prediction: str) -> None:
    schedule = schedule_for(prediction)
    sampler = schedule.sampler(name)
    light = torch.linspace(-1.0, 1.0, 4)[:, None].expand(4, 16)
    found = sample(Oracle(schedule, sampler), sampler, 5, (2, 3, 3), light, torch.zeros(4, 3, 3, 3))
    # a network that predicts noise starts from a little signal (a_T = 0.0047) that pure noise has not
    tolerance = 0.12 if prediction == "epsilon" else 0.02
    assert torch.allclose(found, light[:, :1, None, None].expand_as(found), atol=tolerance)


@pytest.mark.parametrize("name", ["ddim", "ddpm", "lcm"])
def test_all_lights_start_from_and_meet_the_same_noise(name: str) -> None:
    schedule = schedule_for("v_prediction")
    sampler = schedule.sampler(name)

    def drawn(lights: int, seed: int) -> Tensor:
        light = torch.full((lights, 16), 0.3)
        condition = torch.zeros(lights, 3, 3, 3)
        half = lambda noisy, t, light, condition: 0.5 * noisy  # noqa: E731 (a poor network, so that noise remains)
        return sample(half, sampler, 4, (2, 3, 3), light, condition, seed, eta=1.0)

    three = drawn(3, 7)
    assert torch.equal(three[0], three[1]) and torch.equal(three[0], three[2])
    assert torch.equal(three[:1], drawn(1, 7))
    assert not torch.allclose(three[:1], drawn(1, 8), atol=1e-2)


def test_a_bases_configuration_is_followed() -> None:
    config = {"beta_schedule": "scaled_linear", "beta_start": 0.001, "beta_end": 0.01, "prediction_type": "epsilon"}
    schedule = NoiseSchedule.from_scheduler(config)
    assert schedule == NoiseSchedule("epsilon", "scaled_linear", 0.001, 0.01, zero_snr=False)
    assert NoiseSchedule.from_scheduler({"prediction_type": "v_prediction"}).zero_snr
    for wrong in ({"num_train_timesteps": 4000}, {"prediction_type": "flow"}):
        with pytest.raises(InputError, match="base"):
            NoiseSchedule.from_scheduler(wrong)
    with pytest.raises(InputError, match="ddim"):
        NoiseSchedule().sampler("plms")
