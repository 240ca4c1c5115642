"""Render samples for the depth network: photos, matching costs, true depth and normals of procedural scenes.

    python datasets/render_depth_samples.py --output data/depth --scenes 2000 --workers 2
    python datasets/render_depth_samples.py --output data/depth --split validation --scenes 40

Each scene is seen by seven cameras under one random light. It gives six samples: two of the views, each searched in
three ranges of depth. A scene is one file, and depends on seed, split and its index only; those that are there are
skipped. Shading is ray-cast (`fast_shading.py`), not path-traced, which makes it about fifty times as fast.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import tyro
from fast_shading import Lit, plain_arrangement, random_light
from numpy.typing import NDArray
from procedural_scenes import Arrangement, random_arrangement, random_pose
from procedural_shapes import SPLITS
from scipy import ndimage

from relightnerf.cameras import Camera
from relightnerf.cameras.paths import look_at
from relightnerf.depth_prior import COST_STEPS, matching_costs, packed_costs
from relightnerf.geometry.stereo import StereoView
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.io.files import atomic_path
from relightnerf.progress import say, track

Rng = np.random.Generator
Array = NDArray[np.float64]
SIZE = (128, 96)
VIEWS = 7
FOV_DEG = (28.0, 75.0)
TRIES = 80
NEIGHBOUR_DEG = 22.0
RANGES = ((0.5, 1.1), (0.12, 0.5), (0.025, 0.12))


@dataclass(frozen=True)
class Config:
    """What to make and where to put it."""

    output: Path
    """Folder of the set; scenes go to `<output>/<split>/<index>.npz`."""
    scenes: int = 2000
    """Number of scenes."""
    first: int = 0
    """Index of the first scene."""
    split: Literal["train", "validation", "test"] = "train"
    """The splits share no seed, mesh or packaged texture."""
    seed: int = 0
    """Another seed gives another set."""
    workers: int = 1
    """Processes that work at the same time, each on one core."""


def scene_file(config: Config, index: int) -> Path:
    """Where scene `index` lies."""
    return config.output / config.split / f"{index:06d}.npz"


def make_scene(config: Config, index: int) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of one scene's samples, stacked."""
    rng = np.random.default_rng([config.seed, SPLITS.index(config.split), index, 17])
    lit, cameras = _seen(rng, config.split)
    # Each view at twice the size: `fine` for close-ups, its means for whole views.
    fine = [lit.view(camera.resampled(2 * SIZE[0], 2 * SIZE[1]), rng) for camera in cameras]
    fault, drift = _random_fault(rng), rng.uniform(0.0, 0.12) * (rng.random() < 0.4)
    gains = np.exp(rng.normal(0.0, drift, len(cameras)))
    gain = lit.exposure([picture.linear for picture in fine], rng)
    whole = [
        StereoView(camera, fault.photo(_halved(picture.linear) * gain * g, rng), np.zeros(SIZE[::-1]))
        for camera, picture, g in zip(cameras, fine, gains, strict=True)
    ]
    close = [
        StereoView(picture.camera, fault.photo(picture.linear * gain * g, rng), np.zeros_like(picture.depth))
        for picture, g in zip(fine, gains, strict=True)
    ]
    samples = []
    for number in (0, 1):
        true = lit.geometry(cameras[number])
        for span in RANGES:
            reach = float(np.exp(rng.uniform(*np.log(span))))
            coarse = span is RANGES[0]
            if not coarse and rng.random() < 0.4:
                camera, picture = _cropped(fine[number].camera, rng)
                views = [replace(close[number], camera=camera, image=close[number].image[picture]), *close]
                del views[number + 1]
                samples.append(_sample(views, lit.geometry(camera), reach, coarse, rng))
            else:
                views = [whole[number], *(view for i, view in enumerate(whole) if i != number)]
                samples.append(_sample(views, true, reach, coarse, rng))
    return {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}


