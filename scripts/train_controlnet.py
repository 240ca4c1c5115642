"""Train a light-conditioned ControlNet.

    python scripts/train_controlnet.py small --data SETS/train --validation SETS/test --output RUN
    accelerate launch --multi_gpu scripts/train_controlnet.py reference-768 --data ... --output RUN

SETS are folders of scenes under several lights (see datasets/README.md). The finished model is RUN/model, for
`relightnerf relight --relighter RUN/model`; `tensorboard --logdir RUN/logs` shows curves and pictures. After a stop,
the same command continues from the last checkpoint. A flag changes each setting of a recipe.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.diffusion.options import DEFAULT_BASE
from relightnerf.training.config import ControlNetRun, NetworkConfig

_REFERENCE = ControlNetRun(
    data=Path("data/multi_illumination/train"),
    output=Path("runs/reference"),
    validation=Path("data/multi_illumination/test"),
    base=DEFAULT_BASE,
    precision="bf16",
    gradient_checkpointing=True,
    workers=8,
)
_SMALL = ControlNetRun(
    data=Path("data/spheres/train"),
    output=Path("runs/small"),
    validation=Path("data/spheres/test"),
    size=(64, 64),
    steps=5000,
    batch=16,
    learning_rate=1.5e-3,
    warmup=50,
    cooldown=0.7,
    ema=0.99,
    workers=1,
    save_every=500,
    validate_every=500,
    validation_samples=64,
    network=NetworkConfig(kind="dit", layers=6, width=128, patch=4),
    parts=("rgb", "depth", "normal", "shading", "shadow"),
    codec="ratio",
    prediction="sample",
    rgb_dropout=0.0,
    noise_focus=0.8,
    sampling_steps=1,
)
_COMPACT = ControlNetRun(
    data=Path("data/procedural/train"),
    output=Path("runs/compact"),
    validation=Path("data/procedural/validation"),
    size=(64, 64),
    steps=6000,
    batch=16,
    learning_rate=5e-4,
    warmup=100,
    cooldown=0.5,
    ema=0.995,
    workers=1,
    save_every=300,
    validate_every=600,
    validation_samples=64,
    network=NetworkConfig(kind="light-unet", channels=(32, 64, 128, 192), layers=2, attention=True),
    parts=(
        "rgb",
        "depth",
        "normal",
        "shading",
        "shadow",
        "ambient_visibility",
        "cue",
        "source",
        "capture",
        "disc",
        "shaded",
    ),
    codec="ratio",
    prediction="sample",
    rgb_dropout=0.0,
    cue_dropout=0.02,
    photo_only=0.03,
    depth_only=0.06,
    loss="picture",
    noise_focus=1.0,
    sampling_steps=1,
)
RECIPES = {
    "reference-768": ("the reference recipe at 768x512", replace(_REFERENCE, steps=200_000)),
    "reference-1536": ("the reference recipe at 1536x1024", replace(_REFERENCE, size=(1536, 1024), steps=150_000)),
    "compact": ("the relighter that comes with the package: a UNet on log ratios, with all cues", _COMPACT),
    "small": ("a small transformer on log ratios, minutes on a CPU", _SMALL),
    "small-controlnet": (
        "the same with a UNet and a ControlNet, both new",
        replace(_SMALL, network=NetworkConfig(channels=(16, 48, 96))),
    ),
}
"""What each recipe is good for, and its settings."""


@dataclass
class TrainControlNet:
    """Parsed flags."""

    settings: ControlNetRun

    def run(self) -> None:
        from relightnerf.training.controlnet import train_controlnet

        train_controlnet(self.settings)


def _parsed() -> TrainControlNet:
    return TrainControlNet(tyro.extras.overridable_config_cli(RECIPES, description=__doc__))


if __name__ == "__main__":
    sys.exit(run_command(_parsed))
