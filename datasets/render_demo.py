"""Render the demo capture: photos under one light, and path-traced truth under held-out lights.

    python datasets/render_demo.py --output datasets/demo --seed 4 --spp 64

With `--lights 12`, each photo is also rendered under random lights of its own, into `multi/`: what a perfect 2D
relighter would give. With `--environments`, the truth also shows the scene under two environment maps.

Needs `mitsuba`, `scipy`, `scikit-image`, `pillow` and `tyro`. Optional: PyPI `oidn` with Debian
`libtbb12` denoises, Debian `libllvm19` makes it many times faster.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import demo_mitsuba as dm
import numpy as np
import tyro
from demo_mitsuba import Camera, Float32, unit_from_angles
from demo_shapes import Array
from numpy.typing import NDArray
from PIL import Image

ENVIRONMENTS = ("sunset", "studio")
LINEAR_KNEE = 0.0031308  # below it sRGB is a straight line


@dataclass(frozen=True)
class Config:
    """What to render and where to put it."""

    output: Path = Path("datasets/demo")
    """Folder that gets `capture/` and `truth/` (and `depth/`, `normal/`, `albedo/`)."""
    seed: int = 4
    """Changes the objects, the textures, the camera jitter and the capture light."""
    width: int = 256
    """Image width in pixels."""
    height: int = 192
    """Image height in pixels."""
    views: int = 30
    """Number of photos in the capture, shared between two rings."""
    spp: int = 64
    """Light paths per pixel (64 is clean with `oidn`; without it take 512 or more)."""
    lights: int = 0
    """Random lights under which each photo is rendered, too."""
    light_frame: Literal["world", "camera"] = "camera"
    """camera: the random lights turn with the camera, so that each photo has directions of its own."""
    environments: bool = False
    """Also render the held-out cameras under two environment maps."""
    geometry: bool = False
    """Also write depth (world units), camera-frame normals and albedo of all views."""
    check: bool = False
    """Only check the brightness and direction of the canonical light, then stop."""


def look_at(position: Array, target: Array, roll_deg: float) -> Array:
    """Camera-to-world pose (4, 4) at `position`, looking at `target` (world, z up), rolled."""
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    c, s = np.cos(np.deg2rad(roll_deg)), np.sin(np.deg2rad(roll_deg))
    up = np.cross(back, right)
    pose = np.eye(4)
    pose[:3] = np.stack([c * right + s * up, c * up - s * right, back, position], axis=1)
    return pose


def walk_around(config: Config) -> tuple[list[Camera], list[Camera]]:
    """Place the capture's cameras (two rings, hand-held) and five held-out cameras between them."""
    rng = np.random.default_rng([config.seed, 3])
    views = config.views
    low = (views + 1) // 2

    def shot(name: str, azimuth_deg: float, elevation_deg: float, shake: float) -> Camera:
        distance = 3.0 + shake * rng.uniform(-0.15, 0.15)
        offset = shake * rng.normal(size=2) * 2.0
        position = distance * unit_from_angles(azimuth_deg + offset[0], elevation_deg + offset[1])
        target = np.array([0.0, 0.0, 0.25]) + shake * rng.uniform(-0.07, 0.07, 3)
        pose = look_at(position + [0, 0, 0.2], target, shake * rng.uniform(-2.5, 2.5))
        return Camera(name, pose, config.width, config.height)

    capture = [shot(f"view_{i:03d}", 360 * i / low, 25.0, 1.0) for i in range(low)]
    for i in range(views - low):
        azimuth_deg = 360 * (i + 0.5) / max(1, views - low)
        capture.append(shot(f"view_{low + i:03d}", azimuth_deg, 50.0, 1.0))
    elevations_deg = (31.0, 44.0, 37.0, 27.0, 48.0)
    held_out = [shot(f"heldout_{i}", 72 * i + 42.0, e, 0.5) for i, e in enumerate(elevations_deg)]
    return capture, held_out


