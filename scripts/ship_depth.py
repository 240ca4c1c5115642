"""Put a trained depth network into the package: half precision, without optimizer or checkpoints.

    python scripts/ship_depth.py --model RUN/model

Writes relightnerf/weights/depth; its README.md, the model card, is left as it is.
"""

import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.errors import InputError

PACKAGE = Path(__file__).parents[1] / "relightnerf" / "weights"
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
        from relightnerf.io.files import atomic_path, read_json, write_json
        from relightnerf.progress import say

        with tempfile.TemporaryDirectory() as temporary:
            load_depth_network(self.model).half().save_pretrained(temporary)
            config = Path(temporary) / "config.json"
            write_json(config, {key: value for key, value in read_json(config).items() if key != "_name_or_path"})
            files = sorted(Path(temporary).iterdir())
            megabytes = sum(path.stat().st_size for path in files) / 1e6
            if megabytes > MOST_MB:
                raise InputError(f"{self.model}: {megabytes:.0f} MB in half precision", f"at most {MOST_MB:.0f} fit in")
            for path in files:
                with atomic_path(self.output / path.name) as target:
                    shutil.copyfile(path, target)
        say(f"{self.output}: {megabytes:.1f} MB")


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(ShipDepth, description=__doc__)))
