"""Put a trained depth network into the package: half precision, without optimizer or checkpoints.

    python scripts/ship_depth.py --model RUN/model

Writes relightnerf/weights/depth; its README.md, the model card, is left as it is.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import tyro
from ship_relighter import PACKAGE, ship

from relightnerf.cli import run_command

MOST_MB = 15.0


@dataclass
class ShipDepth:
    """Parsed flags."""

    model: Path
    """What scripts/train_depth.py has written as RUN/model."""
    output: Path = PACKAGE / "depth"
    """Folder to write to."""

    def run(self) -> None:
        from relightnerf.depth_prior import load_depth_network

        ship(load_depth_network(self.model).half().save_pretrained, self.model, self.output, MOST_MB)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(ShipDepth, description=__doc__)))
