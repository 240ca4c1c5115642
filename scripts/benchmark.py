"""Compares our radiance field with nerfacto on one scene, side by side on this machine, and measures its light.

    .venv/bin/python scripts/benchmark.py --scene SCENE --output OUT [--truth TRUTH] [--steps 1500] [--ratio 5]

Both fields are trained on the same photos and measured on the same rays of the held-out views, each in a process of its
own, one after the other; nerfacto may train `--ratio` times as long. Only training counts as time, not measuring. Where
the scene has matched pictures, our field then learns to follow the light, and with `--truth` (cameras, lights and
pictures as `datasets/demo/truth` has them) its relit views are compared with the truth. Last, our field is timed: a new
camera, another light, an environment map. Writes benchmark.json and benchmark.png (PSNR over seconds) to OUT.
"""

import multiprocessing
import time
from collections.abc import Callable
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

from relightnerf.cameras import load_cameras
from relightnerf.devices import peak_memory_gib, resolve_device
from relightnerf.field.dataparser import RelightDataParser, RelightDataParserConfig, scene_frame
from relightnerf.field.renderer import FieldRenderer
from relightnerf.imaging.color import to_float
from relightnerf.io.files import write_json
from relightnerf.io.images import read_image
from relightnerf.lights import Lighting, load_lights, spread_directions
from relightnerf.scene import Scene

_HELD_OUT_RAYS = 8192
_MEASURES = 12
_SEED = 42
_SIZE = 256
_MAP_DIRECTIONS = 64
_REPETITIONS = 9

Measure = Callable[[Any], float]
Curve = list[tuple[float, float]]


@dataclass
class Benchmark:
    """What to compare, and for how long."""

    scene: Path
    """A prepared scene folder; with `matched/`, the light is measured too."""
    output: Path
    """Folder for benchmark.json and benchmark.png."""
    truth: Path | None = None
    """Folder of true pictures: transforms.json, lights.json and <camera>__<light>.png."""
    steps: int = 1500
    """Training steps of our field on the photos."""
    light_steps: int = 6600
    """Training steps of our field on the matched pictures."""
    ratio: float = 5.0
    """How many times our training time on the photos nerfacto gets; 0 leaves it out."""
    rays: int = 1024
    """Rays per step of nerfacto. On a CPU, its default of 4096 leaves it too few steps."""


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
    results = {"relightnerf": _in_a_process(_our_field, options)}
    if options.ratio > 0:
        seconds = options.ratio * results["relightnerf"]["photos"][-1][0]
        results["nerfacto"] = _in_a_process(_nerfacto, options, seconds)
    write_json(options.output / "benchmark.json", results)
    _draw(results, options.output / "benchmark.png")
    _print(results)


def _in_a_process(function: Any, *arguments: Any) -> dict[str, Any]:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _our_field(options: Benchmark) -> dict[str, Any]:
    from relightnerf.methods.grids import field_config

    has_lights = (options.scene / "matched" / "lights.json").is_file()
    config = field_config(options.steps, options.light_steps if has_lights else 0)
    config.pipeline.datamanager.dataparser = RelightDataParserConfig(lights_from="matched" if has_lights else "")
    training = _Training(config, options.scene)
    photos = training.run(options.steps, float("inf"), _photo_psnr(training.pipeline))
    results = {**training.numbers(), "photos": photos}
    scene = Scene.load(options.scene)
    renderer = FieldRenderer(training.pipeline.model, scene_frame(scene, scene.cameras()))
    if has_lights:
        measure = _relit_psnr(renderer, options.truth) if options.truth else lambda _: float("nan")
        results["lights"] = training.run(options.light_steps, float("inf"), measure)
        results["peak"] = peak_memory_gib("cpu")
    return {**results, **_frame_seconds(renderer, scene, has_lights)}


