"""Mitsuba's side of the demo: the canonical light, the scene, and pictures of it."""

from __future__ import annotations

import glob
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np
from demo_scene import GROUND_HALF_SIZE, Item, build_items, ground_texture
from demo_shapes import Array
from numpy.typing import NDArray

IRRADIANCE = 2.2
LIGHT_RADIUS_DEG = 10.0
AMBIENT = 0.15
FOV_X_DEG = 50.0
MAX_DEPTH = 6
OLDEST_LLVM = 19  # older ones abort the whole process on code that Mitsuba 3.9 emits
ENVIRONMENT_TO_WORLD = np.array([[0.0, 0, 1, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # from z ahead, y up
Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """A named pinhole camera of horizontal field of view `FOV_X_DEG`, in pixels `width`, `height`.

    `pose` (4, 4) is OpenGL camera-to-world: x right, y up, looking along -z.
    """

    name: str
    pose: Array
    width: int
    height: int

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return float(self.width / 2 / np.tan(np.deg2rad(FOV_X_DEG / 2)))


def pick_variant() -> str:
    """Set Mitsuba's variant: `llvm_ad_rgb` if a recent LLVM is here, else `scalar_rgb`."""
    if "DRJIT_LIBLLVM_PATH" not in os.environ:
        found = {
            int(match.group(1)): path
            for path in glob.glob("/usr/lib/*/libLLVM*") + glob.glob("/usr/lib/llvm-*/lib/libLLVM*")
            if (match := re.search(r"libLLVM(?:-|\.so\.)(\d+)", path))
        }
        if max(found, default=0) < OLDEST_LLVM:
            mi.set_variant("scalar_rgb")
            return "scalar_rgb"
        os.environ["DRJIT_LIBLLVM_PATH"] = found[max(found)]
    mi.set_variant("llvm_ad_rgb")
    return "llvm_ad_rgb"


def unit_from_angles(azimuth_deg: float, elevation_deg: float) -> Array:
    """World unit vector (3,) of an azimuth (from +x towards +y) and elevation above z = 0."""
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    flat = np.cos(elevation)
    return np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])


def disc_bitmap(radius_deg: float, irradiance: float, ambient: float, height: int) -> Float32:
    """Environment map (height, 2 height, 3) of a disc in its middle (+z), and of white ambient light.

    The disc's edge is antialiased and its radiance set so that the irradiance on a surface that
    faces it, ambient aside, is exactly `irradiance` (close to `irradiance` / (pi sin^2 radius)).
    """
    polar = (np.arange(height) + 0.5) / height * np.pi
    around = ((np.arange(2 * height) + 0.5) / (2 * height) - 0.5) * 2 * np.pi
    cosine = np.sin(polar)[:, None] * np.cos(around)[None]
    angle_deg = np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))
    cover = np.clip((radius_deg - angle_deg) / (180 / height) + 0.5, 0, 1)
    solid_angle = (np.pi / height) ** 2 * np.sin(polar)[:, None]
    radiance = irradiance / (cover * cosine * solid_angle).sum() * cover + ambient
    return np.repeat(radiance[..., None], 3, axis=-1).astype(np.float32)


def light_bitmap(height: int = 1024) -> Float32:
    """Environment map (height, 2 height, 3) of the canonical light, its disc in the middle (+z)."""
    return disc_bitmap(LIGHT_RADIUS_DEG, IRRADIANCE, AMBIENT, height)


def light_to_world(direction_world: Array) -> Any:
    """Mitsuba transform that turns the environment map's middle to `direction_world` (3,)."""
    side = np.cross(direction_world, np.eye(3)[np.argmin(np.abs(direction_world))])
    side /= np.linalg.norm(side)
    turn = np.eye(4)
    turn[:3, :3] = np.stack([side, np.cross(direction_world, side), direction_world], axis=1)
    return mi.ScalarTransform4f(turn)


def mitsuba_mesh(item: Item) -> Any:
    """Mitsuba shape of an item, its albedo stored as a vertex attribute."""
    colour = {"type": "mesh_attribute", "name": "vertex_color"}
    paint = {"type": "diffuse", "reflectance": colour}
    if item.glossy:
        paint = {"type": "principled", "base_color": colour, "roughness": 0.3, "specular": 0.6}
    props = mi.Properties()
    props["bsdf"] = mi.load_dict({"type": "twosided", "nested": paint})
    vertices, faces = item.mesh.vertices, item.mesh.faces
    mesh = mi.Mesh(item.name, len(vertices), len(faces), has_vertex_normals=True, props=props)
    mesh.add_attribute("vertex_color", 3, item.albedo.astype(np.float32).ravel())
    params = mi.traverse(mesh)
    params["vertex_positions"] = vertices.astype(np.float32).ravel()
    params["vertex_normals"] = item.mesh.normals.astype(np.float32).ravel()
    params["faces"] = faces.astype(np.uint32).ravel()
    params.update()
    return mesh


def build_scene(seed: int) -> Any:
    """Mitsuba scene of one seed: the objects, the ground and the canonical light."""
    picture = mi.Bitmap(ground_texture(seed))
    ground = {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().scale([GROUND_HALF_SIZE, GROUND_HALF_SIZE, 1.0]),
        "bsdf": {"type": "diffuse", "reflectance": {"type": "bitmap", "bitmap": picture}},
    }
    light = {"type": "envmap", "bitmap": mi.Bitmap(light_bitmap())}
    shapes = {f"item_{i}": mitsuba_mesh(item) for i, item in enumerate(build_items(seed))}
    return mi.load_dict({"type": "scene", "ground": ground, "light": light, **shapes})


