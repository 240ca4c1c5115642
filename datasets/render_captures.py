"""Render whole captures with their truth: photos under one light, held-out views under others, exact geometry.

    python datasets/render_captures.py --output data/captures --split test --seeds 1 2 3

Each capture is a folder `<output>/<split>/<kind>_<seed>` in the format of `datasets/demo`: `capture/` is what a person
would hand over, `truth/` is for `relightnerf evaluate --truth`. `geometry/` holds depth and normals of all views and
the mesh, `albedo/` the base colours, and `about.json` what was drawn. A capture depends on kind, seed, split and flags
only; those that are there are skipped. The splits share no seed, no mesh and no texture picture, and some kinds are in
no train split at all.

Needs what `render_procedural.py` needs.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import tyro
from procedural_workers import start_worker

from relightnerf.cameras import Camera, Cameras, content_of_cameras
from relightnerf.errors import InputError
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.files import atomic_path, read_json, write_json
from relightnerf.io.images import parse_size, read_image, write_image
from relightnerf.lights import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE, LightSet, save_lights
from relightnerf.progress import say, track

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from procedural_renderer import Renderer
    from procedural_scenes import Arrangement

    from relightnerf.geometry.raycast import RayScene

ABOUT = "about.json"
STREAM = 17
ARRANGEMENTS = 40
SHEET_PHOTOS = 5


@dataclass(frozen=True)
class Config:
    """What to make and where to put it."""

    output: Path
    """Folder of the set; captures go to `<output>/<split>/<kind>_<seed>`."""
    split: Literal["train", "validation", "test"] = "test"
    """The splits have nothing in common; statue, thin and clutter are in validation and test only."""
    kinds: tuple[str, ...] = ()
    """Kinds to make; by default all that the split has."""
    seeds: tuple[int, ...] = ()
    """Seeds of each kind; by default --count of them from --first."""
    first: int = 1
    """First seed if --seeds is not given."""
    count: int = 1
    """Number of seeds if --seeds is not given."""
    views: int = 30
    """Photos a capture."""
    size: str = "256x192"
    """Width and height of the pictures, pixels."""
    samples: int = 16
    """Light paths a pixel, before denoising."""
    workers: int = 1
    """Processes that work at the same time, each on one core."""
    sheet: Path | None = None
    """Also write a picture with a row for each capture: photos, held-out lights, albedo, normals."""


@dataclass(frozen=True)
class Plan:
    """What a capture shows, from where, and under which light."""

    arrangement: Arrangement
    rays: RayScene
    path: str
    photos: list[Camera]
    held_out: list[Camera]


def capture_folder(config: Config, kind: str, seed: int) -> Path:
    """Where a capture lies."""
    return config.output / config.split / f"{kind}_{seed:03d}"


def describe(config: Config, kind: str, seed: int) -> dict[str, Any]:
    """What a capture depends on."""
    keys = {"kind": kind, "seed": seed, "split": config.split}
    return {**keys, "views": config.views, "size": config.size, "samples": config.samples}


def make_capture(config: Config, kind: str, seed: int) -> None:
    """Draw, render and write one capture; its `about.json` comes last."""
    from capture_photos import LIGHTS, MAP_ROWS, draw_faults, draw_light, exposure, held_out_lights
    from capture_scenes import KINDS
    from demo_mitsuba import disc_bitmap
    from procedural_renderer import Renderer
    from procedural_shapes import SPLITS

    started, folder, number = time.perf_counter(), capture_folder(config, kind, seed), list(KINDS).index(kind)
    rng = np.random.default_rng([seed, SPLITS.index(config.split), number, STREAM])
    plan = draw_plan(config, kind, rng)
    light = draw_light(rng, LIGHTS[(number + seed) % len(LIGHTS)], plan.arrangement)
    faults, others = draw_faults(rng), held_out_lights(rng, light, plan.arrangement)
    renderer = Renderer(plan.arrangement, plan.photos[0], config.samples, seed, show_sky=True)
    own = disc_bitmap(light.radius_deg, light.irradiance, light.ambient, MAP_ROWS)
    pictures = [picture(renderer, plan, camera, folder, own, light.direction_world) for camera in plan.photos]
    factor = exposure(pictures)
    write_photos(folder / "capture", plan.photos, [factor * p for p in pictures], faults, rng)
    canonical = disc_bitmap(DISC_RADIUS_DEG, IRRADIANCE, AMBIENT_RADIANCE, MAP_ROWS)
    for camera in plan.held_out:
        clean = factor * picture(renderer, plan, camera, folder, own, light.direction_world)
        write_image(folder / "truth" / f"{camera.name}__capture.png", srgb8(clean))
        for name, direction in others.items():
            write_image(folder / "truth" / f"{camera.name}__{name}.png", srgb8(renderer.lit(canonical, direction)))
    write_truth(folder / "truth", plan.held_out, others)
    shown = {"radius_deg": light.radius_deg, "irradiance": factor * light.irradiance, "ambient": factor * light.ambient}
    towards = {"frame": "world", "direction": light.direction_world.tolist()}
    write_json(folder / "truth" / "capture_light.json", {**towards, **shown, "kind": light.kind})
    write_mesh(folder / "geometry" / "mesh.ply", plan.rays)
    drawn = {"light": light.kind, "path": plan.path, "faults": asdict(faults), "exposure": factor}
    seconds = {"seconds": round(time.perf_counter() - started, 1)}
    write_json(folder / ABOUT, {**describe(config, kind, seed), **drawn, **seconds})


def draw_plan(config: Config, kind: str, rng: np.random.Generator) -> Plan:
    """Draw arrangements until one has room for all cameras."""
    from capture_cameras import NoRoom, draw_cameras
    from capture_scenes import KINDS
    from procedural_renderer import ray_scene

    for _ in range(ARRANGEMENTS):
        arrangement = KINDS[kind].build(rng, config.split)
        rays, paths = ray_scene(arrangement), KINDS[kind].paths
        if arrangement.azimuths_deg[1] - arrangement.azimuths_deg[0] < 300.0:
            paths = tuple(path for path in paths if path in ("arc", "handheld"))
        path = str(rng.choice(paths))
        try:
            size = parse_size(config.size, "--size")
            photos, held_out = draw_cameras(rng, arrangement, rays, path, config.views, size)
        except NoRoom:
            continue
        return Plan(arrangement, rays, path, photos, held_out)
    raise RuntimeError(f"{kind}: no arrangement has room for {config.views} cameras")


def picture(
    renderer: Renderer, plan: Plan, camera: Camera, folder: Path, radiance: NDArray[np.float32], direction: NDArray[Any]
) -> NDArray[np.float32]:
    """Write a view's geometry and albedo; return its linear picture under a light map turned to a direction."""
    index = [c.name for c in (*plan.photos, *plan.held_out)].index(camera.name)
    renderer.look_from(camera, index)
    hits = plan.rays.camera_hits(camera)
    for kind, values in (("depth", hits.depth), ("normal", hits.normal_camera.astype(np.float16))):
        path = folder / "geometry" / kind / f"{camera.name}.npy"
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.save(file, values)
    write_image(folder / "albedo" / f"{camera.name}.png", srgb8(renderer.albedo))
    return renderer.lit(radiance, direction)


