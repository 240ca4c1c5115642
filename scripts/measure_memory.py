"""Shows how much memory fitting takes for a large capture: the relit pictures stay on disk, however many there are.

    .venv/bin/python scripts/measure_memory.py --output OUT [--views 300] [--lights 18] [--width 1536] [--height 1024]

Makes a scene folder of that size (smooth pictures; views share files by links), trains a few steps on the photos and on
the relit pictures, and prints the peak of the process's own memory. Pages of the mapped file that hold relit pictures
are not counted: the system drops them when it needs room. The file takes views x lights x width x height x 3 bytes of
disk while the fit runs.
"""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from relightnerf.cameras import Cameras, save_cameras
from relightnerf.cameras.paths import look_at
from relightnerf.field.fitting import train
from relightnerf.io.images import write_image
from relightnerf.lights import LightSet, save_lights, spread_directions
from relightnerf.methods.runs import run_config
from relightnerf.scene import Scene

_STEPS = 20
_Z_UP = (0.0, 0.0, 1.0)


@dataclass
class MeasureMemory:
    """How large the capture is."""

    output: Path
    """Folder for the scene; an empty or a new one."""
    views: int = 300
    """Photos."""
    lights: int = 18
    """Relit pictures of each."""
    width: int = 1536
    """Of each picture, pixels."""
    height: int = 1024
    """Of each picture, pixels."""


def main(options: MeasureMemory) -> None:
    scene = _make_scene(options)
    peak = _Peak()
    started = time.monotonic()
    config = run_config(scene, scene.field, eval_every=0, lights_from="matched", steps=(_STEPS, _STEPS), device="cpu")
    train(config, f"{2 * _STEPS} steps")
    pictures = options.views * options.lights
    size_gib = pictures * options.width * options.height * 3 / 2**30
    print(f"{pictures} relit pictures of {options.width}x{options.height}, {size_gib:.1f} GiB as 8-bit colours")
    print(f"peak of the process's own memory: {peak.gib():.1f} GiB; {time.monotonic() - started:.0f} s")


def _make_scene(options: MeasureMemory) -> Scene:
    root, size = options.output, (options.width, options.height)
    scene = Scene(root, "large", "generated", _Z_UP, *size)
    angle = 2.0 * np.pi * np.arange(options.views) / options.views
    positions = np.stack([3.0 * np.cos(angle), 3.0 * np.sin(angle), np.full_like(angle, 1.5)], axis=-1)
    poses = np.stack([look_at(position, np.zeros(3), _Z_UP) for position in positions])
    intrinsics = np.tile([options.width, options.width, options.width / 2, options.height / 2], (options.views, 1))
    names = tuple(f"view_{index:03}" for index in range(options.views))
    save_cameras(scene.capture / "transforms.json", Cameras(names, poses, intrinsics, *size))
    lights = tuple(f"light_{index}" for index in range(options.lights))
    save_lights(scene.matched / "lights.json", LightSet("world", lights, spread_directions(options.lights, 0.0)))
    scene.save()
    for name in names:
        _link(scene.image_path(names[0]), scene.image_path(name), 0, size)
        for index, light in enumerate(lights):
            _link(scene.matched / f"{names[0]}__{light}.png", scene.matched / f"{name}__{light}.png", 1 + index, size)
    return scene


def _link(first: Path, path: Path, seed: int, size: tuple[int, int]) -> None:
    if not first.exists():
        across, down = np.meshgrid(np.linspace(0.0, 3.0, size[0]), np.linspace(0.0, 2.0, size[1]))
        waves = np.stack([np.sin(across * (1 + channel) + down + seed) for channel in range(3)], axis=-1)
        write_image(first, (127.5 + 100.0 * waves).astype(np.uint8))
    if not path.exists():
        os.link(first, path)


class _Peak:
    """Watches the process's own (anonymous) memory."""

    def __init__(self) -> None:
        self._most_kib = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            status = Path("/proc/self/status").read_text()
            own = next(line for line in status.splitlines() if line.startswith("RssAnon"))
            self._most_kib = max(self._most_kib, int(own.split()[1]))
            time.sleep(0.05)

    def gib(self) -> float:
        return self._most_kib / 2**20


if __name__ == "__main__":
    main(tyro.cli(MeasureMemory, description=__doc__))
