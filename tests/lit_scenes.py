"""Tiny scenes with every light kept by itself: a ball before a wall, shaded by ray casting."""

from pathlib import Path

import numpy as np

from relightnerf.cameras import Camera
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE, LightSet
from relightnerf.training.data.light_folders import LightFolder, write_light_folder

SIZE, FOV_DEG = 48, 40.0
_DIRECTIONS = np.array([[0.8, 0.3, 0.5], [-0.7, 0.5, 0.5], [0.1, 0.8, 0.6]])


def write_lit_scene(folder: Path, seed: int) -> LightFolder:
    """Write a scene with layers and its mesh in the camera's frame; Lambert, shadows, no bounces."""
    import open3d as o3d

    corners = np.array([[-4.0, -4, -4], [4, -4, -4], [4, 4, -4], [-4, 4, -4]])
    wall = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(corners), o3d.utility.Vector3iVector([[0, 1, 2], [0, 2, 3]])
    )
    mesh = wall + o3d.geometry.TriangleMesh.create_sphere(0.6, 40).translate((0.1, 0.0, -3.2))
    mesh.compute_vertex_normals()
    rays = RayScene(mesh)
    focal = SIZE / 2 / np.tan(np.radians(FOV_DEG / 2))
    camera = Camera(folder.name, np.eye(4), np.array([focal, focal, SIZE / 2, SIZE / 2]), SIZE, SIZE)
    hits = rays.camera_hits(camera)
    cues = ViewCues(View(camera, np.zeros((SIZE, SIZE, 3)), hits.depth, hits.normal_camera), rays)
    directions = _DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=-1, keepdims=True)
    coarse = np.random.default_rng(seed).uniform(0.2, 0.8, (6, 6, 3))
    albedo = np.kron(coarse, np.ones((SIZE // 6, SIZE // 6, 1)))
    discs = IRRADIANCE / np.pi * cues.direct(directions)[..., None] * albedo
    ambient = AMBIENT_RADIANCE * cues.ambient[..., None] * albedo
    write_light_folder(
        folder,
        list(discs),
        LightSet("camera", ("right", "left", "top"), directions),
        depth=hits.depth,
        normal=hits.normal_camera,
        visibility=list(cues.visibility(directions)),
        fov_deg=FOV_DEG,
        layers={"ambient": ambient, "environment_0": ambient * [0.8, 1.0, 1.4]},
        ambient_visibility=cues.ambient,
        albedo=albedo,
    )
    o3d.io.write_triangle_mesh(str(folder / "mesh.ply"), mesh)
    return LightFolder.load(folder)
