"""Make a toy set of scenes under several lights: a textured sphere on (or over) a textured plane, without any data.

    python datasets/render_spheres.py --output data/spheres --scenes 2000
    python datasets/render_spheres.py --output data/spheres --scenes 100 --split test

Scene `i` depends on seed, split, size, number of lights and `i` only. Scenes that are there already are skipped, so an
interrupted run goes on where it stopped.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import sphere_scene as ss
import tyro
from sphere_textures import Array

from relightnerf.errors import InputError
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.io.images import parse_size, write_image
from relightnerf.lights import LightSet
from relightnerf.progress import say, track
from relightnerf.training.data.light_folders import is_made, write_light_folder

SPLITS = {"train": 0, "test": 1}
OVERSAMPLING = 2


@dataclass(frozen=True)
class Config:
    """What to make and where to put it."""

    output: Path
    """Folder of the set; scenes go to `<output>/<split>/<index>`."""
    scenes: int = 1000
    """Number of scenes."""
    lights: int = 8
    """Number of lights a scene."""
    size: str = "64x64"
    """Width and height of the pictures, pixels."""
    seed: int = 0
    """Another seed gives another set."""
    first: int = 0
    """Index of the first scene."""
    split: Literal["train", "test"] = "train"
    """The splits have nothing in common, at any seed."""
    workers: int = 1
    """Processes that work at the same time."""


def scene_folder(config: Config, index: int) -> Path:
    """Where scene `index` lies."""
    return config.output / config.split / f"{index:06d}"


def describe(config: Config) -> str:
    """What the scenes of a set have in common, for their `source`."""
    size = "x".join(map(str, parse_size(config.size, "--size")))
    return f"render_spheres: seed {config.seed}, {config.split}, {size}, {config.lights} lights"


def make_scene(config: Config, index: int) -> None:
    """Draw, render and write one scene."""
    rng = np.random.default_rng([config.seed, SPLITS[config.split], index])
    scene = ss.random_scene(rng)
    directions = ss.random_directions(scene, config.lights, rng)
    width, height = parse_size(config.size, "--size")
    fine = ss.trace(scene, ss.pixel_rays(scene, width * OVERSAMPLING, height * OVERSAMPLING))
    albedo, ambient = ss.surface_albedo(scene, fine), ss.ambient_part(scene, fine)
    pictures, seen = [], []
    for direction in directions:
        irradiance, visible = ss.light_surface(scene, fine, direction)
        linear = ss.radiance(scene, fine, albedo, irradiance, ambient)
        pictures.append(encode(np.clip(linear, 0.0, 1.0), width, height))
        seen.append(pixel_means(visible[:, None], width, height)[..., 0])
    centres = ss.trace(scene, ss.pixel_rays(scene, width, height))
    folder = scene_folder(config, index)
    write_image(folder / "ambient.png", to_uint8(pixel_means(ambient[:, None], width, height)[..., 0]))
    write_image(folder / "sphere.png", to_uint8((centres.kind == ss.SPHERE).reshape(height, width).astype(np.float32)))
    write_light_folder(
        folder,
        pictures,
        LightSet("camera", tuple(f"light_{i:02d}" for i in range(config.lights)), directions),
        depth=-centres.points[:, 2].reshape(height, width),
        normal=centres.normals.reshape(height, width, 3),
        visibility=seen,
        fov_deg=scene.fov_deg,
        source=describe(config),
        albedo=pixel_means(albedo, width, height),
    )


def pixel_means(values: Array, width: int, height: int) -> Array:
    """Mean (height, width, C) of the rays (P, C) of each pixel."""
    return values.reshape(height, OVERSAMPLING, width, OVERSAMPLING, -1).mean(axis=(1, 3))


def encode(linear: Array, width: int, height: int) -> np.ndarray:
    """8-bit sRGB picture of linear values (P, 3)."""
    return to_uint8(linear_to_srgb(pixel_means(linear, width, height)))


def _make(task: tuple[Config, int]) -> None:
    make_scene(*task)


def main(config: Config) -> None:
    """Make the scenes that are not there yet."""
    wanted = range(config.first, config.first + config.scenes)
    tasks = [(config, index) for index in wanted if not is_made(scene_folder(config, index), describe(config))]
    done, start = config.scenes - len(tasks), time.perf_counter()
    with multiprocessing.Pool(config.workers) as pool:
        for _ in track(pool.imap_unordered(_make, tasks, chunksize=4), "spheres", config.scenes, done):
            pass
    seconds = time.perf_counter() - start
    say(f"{config.output / config.split}: {len(tasks)} scenes made in {seconds:.0f} s, {done} were there")


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
