"""Runs two checkouts on one capture, and compares what they write, byte by byte.

    .venv/bin/python scripts/compare_checkouts.py --before ../old --after . --work /tmp/compared

Each checkout does a whole `relightnerf run` with the packages of this Python, one after the other, in a scene folder of
the same path, which is then moved to WORK/before and WORK/after; a scene that is there already is not made again.
Pictures, videos, arrays, the mesh and the checkpoints must be equal; manifests, settings and the report, which hold
times, versions and addresses, are left out. Exit code 1 if anything differs.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.errors import InputError

ROOT = Path(__file__).parents[1]
COMPARED = (".png", ".jpg", ".mp4", ".gif", ".npy", ".ply", ".ckpt", ".exr")
"""Suffixes of the files that must be equal."""


@dataclass
class Compare:
    """Run two checkouts and compare their files."""

    before: Path
    """A checkout."""
    after: Path
    """Another one."""
    work: Path
    """Folder for the two scenes."""
    capture: Path = ROOT / "datasets" / "demo" / "capture"
    """What they run on."""
    relighter: str = "shading"
    """The 2D relighter of both runs."""
    preset: str = "quick"
    """The preset of both runs."""

    def run(self) -> None:
        """Print what differs, and exit with 1 if anything does."""
        scenes = [self._scene(name, getattr(self, name)) for name in ("before", "after")]
        differing = differences(*scenes)
        for line in differing:
            print(line)
        count = len(compared_files(scenes[0]))
        print(f"{len(differing)} of {count} files differ" if differing else f"all {count} files are the same bytes")
        sys.exit(1 if differing else 0)

    def _scene(self, name: str, checkout: Path) -> Path:
        made, scene = self.work / name, self.work / "scene"
        if made.is_dir():
            return made
        if not (checkout / "relightnerf" / "__init__.py").is_file():
            raise InputError(f"{checkout}: not a checkout of relightnerf", "give the folder of a clone")
        flags = ["--capture", self.capture.absolute(), "--scene", scene.absolute(), "--device", "cpu"]
        flags += ["--preset", self.preset, "--relighter", self.relighter]
        environment = {**os.environ, "PYTHONPATH": str(checkout.absolute())}
        subprocess.run([sys.executable, "-m", "relightnerf", "run", *flags], env=environment, cwd=checkout, check=True)
        shutil.move(scene, made)
        return made


def compared_files(scene: Path) -> set[str]:
    """Return the files of a scene that must be equal, by their paths in it."""
    return {path.relative_to(scene).as_posix() for path in scene.rglob("*") if path.suffix in COMPARED}


def differences(before: Path, after: Path) -> Sequence[str]:
    """Return a line for each file that is in one scene only, or has other bytes in the other."""
    first, second = compared_files(before), compared_files(after)
    lines = [f"only before: {name}" for name in sorted(first - second)]
    lines += [f"only after: {name}" for name in sorted(second - first)]
    same = sorted(first & second)
    return lines + [f"differs: {name}" for name in same if (before / name).read_bytes() != (after / name).read_bytes()]


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(Compare)))
