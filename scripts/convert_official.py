"""Make a relighter's folder from the reference method's own weights (non-commercial; not part of this project).

    python scripts/convert_official.py --controlnet controlnet_768x512.safetensors \
        --decoder decoder_768x512.safetensors --output relighters/official-768

`relightnerf relight --relighter relighters/official-768` then also needs Stable Diffusion 2.1, as a folder
(`--diffusion.base FOLDER`) or from the hub.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.diffusion.options import DEFAULT_BASE
from relightnerf.errors import InputError


@dataclass
class ConvertOfficial:
    """Which files to convert."""

    controlnet: Path
    """controlnet_<width>x<height>.safetensors."""
    output: Path
    """Folder to write."""
    decoder: Path | None = None
    """decoder_<width>x<height>.safetensors; without it, the base's own decoder draws the pictures."""
    size: tuple[int, int] | None = None
    """Width and height that the weights were trained for; by default what the file's name says."""
    base: str = DEFAULT_BASE
    """Folder or hub id of Stable Diffusion 2.1 that the relighter will load."""

    def run(self) -> None:
        from relightnerf.diffusion.official import convert_official
        from relightnerf.progress import say

        convert_official(self.controlnet, self.decoder, self.output, self._size(), self.base)
        say(f"{self.output}: ready for --relighter")

    def _size(self) -> tuple[int, int]:
        if self.size:
            return self.size
        named = re.search(r"(\d+)x(\d+)", self.controlnet.stem)
        if not named:
            raise InputError(f"{self.controlnet}: the name does not tell the size", "give --size WIDTH HEIGHT")
        return int(named[1]), int(named[2])


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(ConvertOfficial, description=__doc__)))