def choose_lights(seed: int) -> tuple[Array, dict[str, Array]]:
    """Direction (3,) of the capture's light and eight held-out directions by name (world frame)."""
    rng = np.random.default_rng([seed, 4])
    azimuth_deg = rng.uniform(0, 360)
    capture = unit_from_angles(azimuth_deg, rng.uniform(46, 54))
    elevations_deg = np.linspace(22, 78, 8)[rng.permutation(8)]
    azimuths_deg = azimuth_deg + 22.5 + 45 * np.arange(8) + rng.uniform(-12, 12, 8)
    pairs = zip(azimuths_deg, elevations_deg, strict=True)
    return capture, {f"light_{i}": unit_from_angles(a, e) for i, (a, e) in enumerate(pairs)}


def random_lights(config: Config, capture: list[Camera]) -> Array:
    """Unit directions (lights, 3) in `config.light_frame`, at least 10 degrees above the ground for every photo."""
    rng = np.random.default_rng([config.seed, 5])
    poses = np.array([camera.pose[:3, :3] for camera in capture])
    turns = poses if config.light_frame == "camera" else np.eye(3)[None]
    chosen: list[Array] = []
    while len(chosen) < config.lights:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        if ((turns @ direction)[:, 2] > np.sin(np.deg2rad(10.0))).all():
            chosen.append(direction)
    return np.array(chosen)


def environment_map(name: str, height: int = 256) -> Float32:
    """Radiance (height, 2 height, 3) as seen from inside: the middle is +x, its right is -y, the top row is +z.

    `sunset` is a low warm sun in a blue sky, `studio` two coloured lamps in a dim room.
    """
    elevation = np.deg2rad(90.0 - (np.arange(height) + 0.5) * 180.0 / height)[:, None]
    azimuth = np.deg2rad(180.0 - (np.arange(2 * height) + 0.5) * 180.0 / height)[None]
    flat = np.cos(elevation)
    rays = np.stack(np.broadcast_arrays(flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)), axis=-1)

    def lamp(azimuth_deg: float, elevation_deg: float, radius_deg: float, colour: tuple[float, float, float]) -> Array:
        angle_deg = np.rad2deg(np.arccos(np.clip(rays @ unit_from_angles(azimuth_deg, elevation_deg), -1.0, 1.0)))
        inside = np.clip(radius_deg - angle_deg + 0.5, 0.0, 1.0)[..., None]
        return inside * np.array(colour) / (np.pi * np.sin(np.deg2rad(radius_deg)) ** 2)

    if name == "sunset":
        sky = np.exp(-2.0 * np.clip(rays[..., 2:], 0.0, 1.0)) * np.array([0.30, 0.27, 0.30]) + np.array(
            [0.02, 0.06, 0.14]
        )
        return (sky * (rays[..., 2:] > 0) + 0.03 + lamp(35.0, 24.0, 4.0, (1.9, 1.2, 0.6))).astype(np.float32)
    lamps = lamp(-110.0, 50.0, 18.0, (0.5, 0.7, 1.2)) + lamp(70.0, 32.0, 12.0, (1.1, 0.6, 0.45))
    return (0.05 + lamps).astype(np.float32)