def _sample(
    views: list[StereoView],
    true: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]],
    reach: float,
    coarse: bool,
    rng: Rng,
) -> dict[str, NDArray[np.generic]]:
    depth, normal, item = true
    start = _constant_start(depth, rng) if coarse else _spoiled(depth, item, reach, rng)
    own, others = views[0], views[1 : 1 + int(rng.integers(2, VIEWS))]
    costs = matching_costs(own, others, start, reach)
    rays = own.camera.rays_camera()
    return {
        "photo": own.image,
        "slopes": rays[..., :2].astype(np.float16),
        "start": start.astype(np.float32),
        "reach": np.float32(reach),
        "costs": packed_costs(costs),
        "depth": depth.astype(np.float32),
        "normal": np.round(127 * normal).astype(np.int8),
        "up": own.camera.camera_to_world[2, :3].astype(np.float32),
    }


def _constant_start(depth: NDArray[np.float32], rng: Rng) -> NDArray[np.float64]:
    """The depth of what is looked at, about: ground and walls that fill the picture may lie far behind it."""
    middle = float(np.quantile(depth[depth > 0], rng.choice([0.5, rng.uniform(0.05, 0.6)])))
    return np.full(depth.shape, middle * np.exp(rng.normal(0.0, 0.15)))


def _spoiled(depth: NDArray[np.float32], item: NDArray[np.int64], reach: float, rng: Rng) -> NDArray[np.float64]:
    """True depth with errors of the size that a search with this reach has to mend.

    Bumps of all sizes, things that are shifted as a whole, and edges and things that are smoothed away.
    """
    known = depth > 0
    # Beyond everything there is some backdrop, where a field would put one.
    far = float(depth.max()) * rng.uniform(1.0, 2.5)
    logs = np.log(np.where(known, depth, far))
    error = np.zeros(depth.shape)
    for sigma in (2.0, 4.0, 8.0, 16.0):
        bumps = ndimage.gaussian_filter(rng.standard_normal(depth.shape), sigma, mode="wrap")
        error += rng.uniform(0.0, 0.25) * bumps / bumps.std()
    things = rng.normal(0.0, 0.35, item.max() + 2) * (rng.random(item.max() + 2) < rng.uniform(0.0, 0.7))
    error += ndimage.gaussian_filter(things[item], rng.uniform(0.3, 2.0))
    error += _far_off(item, rng)
    smooth = ndimage.gaussian_filter(logs, np.exp(rng.uniform(np.log(0.5), np.log(8.0))))
    blurred = np.clip(smooth - logs, -1.2 * reach, 1.2 * reach) * (rng.random() < 0.7)
    return np.exp(logs + reach * error * rng.uniform(0.1, 1.0) + blurred + rng.normal(0.0, 0.1 * reach))


def _far_off(item: NDArray[np.int64], rng: Rng) -> NDArray[np.float64]:
    """Errors that no search of this reach can mend, in units of the reach: its expected error should say so.

    A field puts large plain things anywhere, mostly in front of the true place.
    """
    count = item.max() + 2
    size = np.exp(rng.uniform(np.log(1.5), np.log(12.0), count)) * np.where(rng.random(count) < 0.75, -1.0, 1.0)
    things = size * (rng.random(count) < 0.3) * (rng.random() < 0.4)
    bumps = ndimage.gaussian_filter(rng.standard_normal(item.shape), 12.0, mode="wrap")
    return ndimage.gaussian_filter(things[item] * (1.0 + 0.3 * bumps / bumps.std()), 1.0)


def _cropped(camera: Camera, rng: Rng) -> tuple[Camera, tuple[slice, slice]]:
    """Return a part of the picture of `SIZE`, and the camera that sees it."""
    left, top = (int(rng.integers(0, side + 1)) for side in SIZE)
    fx, fy, cx, cy = camera.intrinsics
    part = replace(camera, intrinsics=np.array([fx, fy, cx - left, cy - top]), width=SIZE[0], height=SIZE[1])
    return part, (slice(top, top + SIZE[1]), slice(left, left + SIZE[0]))


