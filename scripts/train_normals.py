"""Train the network that corrects the normals of inexact geometry.

    python scripts/train_normals.py --data SETS/train --validation SETS/validation --output RUN
    accelerate launch --multi_gpu scripts/train_normals.py --data ... --output RUN

SETS are folders of scenes as datasets/render_procedural.py renders them. The finished network is RUN/model; it goes
into a relighter's folder as `normals`, see scripts/ship_relighter.py. After a stop, the same command continues from
the last checkpoint.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.training.config import NormalsRun

_DEFAULT = NormalsRun(
    data=Path("data/procedural/train"),
    output=Path("runs/normals"),
    validation=Path("data/procedural/validation"),
    size=(96, 96),
    steps=2500,
    batch=16,
    learning_rate=1e-3,
    warmup=50,
    cooldown=0.8,
    ema=0.995,
    clip=0.5,
    workers=1,
    save_every=250,
    validate_every=250,
)


@dataclass
class TrainNormals:
    """Parsed flags."""

    settings: NormalsRun

    def run(self) -> None:
        from relightnerf.training.normals import train_normals

        train_normals(self.settings)


if __name__ == "__main__":
    sys.exit(run_command(lambda: TrainNormals(tyro.cli(NormalsRun, description=__doc__, default=_DEFAULT))))
