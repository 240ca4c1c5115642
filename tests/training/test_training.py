import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file
from servers import free_port
from tiny_models import write_light_sets

from relightnerf.diffusion.codecs import load_codec
from relightnerf.diffusion.model import RelightingModel
from relightnerf.diffusion.schedules import NoiseSchedule
from relightnerf.errors import InputError
from relightnerf.training.checkpoints import read_points
from relightnerf.training.config import ControlNetRun, DecoderRun, NetworkConfig
from relightnerf.training.controlnet import snr_weights, train_controlnet
from relightnerf.training.data.light_pairs import LightPairs
from relightnerf.training.decoder import edge_decoder_loss, new_codec, train_decoder
from relightnerf.training.trainer import rate_factor

TINY = NetworkConfig(channels=(4, 8))


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> None:
    """A process has one accelerator, whose precision stays."""
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture
def run(light_sets: Path, tmp_path: Path) -> ControlNetRun:
    return ControlNetRun(
        data=light_sets,
        output=tmp_path / "run",
        validation=light_sets,
        size=(32, 32),
        steps=6,
        batch=4,
        learning_rate=1e-2,
        ema=0.9,
        workers=0,
        save_every=3,
        validate_every=3,
        validation_samples=2,
        network=TINY,
        codec="ratio",
        rgb_dropout=0.3,
        cue_dropout=0.3,
    )


def weights(output: Path) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted((output / "model").rglob("*.safetensors")):
        found |= {f"{path.parent.name}/{name}": value for name, value in load_file(path).items()}
    return found


def same(first: Path, second: Path) -> bool:
    a, b = weights(first), weights(second)
    return a.keys() == b.keys() and all(torch.equal(value, b[name]) for name, value in a.items())


def _command(run: ControlNetRun) -> list[object]:
    """The script and the flags that make `small` this run."""
    script = Path(__file__).parents[2] / "scripts" / "train_controlnet.py"
    flags = ["--data", run.data, "--output", run.output, "--steps", run.steps, "--batch", 4, "--learning-rate", 1e-2]
    flags += ["--ema", 0.9, "--workers", 0, "--save-every", run.save_every, "--validation", None, "--size", 32, 32]
    flags += ["--warmup", 0, "--cooldown", 0.0, "--rgb-dropout", 0.3, "--cue-dropout", 0.3]
    flags += ["--prediction", run.prediction, "--noise-focus", 0, "--sampling-steps", 5, "--network.channels", 4, 8]
    return [script, "small-controlnet", *flags, "--parts", *run.parts]


@pytest.mark.parametrize("kind", ["unet", "light-unet", "dit"])
def test_a_resumed_run_is_an_uninterrupted_one(kind: str, run: ControlNetRun, tmp_path: Path) -> None:
    run = replace(run, network=NetworkConfig(kind=kind, channels=(4, 8), width=32), warmup=2)
    whole = train_controlnet(run)
    stopped = replace(run, output=tmp_path / "stopped")
    first = train_controlnet(replace(stopped, steps=3))
    second = train_controlnet(stopped)
    assert first + second == whole
    assert same(run.output, stopped.output)
    assert train_controlnet(stopped) == [], "done already"