def write_photos(folder: Path, cameras: list[Camera], pictures: list, faults: Any, rng: np.random.Generator) -> None:
    """Write the photos as the camera stores them, and `transforms.json`."""
    from capture_photos import photo

    suffix = "png" if faults.quality is None else "jpg"
    for camera, linear in zip(cameras, pictures, strict=True):
        with atomic_path(folder / "images" / f"{camera.name}.{suffix}") as temporary:
            temporary.write_bytes(photo(rng, linear, faults))
    write_json(folder / "transforms.json", transforms(cameras, "images/", suffix))


def transforms(cameras: list[Camera], prefix: str, suffix: str) -> dict[str, Any]:
    """Cameras in the nerfstudio format, with pictures `<prefix><name>.<suffix>`."""
    content = content_of_cameras(Cameras.stack(cameras))
    for frame, camera in zip(content["frames"], cameras, strict=True):
        frame["file_path"] = f"{prefix}{camera.name}.{suffix}"
    return content


def write_truth(folder: Path, cameras: list[Camera], lights: dict[str, Any]) -> None:
    """Write the held-out cameras and lights."""
    write_json(folder / "transforms.json", transforms(cameras, "", "png"))
    save_lights(folder / "lights.json", LightSet("world", tuple(lights), np.array(list(lights.values()))))


