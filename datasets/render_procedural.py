"""Render procedural scenes under many lights: the set that the compact relighter is trained and judged on.

    python datasets/render_procedural.py --output data/procedural --scenes 2000 --workers 2
    python datasets/render_procedural.py --output data/procedural --split test --scenes 100 --size 128x128 --samples 64

Every scene is a light folder with layers (relightnerf/training/data/light_folders.py): linear pictures of each light's
disc, of the ambient part and of environments by themselves, with depth, normals, visibility, ambient visibility and
albedo. A scene depends on seed, split, size, samples, number of lights and its index only; those that are there are
skipped, so an interrupted run goes on where it stopped. The splits share no seed, no mesh and no texture picture.

Needs the extra `data` (Mitsuba, oidn, trimesh, threejs-materials); Debian's libllvm19 makes it several times faster,
its libtbb12 is what oidn needs, and sweethome3d-furniture brings 820 meshes (without it there are primitives only).
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
import tyro
from procedural_workers import start_worker
from scipy.ndimage import binary_erosion

from relightnerf.cameras import Camera
from relightnerf.diffusion.conditions import normalized_depth
from relightnerf.errors import InputError
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.files import atomic_path
from relightnerf.io.images import parse_size, write_image
from relightnerf.lights import LightSet
from relightnerf.progress import say, track
from relightnerf.training.data.light_folders import INEXACT, LightFolder, is_made, write_light_folder

if TYPE_CHECKING:
    import open3d as o3d
    from numpy.typing import NDArray
    from procedural_scenes import Arrangement

    from relightnerf.geometry.raycast import CameraHits, RayScene

    SeenArrangement = tuple[Arrangement, Camera, RayScene, CameraHits]

FOV_DEG = (28.0, 75.0)
LEAST_KNOWN, LEAST_DISTANCE = 0.35, 0.12
TRIES = 60
SHEET_ROWS = 10
LIGHT_SAMPLES, AMBIENT_SAMPLES = 8, 32


@dataclass(frozen=True)
class Config:
    """What to make and where to put it."""

    output: Path
    """Folder of the set; scenes go to `<output>/<split>/<index>`."""
    scenes: int = 1000
    """Number of scenes."""
    lights: int = 5
    """Canonical lights a scene: half of them anywhere above the ground, half of the reference's 18."""
    environments: int = 1
    """Environments a scene."""
    size: str = "96x96"
    """Width and height of the pictures, pixels."""
    samples: int = 8
    """Light paths a pixel; 64 for clean pictures."""
    seed: int = 0
    """Another seed gives another set."""
    first: int = 0
    """Index of the first scene."""
    split: Literal["train", "validation", "test"] = "train"
    """The splits have nothing in common, at any seed."""
    workers: int = 1
    """Processes that work at the same time, each on one core."""
    sheet: Path | None = None
    """Also write a picture of the first scenes and their layers."""
    meshes: bool = False
    """Also write each scene's `mesh.ply`, in the camera's frame."""


def scene_folder(config: Config, index: int) -> Path:
    """Where scene `index` lies."""
    return config.output / config.split / f"{index:06d}"


def describe(config: Config) -> str:
    """What the scenes of a set have in common, for their `source`."""
    width, height = parse_size(config.size, "--size")
    counts = f"{config.samples} samples, {config.lights} lights, {config.environments} environments"
    return f"render_procedural: seed {config.seed}, {config.split}, {width}x{height}, {counts}"


def make_scene(config: Config, index: int, seen: SeenArrangement, rng: np.random.Generator) -> None:
    """Light, render and write one scene."""
    from procedural_renderer import Renderer
    from procedural_scenes import random_environment, random_lights

    from relightnerf.geometry.cue import ViewCues
    from relightnerf.geometry.views import View

    arrangement, camera, rays, hits = seen
    lights = random_lights(rng, config.lights, camera.camera_to_world)
    renderer = Renderer(arrangement, camera, config.samples, seed=index)
    discs = [renderer.disc(direction) for direction in lights.values()]
    layers = {"ambient": renderer.ambient()}
    for number in range(config.environments):
        layers[f"environment_{number}"] = renderer.environment(random_environment(rng))
    view = View(camera, np.zeros((*hits.depth.shape, 3), np.float32), hits.depth, hits.normal_camera)
    cues = ViewCues(view, rays, LIGHT_SAMPLES, AMBIENT_SAMPLES)
    directions = np.array(list(lights.values()))
    if config.meshes:
        _write_mesh(scene_folder(config, index) / "mesh.ply", rays.mesh, camera)
    write_light_folder(
        scene_folder(config, index),
        discs,
        LightSet("camera", tuple(lights), directions @ camera.camera_to_world[:3, :3]),
        depth=hits.depth,
        normal=hits.normal_camera.astype(np.float16),
        visibility=list(cues.visibility(directions)),
        fov_deg=float(np.rad2deg(2 * np.arctan(camera.width / 2 / camera.intrinsics[0]))),
        mask=binary_erosion(hits.depth > 0, np.ones((3, 3)), border_value=1),
        source=describe(config),
        layers=layers,
        ambient_visibility=cues.ambient,
        albedo=renderer.albedo,
    )