def _nerfacto(options: Benchmark, seconds: float) -> dict[str, Any]:
    import torchmetrics.image.lpip
    from nerfstudio.configs.method_configs import method_configs

    # its constructor would download the weights of a measure that is not used here
    torchmetrics.image.lpip.LearnedPerceptualImagePatchSimilarity = lambda **_: torch.nn.Identity()
    config = method_configs["nerfacto"]
    config.pipeline.datamanager.dataparser = UnitCubeParserConfig(lights_from="")
    config.pipeline.datamanager.train_num_rays_per_batch = options.rays
    config.pipeline.model.implementation = "torch"
    config.pipeline.model.camera_optimizer.mode = "off"
    config.mixed_precision = config.use_grad_scaler = False
    training = _Training(config, options.scene)
    photos = training.run(1 << 30, seconds, _photo_psnr(training.pipeline))
    training.pipeline.eval()
    camera = training.pipeline.datamanager.eval_dataset.cameras[:1].to(training.pipeline.device)
    camera.rescale_output_resolution(_SIZE / float(camera.width[0, 0]))
    with torch.no_grad():
        frame = _median_seconds(lambda: training.pipeline.model.get_outputs_for_camera(camera), 1)
    return {**training.numbers(), "photos": photos, "camera": frame}


class _Training:
    """A pipeline that is trained bit by bit, and measured in between."""

    def __init__(self, config: Any, scene: Path) -> None:
        from nerfstudio.engine.callbacks import TrainingCallbackAttributes
        from nerfstudio.engine.optimizers import Optimizers

        from relightnerf.field.cpu import tune_cpu

        tune_cpu()
        torch.manual_seed(_SEED)
        self._manager = config.pipeline.datamanager
        config.data = self._manager.data = self._manager.dataparser.data = scene
        self.pipeline = config.pipeline.setup(device=resolve_device("auto"), test_mode="val")
        self._optimizers = Optimizers(config.optimizers.copy(), self.pipeline.get_param_groups())
        attributes = TrainingCallbackAttributes(self._optimizers, None, self.pipeline, None)
        self._callbacks = self.pipeline.get_training_callbacks(attributes)
        self._done, self._spent = 0, 0.0

    def run(self, steps: int, seconds: float, measure: Measure) -> Curve:
        """Train for some steps more, or until some seconds are spent in all; returns (seconds, PSNR) now and then."""
        begun, spent, curve = self._done, self._spent, []
        while self._done - begun < steps and self._spent < seconds:
            started = time.perf_counter()
            self._step()
            self._spent += time.perf_counter() - started
            share = max((self._done - begun) / steps, (self._spent - spent) / (seconds - spent))
            if share * _MEASURES >= len(curve) + 1 or share >= 1.0:
                curve.append((self._spent, measure(self.pipeline)))
                name = type(self.pipeline.model).__name__
                print(f"{name}: step {self._done}, {self._spent:.0f} s, {curve[-1][1]:.2f} dB", flush=True)
        return curve

    def numbers(self) -> dict[str, float]:
        """Return rays a second so far, and the peak of memory."""
        rays = self._done * self._manager.train_num_rays_per_batch
        return {"rays": rays / self._spent, "peak": peak_memory_gib("cpu")}

    def _step(self) -> None:
        from nerfstudio.engine.callbacks import TrainingCallbackLocation

        self.pipeline.train()
        for callback in self._callbacks:
            callback.run_callback_at_location(self._done, TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
        self._optimizers.zero_grad_all()
        _, losses, _ = self.pipeline.get_train_loss_dict(self._done)
        sum(losses.values()).backward()
        self._optimizers.optimizer_step_all()
        self._optimizers.scheduler_step_all(self._done)
        for callback in self._callbacks:
            callback.run_callback_at_location(self._done, TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
        self._done += 1


def _photo_psnr(pipeline: Any) -> Measure:
    """Return what measures a pipeline on random rays of the held-out photos."""
    outputs = pipeline.datamanager.eval_dataset._dataparser_outputs
    images = to_float(np.stack([read_image(path) for path in outputs.image_filenames]))
    choice = np.random.default_rng(_SEED).integers(images[..., 0].size, size=_HELD_OUT_RAYS)
    view, row, column = np.unravel_index(choice, images.shape[:3])
    coordinates = torch.as_tensor(np.stack([row, column], axis=-1), dtype=torch.float32) + 0.5
    bundle = outputs.cameras.generate_rays(torch.as_tensor(view)[:, None], coordinates).to(pipeline.device)
    truth = torch.as_tensor(images[view, row, column]).to(pipeline.device)

    @torch.no_grad()
    def measure(pipeline: Any) -> float:
        pipeline.eval()
        rgb = pipeline.model.get_outputs_for_camera_ray_bundle(bundle.reshape((-1, 1)))["rgb"].reshape(truth.shape)
        return _psnr(rgb.clamp(0.0, 1.0), truth)

    return measure


def _relit_psnr(renderer: FieldRenderer, truth: Path) -> Measure:
    """Return what measures a field on true pictures of other cameras under other lights, all of them."""
    cameras, lights = load_cameras(truth / "transforms.json"), load_lights(truth / "lights.json")
    names = [[f"{camera}__{light}.png" for light in lights.names] for camera in cameras.names]
    pictures = [[torch.as_tensor(to_float(read_image(truth / name))) for name in row] for row in names]

    def measure(pipeline: Any) -> float:
        pipeline.eval()
        psnr = []
        for i, row in enumerate(pictures):
            buffer = renderer.features(cameras[i])
            directions = lights.directions_world(cameras[i].camera_to_world)
            relit = [torch.as_tensor(renderer.relight(buffer, direction)) for direction in directions]
            psnr += [_psnr(ours, true) for ours, true in zip(relit, row, strict=True)]
        return float(np.mean(psnr))

    return measure


def _psnr(prediction: Tensor, truth: Tensor) -> float:
    return float(-10.0 * torch.log10((prediction - truth).square().mean()))


def _frame_seconds(renderer: FieldRenderer, scene: Scene, has_lights: bool) -> dict[str, float]:
    """Time pictures of 256x256: a new camera; and at the same camera another light, a map, a lamp."""
    camera = scene.cameras().resized(_SIZE, _SIZE)[0]
    seconds = {"camera": _median_seconds(lambda: renderer.relight(renderer.features(camera)))}
    if has_lights:
        buffer, directions = renderer.features(camera), spread_directions(_MAP_DIRECTIONS, lowest_z=0.0)
        sky = Lighting(directions, np.full((len(directions), 3), 1.0 / len(directions)))
        lamp = Lighting.point(renderer.center_world + directions[0])
        renderer.relight(buffer, sky)  # what is kept of a camera for any map after this one
        seconds["light"] = _median_seconds(lambda: renderer.relight(buffer, directions[0]))
        seconds["map"] = _median_seconds(lambda: renderer.relight(buffer, sky))
        seconds["lamp"] = _median_seconds(lambda: renderer.relight(buffer, lamp))
    return seconds


def _median_seconds(work: Callable[[], object], repetitions: int = _REPETITIONS) -> float:
    work()
    seconds = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def _print(results: dict[str, dict[str, Any]]) -> None:
    goal = min(result["photos"][-1][1] for result in results.values())
    table = Table("", "rays/s", f"s to {goal:.1f} dB", "s trained", "held-out PSNR", "s a camera", "peak GiB")
    for name, result in results.items():
        reached = next(f"{seconds:.0f}" for seconds, psnr in result["photos"] if psnr >= goal)
        trained, psnr = result["photos"][-1]
        row = (f"{trained:.0f}", f"{psnr:.2f}", f"{result['camera']:.2f}", f"{result['peak']:.2f}")
        table.add_row(name, f"{result['rays']:.0f}", reached, *row)
    console = Console(width=120)
    console.print(table)
    ours = results["relightnerf"]
    if "lights" in ours:
        seconds, psnr = ours["lights"][-1]
        console.print(f"relit views against the truth: {psnr:.2f} dB after {seconds:.0f} s")
        parts = ", ".join(f"{name} {1000.0 * ours[name]:.0f}" for name in ("camera", "light", "map", "lamp"))
        console.print(f"milliseconds at {_SIZE}x{_SIZE}: {parts}")


def _draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.0, 4.0), layout="constrained")
    for name, result in results.items():
        axes.plot(*zip(*result["photos"], strict=True), marker=".", label=f"{name}, photos")
        if np.isfinite([psnr for _, psnr in result.get("lights", [])]).any():
            axes.plot(*zip(*result["lights"], strict=True), marker=".", label=f"{name}, other lights")
    axes.set(xscale="log", xlabel="seconds of training", ylabel="PSNR of held-out views (dB)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(tyro.cli(Benchmark))
