"""Make light folders of the Multi-Illumination dataset (Murmann et al., ICCV 2019), for training and validation.

    python datasets/multi_illumination/prepare.py --root data/mid --output data/mid-768 --size 768x512

Reads `<scene>/dir_<i>_mip<k>.exr|jpg` (and `<scene>/probes/`) anywhere below the root, writes `train/<scene>/` and
`test/<scene>/`. What is there is skipped: an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import filmic
import numpy as np
import tyro
from depth_models import load_depth_model
from numpy.typing import NDArray

from relightnerf.cli import run_command
from relightnerf.errors import InputError
from relightnerf.imaging.color import LUMINANCE, linear_to_srgb, srgb_to_linear, to_float, to_uint8
from relightnerf.io.files import read_json, write_json
from relightnerf.io.hdr import read_hdr
from relightnerf.io.images import parse_size, read_image, write_array
from relightnerf.lights import LightSet, fit_ball_direction, light_entries, reference_lights
from relightnerf.progress import say, track
from relightnerf.training.data.light_folders import is_made, write_light_folder

Kind = Literal["exr", "jpg"]
TEST_PREFIX = "everett"
DEPTH_LIGHT = "dir_10"  # from behind the camera: the fewest shadows
ASPECT_TOLERANCE = 0.02


@dataclass(frozen=True)
class Scene:
    """One scene of the dataset and where it goes."""

    folder: Path
    mip: int
    kind: Kind
    output: Path

    def picture(self, light: str) -> Path:
        """File of the picture under a light."""
        return self.folder / f"{light}_mip{self.mip}.{self.kind}"

    def probe(self, light: str) -> Path | None:
        """File of the gray ball under a light, if there is one."""
        files = [self.folder / "probes" / f"{light}_gray256.{kind}" for kind in (self.kind, "exr", "jpg")]
        return next((file for file in files if file.is_file()), None)


@dataclass(frozen=True)
class Task:
    """A scene to be made."""

    scene: Scene
    size: tuple[int, int]
    lights: LightSet
    source: str


@dataclass
class Prepare:
    """What to read and how to write it."""

    root: Path
    """Folder with the dataset's scenes at any depth."""
    output: Path
    """Folder that gets `train/` and `test/`."""
    mip: int = 2
    """Halvings of the pictures' size (6000x4000) in the files to read: 2 is 1500x1000."""
    kind: Literal["auto", "exr", "jpg"] = "auto"
    """Which pictures to read: HDR (exr), the dataset's own 8-bit ones (jpg), or HDR where there is any."""
    size: str = "768x512"
    """Width and height of the pictures to write, e.g. 768x512 or 1536x1024."""
    directions: Literal["table", "probes"] = "table"
    """The known table of directions, or a fit to the average of all scenes' gray balls."""
    depth_model: str | None = None
    """Folder or hub id of a Marigold depth pipeline, or of a depth-estimation model of transformers, for `depth.npy`;
    without it there is no depth."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the depth model computes."""
    workers: int = 1
    """Scenes that are made at the same time."""

    def run(self) -> None:
        """Write the scenes that are not there yet."""
        size = parse_size(self.size, "--size")
        scenes = self._scenes()
        lights = reference_lights() if self.directions == "table" else probe_lights(scenes)
        tasks = [Task(scene, size, lights, self._source(scene)) for scene in scenes]
        missing = [task for task in tasks if not is_done(task)]
        with multiprocessing.Pool(min(max(self.workers, 1), max(len(missing), 1))) as pool:
            found = pool.imap(make_scene, missing)
            problems = [problem for problem in track(found, "scenes", len(tasks), len(tasks) - len(missing)) if problem]
        say(f"{self.output}: {len(missing) - len(problems)} scenes made, {len(tasks) - len(missing)} were there")
        if self.depth_model is not None:
            self._add_depth(self.depth_model, scenes)
        for problem in problems:
            say(f"left out: {problem}")
        if problems:
            raise InputError(f"{len(problems)} scenes left out, e.g. {problems[0]}", "download and unpack them again")

    def _scenes(self) -> list[Scene]:
        kinds: tuple[Kind, ...] = ("jpg", "exr") if self.kind == "auto" else (self.kind,)
        found: dict[str, Scene] = {}
        for kind in kinds:
            for picture in sorted(self.root.rglob(f"{DEPTH_LIGHT}_mip{self.mip}.{kind}")):
                name = picture.parent.name
                split = "test" if name.startswith(TEST_PREFIX) else "train"
                found[name] = Scene(picture.parent, self.mip, kind, self.output / split / name)
        if not found:
            wanted = f"<scene>/{DEPTH_LIGHT}_mip{self.mip}.{'|'.join(kinds)}"
            raise InputError(
                f"{self.root}: no scenes ({wanted})", "give the folder with the unpacked archives, or --mip"
            )
        return [found[name] for name in sorted(found)]

    def _source(self, scene: Scene) -> str:
        tone = "filmic tone curve of Hable 2010" if scene.kind == "exr" else "the set's own tone curve"
        return (
            f"A Dataset of Multi-Illumination Images in the Wild (Murmann et al., ICCV 2019), {scene.folder.name}, "
            f"mip {scene.mip}, {scene.kind}, {self.size}, {tone}"
        )

    def _add_depth(self, name: str, scenes: list[Scene]) -> None:
        from relightnerf.devices import resolve_device

        ready = [scene.output for scene in scenes if (scene.output / "meta.json").is_file()]
        missing = [folder for folder in ready if not (folder / "depth.npy").is_file()]
        if missing:
            model = load_depth_model(name, resolve_device(self.device))
            for folder in track(missing, "depth", len(ready), len(ready) - len(missing)):
                write_array(folder / "depth.npy", model(read_image(folder / f"{DEPTH_LIGHT}.png")))
        say(f"{self.output}: depth of {len(missing)} scenes estimated, {len(ready) - len(missing)} had theirs")