def srgb8(linear: Float32) -> NDArray[np.uint8]:
    """8-bit sRGB of linear values, clipped to 0..1."""
    value = np.clip(linear, 0.0, 1.0)
    encoded = np.where(value <= LINEAR_KNEE, 12.92 * value, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.round(255 * encoded).astype(np.uint8)


def save_png(path: Path, linear: Float32) -> None:
    """Write a linear image (h, w, 3) as a small 8-bit sRGB PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(srgb8(linear)).save(path, optimize=True)


def save_json(path: Path, value: dict[str, Any]) -> None:
    """Write indented JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def save_transforms(path: Path, cameras: list[Camera], folder: str) -> None:
    """Write cameras of one size in the nerfstudio format."""
    one = cameras[0]
    lens = {"camera_model": "OPENCV", "fl_x": one.focal, "fl_y": one.focal}
    size = {"cx": one.width / 2, "cy": one.height / 2, "w": one.width, "h": one.height}
    undistorted = {"k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}
    frames = [
        {"file_path": f"{folder}{camera.name}.png", "transform_matrix": camera.pose.tolist()} for camera in cameras
    ]
    save_json(path, {**lens, **size, **undistorted, "frames": frames})


def save_lights(folder: Path, capture_light: Array, lights: dict[str, Array]) -> None:
    """Write the capture's light and the held-out lights, apart from one another."""
    rows = [{"name": name, "direction": direction.tolist()} for name, direction in lights.items()]
    save_json(folder / "lights.json", {"frame": "world", "lights": rows})
    capture = {"frame": "world", "direction": capture_light.tolist()}
    save_json(folder / "capture_light.json", capture)


def save_multi(scene: Any, config: Config, capture: list[Camera]) -> None:
    """Write every photo under its random lights, and their directions."""
    folder, directions = config.output / "multi", random_lights(config, capture)
    rows = [{"name": f"light_{i:02d}", "direction": direction.tolist()} for i, direction in enumerate(directions)]
    save_json(folder / "lights.json", {"frame": config.light_frame, "lights": rows})
    for camera in capture:
        features = dm.render_features(scene, camera, config.spp)
        turn = camera.pose[:3, :3] if config.light_frame == "camera" else np.eye(3)
        for row, direction in zip(rows, directions, strict=True):
            dm.set_light(scene, turn @ direction)
            image = dm.denoised(dm.render(scene, camera, config.spp), features)
            save_png(folder / f"{camera.name}__{row['name']}.png", image)


def save_environments(scene: Any, config: Config, held_out: list[Camera]) -> None:
    """Write the environment maps and the held-out cameras under each of them."""
    folder = config.output / "environments"
    save_transforms(folder / "transforms.json", held_out, "")
    features = {camera.name: dm.render_features(scene, camera, config.spp) for camera in held_out}
    for name in ENVIRONMENTS:
        radiance = environment_map(name)
        dm.write_map(folder / f"{name}.exr", radiance)
        dm.set_environment(scene, radiance)
        for camera in held_out:
            picture = dm.denoised(dm.render(scene, camera, config.spp), features[camera.name])
            save_png(folder / f"{camera.name}__{name}.png", picture)


def save_geometry(scene: Any, folder: Path, camera: Camera) -> None:
    """Write `depth/<view>.npy` and `normal/<view>.npy` of one view."""
    for kind, values in dm.cast_geometry(scene, camera).items():
        (folder / kind).mkdir(parents=True, exist_ok=True)
        np.save(folder / kind / f"{camera.name}.npy", values)


def render_all(config: Config) -> None:
    """Render the capture, the truth and, if asked for, the geometry."""
    scene = dm.build_scene(config.seed)
    capture, held_out = walk_around(config)
    capture_light, lights = choose_lights(config.seed)
    photos, truth = config.output / "capture", config.output / "truth"
    save_transforms(photos / "transforms.json", capture, "images/")
    save_transforms(truth / "transforms.json", held_out, "")
    save_lights(truth, capture_light, lights)
    targets = {camera.name: {photos / f"images/{camera.name}.png": capture_light} for camera in capture}
    for camera in held_out:
        every = {"capture": capture_light, **lights}
        targets[camera.name] = {truth / f"{camera.name}__{name}.png": every[name] for name in every}
    for camera in [*capture, *held_out]:
        features = dm.render_features(scene, camera, config.spp)
        for path, direction in targets[camera.name].items():
            dm.set_light(scene, direction)
            save_png(path, dm.denoised(dm.render(scene, camera, config.spp), features))
        if config.geometry:
            save_geometry(scene, config.output, camera)
            save_png(config.output / "albedo" / f"{camera.name}.png", features[..., :3])
    if config.lights:
        save_multi(scene, config, capture)
    if config.environments:
        save_environments(scene, config, held_out)


def main(config: Config) -> None:
    """Render everything that `config` asks for, or only check the light."""
    start, variant = time.time(), dm.pick_variant()
    if config.check:
        return dm.check_light()
    if config.geometry and variant == "scalar_rgb":
        raise SystemExit("--geometry needs Mitsuba's llvm variant: install libllvm19")
    render_all(config)
    print(f"{variant}: {time.time() - start:.0f} s, {config.output}")


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))
