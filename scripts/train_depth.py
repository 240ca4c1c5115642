"""Train the depth network, the prior of `relightnerf geometry`.

    python scripts/train_depth.py --data SETS/train --validation SETS/validation --output RUN
    accelerate launch --multi_gpu scripts/train_depth.py --data ... --output RUN

SETS are folders of samples as datasets/render_depth_samples.py renders them. The finished network is RUN/model; in
half precision, it is relightnerf/weights/depth. After a stop, the same command continues from the last checkpoint.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.training.config import DepthRun

_DEFAULT = DepthRun(
    data=Path("data/depth/train"),
    output=Path("runs/depth"),
    validation=Path("data/depth/validation"),
    size=(128, 96),
    steps=4000,
    batch=16,
    learning_rate=1e-3,
    warmup=100,
    cooldown=0.7,
    ema=0.995,
    clip=0.5,
    workers=1,
    save_every=200,
    validate_every=200,
    validation_samples=96,
)


@dataclass
class TrainDepth:
    """Parsed flags."""

    settings: DepthRun

    def run(self) -> None:
        from relightnerf.training.depth import train_depth

        train_depth(self.settings)


if __name__ == "__main__":
    sys.exit(run_command(lambda: TrainDepth(tyro.cli(DepthRun, description=__doc__, default=_DEFAULT))))