def add_inexact_geometry(config: Config, index: int, seen: SeenArrangement) -> None:
    """Write what a fitted field would have for scene `index`'s geometry beside the true one."""
    from procedural_shapes import SPLITS

    from relightnerf.geometry.cue import ViewCues
    from relightnerf.geometry.views import View
    from relightnerf.training.benchmark.field_geometry import field_like

    scene = LightFolder.load(scene_folder(config, index))
    _, camera, rays, hits = seen
    true = View(camera, np.zeros((*hits.depth.shape, 3), np.float32), hits.depth, hits.normal_camera)
    view, rays = field_like(true, rays, np.random.default_rng([config.seed, SPLITS.index(config.split), index, 13]))
    cues = ViewCues(view, rays, LIGHT_SAMPLES, AMBIENT_SAMPLES)
    with atomic_path(scene.folder / INEXACT) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            depth=view.depth,
            normal=view.normal_camera.astype(np.float16),
            ambient_visibility=to_uint8(cues.ambient),
            visibility=to_uint8(cues.visibility(scene.lights.directions_world(camera.camera_to_world))),
        )


def _write_mesh(path: Path, mesh: o3d.geometry.TriangleMesh, camera: Camera) -> None:
    import open3d as o3d

    path.parent.mkdir(parents=True, exist_ok=True)
    o3d.io.write_triangle_mesh(
        str(path), o3d.geometry.TriangleMesh(mesh).transform(np.linalg.inv(camera.camera_to_world))
    )


def _seen_arrangement(config: Config, rng: np.random.Generator) -> SeenArrangement:
    """Draw arrangements and cameras until a picture shows enough of a scene, and nothing too close."""
    from procedural_renderer import ray_scene
    from procedural_scenes import random_arrangement, random_pose

    width, height = parse_size(config.size, "--size")
    for _ in range(TRIES):
        arrangement = random_arrangement(rng, config.split)
        fov_rad = np.deg2rad(rng.uniform(*FOV_DEG))
        focal = width / 2 / np.tan(fov_rad / 2)
        pose = random_pose(rng, arrangement, np.arctan(min(width, height) / 2 / focal))
        camera = Camera("camera", pose, np.array([focal, focal, width / 2, height / 2]), width, height)
        rays = ray_scene(arrangement)
        hits = rays.camera_hits(camera)
        known = hits.depth > 0
        if known.mean() > LEAST_KNOWN and hits.depth[known].min() > LEAST_DISTANCE * arrangement.reach:
            return arrangement, camera, rays, hits
    raise RuntimeError(f"scene of seed {config.seed}: no usable camera in {TRIES} tries")


def _make(task: tuple[Config, int]) -> None:
    from procedural_shapes import SPLITS

    config, index = task
    rng = np.random.default_rng([config.seed, SPLITS.index(config.split), index, 11])
    seen = _seen_arrangement(config, rng)
    if not is_made(scene_folder(config, index), describe(config)):
        make_scene(config, index, seen, rng)
    add_inexact_geometry(config, index, seen)


def _is_done(config: Config, index: int) -> bool:
    return is_made(scene_folder(config, index), describe(config)) and (scene_folder(config, index) / INEXACT).is_file()


def main(config: Config) -> None:
    """Make the scenes that are not there yet."""
    if not _can_denoise():
        say("oidn cannot be loaded, so pictures stay noisy (see datasets/README.md): for tests only")
    wanted = range(config.first, config.first + config.scenes)
    tasks = [(config, index) for index in wanted if not _is_done(config, index)]
    done, start = config.scenes - len(tasks), time.perf_counter()
    with multiprocessing.get_context("spawn").Pool(config.workers, start_worker) as pool:
        for _ in track(pool.imap_unordered(_make, tasks), "scenes", config.scenes, done):
            pass
    minutes = (time.perf_counter() - start) / 60
    pictures = len(tasks) * (config.lights + config.environments + 1)
    speed = f"{pictures / minutes:.0f} pictures a minute" if tasks else "nothing to do"
    say(f"{config.output / config.split}: {len(tasks)} scenes made in {minutes:.1f} min, {done} were there; {speed}")
    if config.sheet:
        write_image(
            config.sheet, sheet([LightFolder.load(scene_folder(config, index)) for index in wanted[:SHEET_ROWS]])
        )


def _can_denoise() -> bool:
    try:
        import oidn  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def sheet(scenes: list[LightFolder]) -> NDArray[np.uint8]:
    """A row for each scene: two of its lights' discs, its ambient part, an environment, and its geometry."""
    names = (
        "a light",
        "another light",
        "ambient",
        "environment",
        "albedo",
        "depth",
        "normal",
        "visibility",
        "ambient_visibility",
    )
    pictures = []
    for scene in scenes:
        environment = scene.layer(scene.layers[0])
        layers = [scene.layer(name) for name in scene.lights.names[-2:]] + [4.0 * scene.layer("ambient")]
        layers += [0.2 * environment / max(environment.mean(), 1e-6), scene.albedo()]
        depth = normalized_depth(torch.from_numpy(scene.depth())).numpy()
        greys = [depth, scene.normal() / 2 + 0.5, scene.visibility(len(scene) - 1), scene.ambient_visibility()]
        greys = [np.broadcast_to(grey[..., None], (*grey.shape, 3)) if grey.ndim == 2 else grey for grey in greys]
        pictures += [to_uint8(picture) for picture in (*map(linear_to_srgb, layers), *greys)]
    return contact_sheet(pictures, list(names) * len(scenes), len(names))


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