def _seen(rng: Rng, split: str) -> tuple[Lit, list[Camera]]:
    """Draw a scene and cameras around one another, until the first two see enough of it."""
    for _ in range(TRIES):
        arrangement = plain_arrangement(random_arrangement(rng, split), rng)
        lit = Lit(arrangement, random_light(rng))
        cameras = _random_cameras(arrangement, rng)
        depths = [lit.geometry(camera)[0] for camera in cameras]
        enough = all((depth > 0).mean() > 0.4 for depth in depths[:2])
        if enough and all(depth[depth > 0].min(initial=9) > 0.12 * arrangement.reach for depth in depths):
            return lit, cameras
    raise RuntimeError(f"no usable cameras in {TRIES} tries")


def _random_cameras(arrangement: Arrangement, rng: Rng) -> list[Camera]:
    fov_rad = np.deg2rad(rng.uniform(*FOV_DEG))
    focal = SIZE[0] / 2 / np.tan(fov_rad / 2)
    first = random_pose(rng, arrangement, np.arctan(min(SIZE) / 2 / focal))
    spread = NEIGHBOUR_DEG * rng.uniform(0.4, 1.2)
    poses = [first, *(_beside(first, arrangement, spread, rng) for _ in range(VIEWS - 1))]
    intrinsics = np.array([focal, focal, SIZE[0] / 2, SIZE[1] / 2])
    return [Camera(f"view_{i}", pose, intrinsics, *SIZE) for i, pose in enumerate(poses)]


def _beside(pose: Array, arrangement: Arrangement, spread_deg: float, rng: Rng) -> Array:
    """Return a pose that was walked around the target by about `spread_deg`, and looks near it."""
    target = arrangement.target
    away = pose[:3, 3] - target
    turn, lift = np.deg2rad(rng.normal(0.0, spread_deg)), np.deg2rad(rng.normal(0.0, 0.4 * spread_deg))
    radius, azimuth = np.linalg.norm(away), np.arctan2(away[1], away[0]) + turn
    elevation = np.clip(np.arcsin(away[2] / radius) + lift, np.deg2rad(-5), np.deg2rad(80))
    flat = np.cos(elevation)
    direction = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    position = target + direction * radius * rng.uniform(0.9, 1.1)
    return look_at(position, target + rng.normal(0.0, 0.12, 3) * arrangement.reach, (0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Fault:
    """What a camera does to a picture: blur in pixels, noise, and JPEG's quality (0: none)."""

    blur: float
    read_noise: float
    shot_noise: float
    quality: int

    def photo(self, linear: NDArray[np.float32], rng: Rng) -> NDArray[np.uint8]:
        """8-bit sRGB photo (height, width, 3) of linear values."""
        if self.blur:
            linear = cv2.GaussianBlur(linear, (0, 0), self.blur)
        sigma = np.sqrt(self.read_noise**2 + self.shot_noise**2 * np.maximum(linear, 0.0))
        picture = to_uint8(linear_to_srgb(linear + sigma * rng.standard_normal(linear.shape)))
        if not self.quality:
            return picture
        _, coded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])
        return np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1])


def _random_fault(rng: Rng) -> Fault:
    blur = rng.uniform(0.3, 0.9) if rng.random() < 0.5 else 0.0
    noise = rng.uniform(0.0, 1.0) * (rng.random() < 0.7)
    return Fault(blur, 0.006 * noise, 0.03 * noise, int(rng.integers(75, 96)) if rng.random() < 0.4 else 0)


def _halved(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    return cv2.resize(linear, SIZE, interpolation=cv2.INTER_AREA)


def _make(task: tuple[Config, int]) -> None:
    config, index = task
    cv2.setNumThreads(1)
    path = scene_file(config, index)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = make_scene(config, index)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def main(config: Config) -> None:
    """Make the scenes that are not there yet."""
    wanted = range(config.first, config.first + config.scenes)
    tasks = [(config, index) for index in wanted if not scene_file(config, index).is_file()]
    with multiprocessing.get_context("spawn").Pool(config.workers) as pool:
        for _ in track(pool.imap_unordered(_make, tasks), "scenes", config.scenes, config.scenes - len(tasks)):
            pass
    say(f"{config.output / config.split}: {config.scenes} scenes, {len(tasks)} made now, {COST_STEPS} costs a pixel")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