def set_light(scene: Any, direction_world: Array) -> None:
    """Turn the scene's light to `direction_world` (3,)."""
    params = mi.traverse(scene)
    params["light.to_world"] = mi.Transform4f(light_to_world(direction_world))
    params.update()


def set_environment(scene: Any, radiance: Float32) -> None:
    """Light the scene with a map (h, 2 h, 3) as seen from inside: the middle is +x, to its right is -y, above is +z."""
    params = mi.traverse(scene)
    params["light.data"] = mi.traverse(mi.load_dict({"type": "envmap", "bitmap": mi.Bitmap(radiance)}))["data"]
    params["light.to_world"] = mi.Transform4f(mi.ScalarTransform4f(ENVIRONMENT_TO_WORLD))
    params.update()


def write_map(path: Path, radiance: Float32) -> None:
    """Write a map as an OpenEXR file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mi.Bitmap(radiance).write(str(path))


def sensor(camera: Camera) -> Any:
    """Mitsuba sensor of a camera (Mitsuba looks along +z with x to the left)."""
    size = {"width": camera.width, "height": camera.height}
    flipped = mi.ScalarTransform4f(camera.pose @ np.diag([-1.0, 1.0, -1.0, 1.0]))
    film = {"type": "hdrfilm", **size, "rfilter": {"type": "box"}}
    return mi.load_dict({"type": "perspective", "fov": FOV_X_DEG, "to_world": flipped, "film": film})


def denoised(colour: Float32, features: Float32) -> Float32:
    """Colour (h, w, 3) in 0..1, guided by albedo and normal (h, w, 6); as it is without `oidn`."""
    colour = np.ascontiguousarray(np.clip(colour, 0.0, 1.0))
    albedo, normal = (np.ascontiguousarray(part) for part in np.split(features, 2, axis=-1))
    try:
        import oidn  # noqa: PLC0415 - optional
    except (ImportError, OSError):  # OSError: its libtbb is missing
        return colour
    result = np.zeros_like(colour)
    device = oidn.NewDevice()
    oidn.CommitDevice(device)
    task = oidn.NewFilter(device, "RT")
    images = {"color": colour, "albedo": albedo, "normal": normal, "output": result}
    for name, image in images.items():
        oidn.SetSharedFilterImage(task, name, image, oidn.FORMAT_FLOAT3, *image.shape[1::-1])
    oidn.CommitFilter(task)
    oidn.ExecuteFilter(task)
    oidn.ReleaseFilter(task)
    oidn.ReleaseDevice(device)
    return result


def render(scene: Any, camera: Camera, spp: int) -> Float32:
    """Linear colour (h, w, 3) of one view under the scene's light, with all bounces."""
    path = mi.load_dict({"type": "path", "max_depth": MAX_DEPTH})
    image = mi.render(scene, sensor=sensor(camera), integrator=path, spp=spp)
    return np.array(image, dtype=np.float32)[..., :3]


def render_features(scene: Any, camera: Camera, spp: int) -> Float32:
    """Albedo and world normal (h, w, 6) of one view, antialiased like its colour."""
    aovs = mi.load_dict({"type": "aov", "aovs": "a:albedo,n:sh_normal"})
    image = mi.render(scene, sensor=sensor(camera), integrator=aovs, spp=spp)
    return np.nan_to_num(np.array(image, dtype=np.float32)[..., -6:])  # rare, in `principled`


def cast_geometry(scene: Any, camera: Camera) -> dict[str, Float32]:
    """Depth (h, w) along -z and camera-frame normals (h, w, 3) of the pixel centres, 0 unknown.

    Needs an llvm variant.
    """
    w, h = camera.width, camera.height
    x, y = (np.arange(w) + 0.5 - w / 2) / camera.focal, (h / 2 - np.arange(h) - 0.5) / camera.focal
    rays = np.stack([*np.meshgrid(x, y), -np.ones((h, w))], axis=-1).reshape(-1, 3)
    turn = camera.pose[:3, :3]
    hit = scene.ray_intersect(mi.Ray3f(mi.Point3f(camera.pose[:3, 3]), mi.Vector3f(turn @ rays.T)))
    valid = np.array(hit.is_valid())
    depth = np.where(valid, np.array(hit.t), 0.0)
    normal = np.where(valid[:, None], np.array(hit.sh_frame.n).T @ turn, 0.0)
    normal *= np.where((normal * rays).sum(axis=1) > 0, -1.0, 1.0)[:, None]
    return {
        "depth": depth.reshape(h, w).astype(np.float32),
        "normal": normal.reshape(h, w, 3).astype(np.float32),
    }


def check_light() -> None:
    """Assert that albedo 0.8 facing the light has the value 0.68, and 0.40 at 60 degrees to it."""
    pose = np.eye(4)
    pose[2, 3] = 1.0
    camera = Camera("check", pose, 8, 8)
    scene = mi.load_dict(
        {
            "type": "scene",
            "plane": {"type": "rectangle", "bsdf": {"type": "diffuse", "reflectance": 0.8}},
            "light": {"type": "envmap", "bitmap": mi.Bitmap(light_bitmap())},
        }
    )
    for azimuth_deg, elevation_deg in [(0, 90), *((azimuth, 30) for azimuth in range(0, 360, 45))]:
        set_light(scene, unit_from_angles(azimuth_deg, elevation_deg))
        value = float(render(scene, camera, 4096).mean())
        cosine = np.sin(np.deg2rad(elevation_deg))
        expected = 0.8 * (IRRADIANCE / np.pi * cosine + AMBIENT)
        print(f"azimuth {azimuth_deg:3d} elevation {elevation_deg}: {value:.4f}, is {expected:.4f}")
        assert np.isclose(value, expected, rtol=0.0, atol=0.003), "the canonical light is wrong"
