"""Mitsuba's side of the procedural scenes: one linear picture for each light by itself."""

from __future__ import annotations

from functools import cache
from typing import Any

import demo_mitsuba as dm
import mitsuba as mi
import numpy as np
import open3d as o3d
from demo_mitsuba import Array, Float32
from procedural_scenes import Arrangement, Item

from relightnerf.cameras import Camera
from relightnerf.geometry.raycast import RayScene
from relightnerf.lights import AMBIENT_RADIANCE

MAP_ROWS = 256
MAX_DEPTH = 5
BRIGHTEST = 4.0


class Renderer:
    """Pictures of one arrangement; `dm.pick_variant` comes first."""

    def __init__(
        self, arrangement: Arrangement, camera: Camera, samples: int, seed: int, show_sky: bool = False
    ) -> None:
        """Build Mitsuba's scene.

        Args:
            arrangement: what is seen.
            camera: pinhole, square pixels, its centre in the middle.
            samples: light paths a pixel.
            seed: of the paths.
            show_sky: show the light where nothing is; otherwise it is black there.
        """
        shapes = {f"item_{i}": _mesh(item, f"item_{i}") for i, item in enumerate(arrangement.items)}
        self._scene = mi.load_dict({"type": "scene", "light": _light(_even(1.0)), **shapes})
        self._parameters = mi.traverse(self._scene)
        path = {"type": "path", "max_depth": MAX_DEPTH, "hide_emitters": not show_sky}
        self._path = mi.load_dict(path)
        self._samples = samples
        self.look_from(camera, seed)

    def look_from(self, camera: Camera, seed: int) -> None:
        """Go to another camera; `seed` is that of its paths."""
        self._sensor, self._seed = _sensor(camera), seed
        self._features = self._guides()

    @property
    def albedo(self) -> Float32:
        """(height, width, 3), linear, 0 where nothing is."""
        return np.clip(self._features[..., :3], 0.0, 1.0)

    def disc(self, direction_world: Array) -> Float32:
        """Linear picture (height, width, 3) under the canonical light's disc alone."""
        return self._lit(_disc_map(), dm.light_to_world(direction_world))

    def ambient(self) -> Float32:
        """Linear picture under the canonical light's ambient part alone."""
        return self._lit(_even(AMBIENT_RADIANCE), mi.ScalarTransform4f())

    def environment(self, radiance: Float32) -> Float32:
        """Linear picture under a map (rows, columns, 3) whose middle row is the horizon."""
        rows = np.arange(MAP_ROWS) * len(radiance) // MAP_ROWS
        columns = np.arange(2 * MAP_ROWS) * radiance.shape[1] // (2 * MAP_ROWS)
        upright = np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])
        return self._lit(radiance[rows[:, None], columns], mi.ScalarTransform4f(upright))

    def lit(self, radiance: Float32, direction_world: Array) -> Float32:
        """Linear picture under a map (rows, 2 rows, 3) whose middle is turned to `direction_world`."""
        return self._lit(radiance, dm.light_to_world(direction_world))

    def _lit(self, radiance: Float32, to_world: Any) -> Float32:
        self._parameters["light.data"] = mi.traverse(mi.load_dict(_light(radiance)))["data"]
        self._parameters["light.to_world"] = mi.Transform4f(to_world)
        self._parameters.update()
        image = mi.render(self._scene, sensor=self._sensor, integrator=self._path, spp=self._samples, seed=self._seed)
        colour = np.nan_to_num(np.array(image, np.float32)[..., :3])
        return BRIGHTEST * dm.denoised(colour / BRIGHTEST, self._features)

    def _guides(self) -> Float32:
        """Albedo and world normals (height, width, 6), what the denoiser is guided by."""
        aovs = mi.load_dict({"type": "aov", "aovs": "a:albedo,n:sh_normal"})
        image = mi.render(self._scene, sensor=self._sensor, integrator=aovs, spp=self._samples, seed=self._seed)
        return np.nan_to_num(np.array(image, np.float32)[..., -6:])


def ray_scene(arrangement: Arrangement) -> RayScene:
    """All of an arrangement as one mesh of separate corners, world frame."""
    shapes = [item.shape for item in arrangement.items]
    vertices = np.concatenate([shape.vertices for shape in shapes])
    mesh = o3d.geometry.TriangleMesh()
    mesh.vertices = o3d.utility.Vector3dVector(vertices)
    mesh.triangles = o3d.utility.Vector3iVector(np.arange(len(vertices)).reshape(-1, 3))
    mesh.vertex_normals = o3d.utility.Vector3dVector(np.concatenate([shape.normals for shape in shapes]))
    return RayScene(mesh)


@cache
def _disc_map() -> Float32:
    return np.maximum(dm.light_bitmap(MAP_ROWS) - AMBIENT_RADIANCE, 0.0)


def _even(radiance: float) -> Float32:
    return np.full((MAP_ROWS, 2 * MAP_ROWS, 3), radiance, np.float32)


def _light(radiance: Float32) -> dict[str, Any]:
    return {"type": "envmap", "bitmap": mi.Bitmap(np.ascontiguousarray(radiance))}


def _mesh(item: Item, name: str) -> Any:
    material, shape = item.material, item.shape
    paint = {
        "type": "principled",
        "base_color": {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(material.texture)), "raw": True},
        "roughness": float(material.roughness),
        "metallic": float(material.metallic),
        "specular": float(material.specular),
    }
    props = mi.Properties()
    props["bsdf"] = mi.load_dict({"type": "twosided", "nested": paint})
    corners = len(shape.vertices)
    mesh = mi.Mesh(name, corners, corners // 3, has_vertex_normals=True, has_vertex_texcoords=True, props=props)
    params = mi.traverse(mesh)
    params["vertex_positions"] = shape.vertices.astype(np.float32).ravel()
    params["vertex_normals"] = shape.normals.astype(np.float32).ravel()
    params["vertex_texcoords"] = shape.uv.astype(np.float32).ravel()
    params["faces"] = np.arange(corners, dtype=np.uint32)
    params.update()
    return mesh


def _sensor(camera: Camera) -> Any:
    film = {"type": "hdrfilm", "width": camera.width, "height": camera.height, "rfilter": {"type": "box"}}
    fov_deg = float(np.rad2deg(2 * np.arctan(camera.width / 2 / camera.intrinsics[0])))
    flipped = mi.ScalarTransform4f(camera.camera_to_world @ np.diag([-1.0, 1.0, -1.0, 1.0]))
    return mi.load_dict({"type": "perspective", "fov": fov_deg, "to_world": flipped, "film": film})