def is_done(task: Task) -> bool:
    """Say whether a scene is there; brings its directions up to date, as that takes no time."""
    if not is_made(task.scene.output, task.source):
        return False
    meta = task.scene.output / "meta.json"
    content, wanted = read_json(meta), light_entries(task.lights)
    if content["lights"] != wanted:
        write_json(meta, {**content, "lights": wanted})
    return True


def make_scene(task: Task) -> str | None:
    """Write one scene; returns what is wrong with it, if something is."""
    try:
        pictures = [read_linear(task.scene.picture(light), task.size) for light in task.lights.names]
        if task.scene.kind == "exr":
            factor = filmic.exposure(np.stack([picture @ LUMINANCE for picture in pictures]))
            pictures = [filmic.filmic(factor * picture) for picture in pictures]
        encoded = [to_uint8(linear_to_srgb(picture)) for picture in pictures]
        write_light_folder(task.scene.output, encoded, task.lights, source=task.source)
    except InputError as error:
        return str(error)
    return None


def read_linear(path: Path, size: tuple[int, int] | None = None) -> NDArray[np.float32]:
    """Linear values of an EXR or of an 8-bit picture, brought to a size by averaging over areas."""
    if path.suffix == ".exr":
        linear = np.maximum(np.nan_to_num(read_hdr(path), posinf=0.0, neginf=0.0), 0.0)
    else:
        linear = srgb_to_linear(to_float(read_image(path, upright=False))).astype(np.float32)
    if size is None:
        return linear
    height, width = linear.shape[:2]
    if abs(width * size[1] / (height * size[0]) - 1.0) > ASPECT_TOLERANCE:
        raise InputError(f"{path}: {width}x{height} has another shape than {size[0]}x{size[1]}", "give another --size")
    return cv2.resize(linear, size, interpolation=cv2.INTER_AREA)


def probe_lights(scenes: list[Scene]) -> LightSet:
    """Directions fitted to the gray balls' average over all scenes that have them."""
    known = reference_lights()
    balls = average_probes(scenes, known.names)
    try:
        fitted = np.stack([fit_ball_direction(balls[name]) for name in track(known.names, "directions")])
    except ValueError as error:
        raise InputError(f"the gray balls cannot be used ({error})", "give --directions table") from None
    angles_deg = np.degrees(np.arccos(np.clip((fitted * known.directions).sum(-1), -1.0, 1.0)))
    say(f"directions of {len(fitted)} lights fitted; from the table by up to {angles_deg.max():.1f} degrees")
    return LightSet("camera", known.names, fitted)


def average_probes(scenes: list[Scene], lights: tuple[str, ...]) -> Mapping[str, NDArray[np.float64]]:
    """Average of the gray balls (linear) under each light; every scene counts the same."""
    sums: dict[str, NDArray[np.float64]] = {}
    for scene in track(scenes, "gray balls"):
        files = [scene.probe(light) for light in lights]
        if None in files:
            continue
        balls = np.stack([read_linear(file) for file in files if file is not None])
        for light, ball in zip(lights, balls / max(float(balls.mean()), 1e-9), strict=True):
            if ball.shape != sums.setdefault(light, np.zeros(ball.shape)).shape:
                raise InputError(f"{scene.folder}: gray balls of another size", "unpack the scene again")
            sums[light] += ball
    if not sums:
        raise InputError("no scene has all gray balls (probes/dir_<i>_gray256)", "give --directions table")
    return sums


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(Prepare, description=__doc__)))
