"""Compares our radiance field with nerfacto on the photos of one scene, side by side on this machine.

    .venv/bin/python scripts/benchmark.py --scene SCENE [--steps 800] [--ratio 10]

Both are trained on the same photos and measured on the same rays of the held-out views, each in a process of its own,
one after the other. Nerfacto may train `--ratio` times as long. Only training counts as time, not measuring.
"""

import json
import multiprocessing
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from rich.console import Console
from rich.table import Table
from torch import Tensor

from relightnerf.color import to_float
from relightnerf.devices import peak_memory_gib, resolve_device
from relightnerf.field.dataparser import RelightDataParser, RelightDataParserConfig
from relightnerf.images import read_image

_HELD_OUT_RAYS = 8192
_MEASURES = 12
_SEED = 42


@dataclass
class Benchmark:
    """What to compare, and for how long."""

    scene: Path
    """A prepared scene folder."""
    steps: int = 800
    """Training steps of our field."""
    ratio: float = 10.0
    """How many times our training time nerfacto gets."""
    rays: int = 1024
    """Rays per step of nerfacto. On a CPU, its default of 4096 leaves it too few steps."""
    psnr: float | None = None
    """PSNR whose time is asked for; by default what the weaker of the two reaches."""
    output: Path | None = None
    """JSON file for the numbers."""


@dataclass
class UnitCubeParserConfig(RelightDataParserConfig):
    """Our split and photos, scaled as nerfacto's settings expect them."""

    _target: type = field(default_factory=lambda: UnitCubeParser)


class UnitCubeParser(RelightDataParser):
    """Puts all cameras into [-1, 1]^3."""

    def _generate_dataparser_outputs(self, split: str = "train") -> DataparserOutputs:
        outputs = super()._generate_dataparser_outputs(split)
        everything = super()._generate_dataparser_outputs("train").cameras.camera_to_worlds[..., 3]
        outputs.cameras.camera_to_worlds[..., 3] /= everything.abs().max()
        return outputs


def main(options: Benchmark) -> None:
    ours = _in_a_process(_our_field, options.scene, options.steps)
    nerfacto = _in_a_process(_nerfacto, options.scene, options.ratio * ours["curve"][-1][0], options.rays)
    results = {"ours": ours, "nerfacto": nerfacto}
    goal = options.psnr or min(result["psnr"] for result in results.values())
    table = Table("", "rays/s", f"s to {goal:.1f} dB", "s trained", "held-out PSNR", "s per frame", "peak GB")
    for name, result in results.items():
        reached = next((f"{seconds:.0f}" for seconds, psnr in result["curve"] if psnr >= goal), "not reached")
        numbers = (result["curve"][-1][0], result["psnr"], result["frame"], result["peak"])
        table.add_row(name, f"{result['rays']:.0f}", reached, *(f"{number:.2f}" for number in numbers))
    Console(width=120).print(table)
    if options.output is not None:
        options.output.write_text(json.dumps(results, indent=1))


def _in_a_process(function: Any, *arguments: Any) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _our_field(scene: Path, steps: int) -> dict[str, Any]:
    from relightnerf.field.method import field_config

    config = field_config(steps, 0)
    config.pipeline.datamanager.dataparser = RelightDataParserConfig(lights_from="")
    return _train(config, scene, steps, float("inf"))


def _nerfacto(scene: Path, seconds: float, rays: int) -> dict[str, Any]:
    import torchmetrics.image.lpip
    from nerfstudio.configs.method_configs import method_configs

    # its constructor would download the weights of a measure that is not used here
    torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity = lambda **_: torch.nn.Identity()
    config = method_configs["nerfacto"]
    config.pipeline.datamanager.dataparser = UnitCubeParserConfig(lights_from="")
    config.pipeline.datamanager.train_num_rays_per_batch = rays
    config.pipeline.model.implementation = "torch"
    config.pipeline.model.camera_optimizer.mode = "off"
    config.mixed_precision = config.use_grad_scaler = False
    return _train(config, scene, 1 << 30, seconds)


def _train(config: Any, scene: Path, steps: int, seconds: float) -> dict[str, Any]:
    from nerfstudio.engine.callbacks import TrainingCallbackAttributes
    from nerfstudio.engine.optimizers import Optimizers

    from relightnerf.field.cpu import tune_cpu

    tune_cpu()
    torch.manual_seed(_SEED)
    device = resolve_device("auto")
    manager = config.pipeline.datamanager
    config.data = manager.data = manager.dataparser.data = scene
    pipeline = config.pipeline.setup(device=device, test_mode="val")
    optimizers = Optimizers(config.optimizers.copy(), pipeline.get_param_groups())
    attributes = TrainingCallbackAttributes(optimizers, None, pipeline, None)
    callbacks = pipeline.get_training_callbacks(attributes)
    truth = _held_out_rays(pipeline)
    spent, step, curve = 0.0, 0, []
    while step < steps and spent < seconds:
        started = time.perf_counter()
        _step(pipeline, optimizers, callbacks, step)
        spent += time.perf_counter() - started
        step += 1
        share = max(step / steps, spent / seconds)
        if share * _MEASURES >= len(curve) + 1 or share >= 1.0:
            curve.append((spent, _psnr(pipeline, *truth)))
            print(f"{type(pipeline.model).__name__}: step {step}, {spent:.0f} s, {curve[-1][1]:.2f} dB", flush=True)
    camera = pipeline.datamanager.eval_dataset.cameras[:1].to(device)
    pipeline.eval()
    started = time.perf_counter()
    with torch.no_grad():
        pipeline.model.get_outputs_for_camera(camera)
    return {
        "rays": step * manager.train_num_rays_per_batch / spent,
        "curve": curve,
        "psnr": curve[-1][1],
        "frame": time.perf_counter() - started,
        "peak": peak_memory_gib("cpu"),
        "steps": step,
    }


def _step(pipeline: Any, optimizers: Any, callbacks: list[Any], step: int) -> None:
    from nerfstudio.engine.callbacks import TrainingCallbackLocation

    pipeline.train()
    for callback in callbacks:
        callback.run_callback_at_location(step, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
    optimizers.zero_grad_all()
    _, losses, _ = pipeline.get_train_loss_dict(step)
    sum(losses.values()).backward()
    optimizers.optimizer_step_all()
    optimizers.scheduler_step_all(step)
    for callback in callbacks:
        callback.run_callback_at_location(step, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)


def _held_out_rays(pipeline: Any) -> tuple[Any, Tensor]:
    outputs = pipeline.datamanager.eval_dataset._dataparser_outputs
    images = to_float(np.stack([read_image(path) for path in outputs.image_filenames]))
    choice = np.random.default_rng(_SEED).integers(images[..., 0].size, size=_HELD_OUT_RAYS)
    view, row, column = np.unravel_index(choice, images.shape[:3])
    coordinates = torch.as_tensor(np.stack([row, column], axis=-1), dtype=torch.float32) + 0.5
    bundle = outputs.cameras.generate_rays(torch.as_tensor(view)[:, None], coordinates)
    return bundle.to(pipeline.device), torch.as_tensor(images[view, row, column]).to(pipeline.device)


@torch.no_grad()
def _psnr(pipeline: Any, rays: Any, truth: Tensor) -> float:
    pipeline.eval()
    rgb = pipeline.model.get_outputs_for_camera_ray_bundle(rays.reshape((-1, 1)))["rgb"].reshape(truth.shape)
    return float(-10.0 * torch.log10((rgb.clamp(0.0, 1.0) - truth).square().mean()))


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