def test_a_killed_run_goes_on_from_its_last_checkpoint(run: ControlNetRun, tmp_path: Path) -> None:
    killed = replace(run, output=tmp_path / "killed", steps=400, save_every=2, validation=None)
    process = subprocess.Popen([sys.executable, *map(str, _command(killed))], start_new_session=True)
    try:
        deadline = time.monotonic() + 120
        while not list((killed.output / "checkpoints").glob("step-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.2)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    done = max(int(path.name.removeprefix("step-")) for path in (killed.output / "checkpoints").glob("step-*"))
    assert 0 < done < 400
    # processes of their own, too: what ran before in this one may have made the processor flush denormal numbers
    until = replace(killed, steps=done + 2)
    whole = replace(until, output=tmp_path / "whole")
    resumed, anew = (
        subprocess.run([sys.executable, *map(str, _command(each))], check=True, capture_output=True, text=True).stdout
        for each in (until, whole)
    )
    assert f"going on at step {done} " in resumed and "going on" not in anew
    assert same(until.output, whole.output)


def test_other_settings_do_not_go_on_in_the_same_folder(run: ControlNetRun) -> None:
    train_controlnet(replace(run, steps=1))
    with pytest.raises(InputError, match="learning_rate"):
        train_controlnet(replace(run, learning_rate=0.5))
    with pytest.raises(InputError, match="other files"):
        train_controlnet(replace(run, output=run.data))


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_training_on_a_frozen_base_trains_the_controlnet_alone(
    precision: str, tiny_base: Path, run: ControlNetRun
) -> None:
    run = replace(run, base=str(tiny_base), codec="kl", size=(64, 64), ema=0.0, validation_samples=1, min_snr=5.0)
    losses = train_controlnet(replace(run, precision=precision, gradient_checkpointing=True))
    assert [point["step"] for point in read_points(run.output)] == [3, 6]
    assert len(losses) == 6 and all(torch.isfinite(torch.tensor(losses)))
    model = RelightingModel.load(str(run.output / "model"))
    for name, value in load_file(tiny_base / "unet" / "diffusion_pytorch_model.safetensors").items():
        assert torch.equal(model.denoiser.unet.state_dict()[name], value)
    assert any(p.any() for p in model.denoiser.controlnet.controlnet_mid_block.parameters())
    assert (run.output / "samples" / "step-00000006.png").is_file()
    assert list((run.output / "logs").glob("events*"))


@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_lora_is_trained_saved_and_loaded(precision: str, tiny_base: Path, run: ControlNetRun) -> None:
    pytest.importorskip("peft", reason="peft is not installed")
    run = replace(run, base=str(tiny_base), codec="kl", size=(64, 64), lora_rank=2, precision=precision, steps=3)
    train_controlnet(replace(run, validation=None))
    model = RelightingModel.load(str(run.output / "model"))
    base = load_file(tiny_base / "unet" / "diffusion_pytorch_model.safetensors")
    loaded = {n.replace(".base_layer", ""): v for n, v in model.denoiser.unet.state_dict().items()}
    changed = [name for name in base if not torch.equal(base[name], loaded[name])]
    assert changed and all(".attn" in name and ".to_" in name for name in changed)


def test_parts_of_a_batch_give_the_gradient_of_the_whole(run: ControlNetRun, tmp_path: Path) -> None:
    parts = replace(run, accumulate=2, output=tmp_path / "parts")
    assert train_controlnet(run) == pytest.approx(train_controlnet(parts), rel=1e-3)


def test_two_processes_take_the_steps_of_one(run: ControlNetRun, tmp_path: Path) -> None:
    run = replace(run, validation=None, steps=4)
    single = train_controlnet(run)
    shared = replace(run, output=tmp_path / "shared")
    launch = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--cpu",
        "--num_processes",
        "2",
        "--num_machines",
        "1",
    ]
    port = ["--main_process_port", str(free_port()), "--mixed_precision", "no", "--dynamo_backend", "no"]
    subprocess.run([*launch, *port, *map(str, _command(shared))], check=True, timeout=200)
    first, second = weights(run.output), weights(shared.output)
    assert len(single) == 4 and first.keys() == second.keys()
    assert all(torch.allclose(value, second[name], atol=1e-3) for name, value in first.items())


def test_the_learning_rate_rises_stays_and_falls() -> None:
    run = ControlNetRun(Path("a"), Path("b"), steps=100, warmup=10, cooldown=0.5)
    factors = [rate_factor(run, step) for step in range(100)]
    assert factors[0] == pytest.approx(0.1) and factors[9:51] == [1.0] * 42
    assert factors[75] == pytest.approx(0.5) and factors[99] < 0.01
    assert factors[50:] == sorted(factors[50:], reverse=True)


def test_min_snr_weighs_errors_alike_however_they_are_expressed() -> None:
    """Hang et al. 2023, section 3.4: the weight of an error in x_0 is min(SNR, gamma), whatever is predicted."""
    timesteps = torch.tensor([10, 300, 700])
    bars = {}
    for prediction in ("epsilon", "v_prediction", "sample"):
        schedule = NoiseSchedule(prediction=prediction, zero_snr=False)
        process = schedule.sampler("ddpm")
        bars[prediction] = snr_weights(process, schedule, timesteps, 5.0)
        snr = process.alphas_cumprod[timesteps] / (1 - process.alphas_cumprod[timesteps])
        assert torch.equal(snr_weights(process, schedule, timesteps, 0.0), torch.ones(3))
    assert torch.allclose(bars["sample"], snr.clamp(max=5.0))
    assert torch.allclose(bars["epsilon"] * snr, bars["sample"], rtol=1e-4)
    assert torch.allclose(bars["v_prediction"] * (snr + 1), bars["sample"], rtol=1e-4)


def test_a_decoder_is_trained_on_its_loss_and_its_encoder_is_kept(
    tiny_base: Path, light_sets: Path, tmp_path: Path
) -> None:
    run = DecoderRun(
        data=light_sets,
        output=tmp_path / "run",
        validation=light_sets,
        size=(32, 32),
        steps=6,
        batch=2,
        learning_rate=1e-2,
        workers=0,
        validation_samples=1,
        base=str(tiny_base),
        channels=(4, 8, 8, 8),
    )
    codec, pairs = new_codec(run), LightPairs(light_sets, ("rgb",), run.size, run.seed)
    source, target = (torch.stack([pairs[0][name], pairs[1][name]]) for name in ("source", "target"))
    losses = train_decoder(run)
    with torch.no_grad():
        assert losses[0] == pytest.approx(edge_decoder_loss(codec, codec.encode(target, source), source, target).item())
    trained = load_codec(run.output / "model").vae.state_dict()
    for name, value in codec.vae.state_dict().items():
        kept = name.startswith(("encoder.", "quant_conv."))
        assert torch.equal(value, trained[name]) == kept or not value.any(), name
    resumed = replace(run, output=tmp_path / "resumed")
    assert train_decoder(replace(resumed, steps=3)) + train_decoder(resumed) == losses


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_picture_is_named_wherever_it_is_read(workers: int, run: ControlNetRun, tmp_path: Path) -> None:
    data = write_light_sets(tmp_path / "sets", scenes=1, lights=2)
    (data / "scene0" / "light1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"light1\.png"):
        train_controlnet(replace(run, data=data, workers=workers))


def test_settings_that_do_not_fit_are_refused(run: ControlNetRun, tiny_base: Path, tmp_path: Path) -> None:
    for wrong, message in (
        ({"size": (30, 32)}, "multiples of 4"),
        ({"codec": "kl"}, "--codec-folder"),
        ({"base": str(tiny_base)}, "--codec ratio"),
        ({"batch": 5, "accumulate": 2}, "--batch 5"),
        ({"data": tmp_path}, "no scenes"),
    ):
        with pytest.raises(InputError, match=message):
            train_controlnet(replace(run, **wrong))
    with pytest.raises(InputError, match="--decoder or --base"):
        train_decoder(DecoderRun(data=write_light_sets(tmp_path / "s", 1), output=tmp_path / "d"))
