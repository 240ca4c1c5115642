"""Shows that a small relighting model learns where the light is, from nothing, on this machine.

    .venv/bin/python scripts/benchmark_learning.py --output OUT [--minutes 15]

Makes a toy set (a textured sphere on a textured plane, random lights), trains a small model on it for the time given,
and measures on spheres with other textures and other lights: the direction that explains the relit sphere's shading
best, against the one that was asked for. Writes curve.png, metrics.json and samples.png to OUT.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from train_controlnet import RECIPES

from relightnerf.cli import run_command
from relightnerf.imaging.color import srgb_to_linear, to_float
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_image, write_image
from relightnerf.progress import say
from relightnerf.training.benchmark.light_direction import direction_error_deg, fitted_direction
from relightnerf.training.checkpoints import read_points
from relightnerf.training.config import ControlNetRun
from relightnerf.training.controlnet import ControlNetObjective, RelitPair
from relightnerf.training.data.light_folders import LightFolder
from relightnerf.training.networks import new_model
from relightnerf.training.trainer import train

_CALIBRATION_STEPS = 40
_VALIDATIONS = 10
_BAR_DEG = 10.0
_TOY = Path(__file__).resolve().parents[1] / "datasets" / "render_spheres.py"


@dataclass
class BenchmarkLearning:
    """How long to train, and where to write."""

    output: Path
    """Folder for the toy set, the run, and the results; a stopped benchmark continues where it stopped."""
    minutes: float = 15.0
    """Time to train, validations not counted."""
    scenes: int = 1500
    """Training scenes, under eight lights each."""
    test_scenes: int = 64
    """Scenes to measure on; their textures and lights are not in the training set."""
    recipe: Literal["small", "small-controlnet"] = "small"
    """Recipe of `train_controlnet.py`: a transformer, or a UNet with a ControlNet."""

    def run(self) -> None:
        for split, scenes in (("train", self.scenes), ("test", self.test_scenes)):
            command = [sys.executable, _TOY, "--output", self.output / "set", "--scenes", scenes, "--split", split]
            subprocess.run([*map(str, command), "--size", "64x64"], check=True)
        run = replace(self._recipe(), steps=self._steps())
        run = replace(run, validate_every=-(-run.steps // _VALIDATIONS), save_every=-(-run.steps // _VALIDATIONS))
        objective = DirectionObjective(run, new_model(run))
        train(run, objective)
        self._report(run, objective)

    def _recipe(self) -> ControlNetRun:
        return replace(
            RECIPES[self.recipe][1],
            data=self.output / "set" / "train",
            validation=self.output / "set" / "test",
            output=self.output / "run",
            validation_samples=self.test_scenes,
        )

    def _steps(self) -> int:
        """Return how many steps fit into the time; written down, so that a resumed benchmark has the same."""
        path = self.output / "steps.json"
        if not path.is_file():
            steps, output = _CALIBRATION_STEPS, self.output / "calibration"
            run = replace(self._recipe(), steps=steps, validate_every=steps // 2, validation_samples=1, output=output)
            train(run, ControlNetObjective(run, new_model(run)))
            middle, end = read_points(run.output)
            seconds_a_step = (end["seconds"] - middle["seconds"]) / (end["step"] - middle["step"])
            write_json(path, {"steps": max(_VALIDATIONS, round(60 * self.minutes / seconds_a_step))})
        return int(read_json(path)["steps"])

    def _report(self, run: ControlNetRun, objective: "DirectionObjective") -> None:
        curve = read_points(run.output)
        if not objective.pairs:  # the training was over already
            objective.validate()
        others = {name: _errors(objective.pairs, name) for name in ("target", "source")}
        write_json(
            self.output / "metrics.json",
            {
                "steps": run.steps,
                "minutes": curve[-1]["seconds"] / 60,
                "direction_error_deg": curve[-1]["direction_error_deg"],
                "direction_error_deg_median": curve[-1]["direction_error_deg_median"],
                "of_the_true_picture": float(np.mean(others["target"])),
                "of_the_source_picture": float(np.mean(others["source"])),
                "curve": [{key: point[key] for key in point if "/" not in key} for point in curve],
            },
        )
        last = sorted((run.output / "samples").glob("*.png"))[-1]
        write_image(self.output / "samples.png", read_image(last))
        _draw(self.output / "curve.png", curve, float(np.mean(others["source"])))
        say(f"mean light-direction error: {curve[-1]['direction_error_deg']:.1f} degrees ({self.output})")


class DirectionObjective(ControlNetObjective):
    """Measures the light's direction in the relit pictures, too.

    Attributes:
        pairs: of the last validation.
    """

    pairs: Sequence[RelitPair] = ()

    def scores(self, pairs: Sequence[RelitPair]) -> dict[str, float]:
        self.pairs = pairs
        errors = _errors(pairs, "relit")
        direction = {
            "direction_error_deg": float(np.mean(errors)),
            "direction_error_deg_median": float(np.median(errors)),
        }
        return {**super().scores(pairs), **direction}


def _errors(pairs: Sequence[RelitPair], picture: str) -> list[float]:
    """Angles between the target's light and the one that explains the sphere in a picture of each pair, degrees."""
    return [_error(pair.scene, pair.scene.lights.directions[pair.light], getattr(pair, picture)) for pair in pairs]


def _error(scene: LightFolder, light: np.ndarray, picture: np.ndarray) -> float:
    albedo = srgb_to_linear(to_float(read_image(scene.folder / "albedo.png")))
    sphere = read_image(scene.folder / "sphere.png")[..., 0] > 0
    ambient = to_float(read_image(scene.folder / "ambient.png")[..., 0])
    found = fitted_direction(picture, albedo, scene.normal(), sphere, ambient_visibility=ambient)
    return direction_error_deg(found, light)


def _draw(path: Path, curve: list[dict[str, float]], source: float) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=110)
    minutes = [point["seconds"] / 60 for point in curve]
    axes.plot(minutes, [point["direction_error_deg"] for point in curve], "o-", label="relit picture, mean")
    axes.plot(minutes, [point["direction_error_deg_median"] for point in curve], "s--", label="relit picture, median")
    axes.axhline(source, color="gray", linestyle=":", label="picture as it was, mean")
    axes.axhline(_BAR_DEG, color="black", linewidth=0.8)
    axes.set(xlabel="minutes of training", ylabel="light-direction error (degrees)", ylim=(0, None), xlim=(0, None))
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(BenchmarkLearning, description=__doc__)))