def write_mesh(path: Path, rays: RayScene) -> None:
    """Write the whole geometry, world frame."""
    import open3d as o3d

    with atomic_path(path) as temporary:
        o3d.io.write_triangle_mesh(str(temporary), rays.mesh)


def srgb8(linear: NDArray[np.float32]) -> NDArray[np.uint8]:
    """8-bit sRGB of linear values, clipped to 0..1."""
    return to_uint8(linear_to_srgb(np.clip(linear, 0.0, 1.0)))


def is_made(config: Config, kind: str, seed: int) -> bool:
    """Say whether a capture is complete.

    Raises:
        InputError: it was made with other flags.
    """
    path = capture_folder(config, kind, seed) / ABOUT
    if not path.is_file():
        return False
    made = read_json(path)
    if any(made.get(key) != value for key, value in describe(config, kind, seed).items()):
        raise InputError(f"{path.parent}: was made with other flags", "give another --output, or remove it")
    return True


def wanted(config: Config) -> list[tuple[str, int]]:
    """The kinds and seeds to make, all kinds of a seed before the next seed.

    Raises:
        InputError: the split has no such kind.
    """
    from capture_scenes import KINDS

    usable = [name for name, kind in KINDS.items() if config.split != "train" or not kind.unseen]
    for kind in config.kinds:
        if kind not in usable:
            raise InputError(f"--kinds {kind}: not in the split {config.split}", f"give some of {', '.join(usable)}")
    seeds = config.seeds or tuple(range(config.first, config.first + config.count))
    return [(kind, seed) for seed in seeds for kind in config.kinds or usable]


def _make(task: tuple[Config, str, int]) -> None:
    make_capture(*task)


def main(config: Config) -> None:
    """Make the captures that are not there yet."""
    every = wanted(config)
    tasks = [(config, kind, seed) for kind, seed in every if not is_made(config, kind, seed)]
    with multiprocessing.get_context("spawn").Pool(config.workers, start_worker) as pool:
        for _ in track(pool.imap_unordered(_make, tasks), "captures", len(every), len(every) - len(tasks)):
            pass
    say(f"{config.output / config.split}: {len(tasks)} captures made, {len(every) - len(tasks)} were there")
    if config.sheet:
        write_image(config.sheet, sheet([capture_folder(config, kind, seed) for kind, seed in every]))


def sheet(folders: list[Path]) -> NDArray[np.uint8]:
    """A row for each capture: photos, a held-out view under all lights, its albedo and its normals."""
    pictures, labels = [], []
    for folder in folders:
        photos = sorted((folder / "capture" / "images").iterdir())
        views = sorted((folder / "truth").glob("*_0__*.png"))
        chosen = [photos[i] for i in np.linspace(0, len(photos) - 1, SHEET_PHOTOS).astype(int)]
        paths = [*chosen, *views, folder / "albedo" / f"{views[0].name.split('__')[0]}.png"]
        normal = np.load(folder / "geometry" / "normal" / f"{views[0].name.split('__')[0]}.npy").astype(np.float32)
        pictures += [*(read_image(path) for path in paths), to_uint8(normal / 2 + 0.5)]
        labels += [f"{folder.name}: {path.stem}" for path in paths] + ["normals"]
    return contact_sheet(pictures, labels, len(pictures) // len(folders))


if __name__ == "__main__":
    try:
        main(tyro.cli(Config, description=__doc__))
    except InputError as error:
        raise SystemExit(f"error: {error}") from None
