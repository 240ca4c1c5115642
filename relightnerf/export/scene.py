"""Exports of a scene: its field under one light, on its mesh and in the background."""

from pathlib import Path

import open3d as o3d

from relightnerf.export.mesh import VertexColours
from relightnerf.export.surface import Background, mesh_gaussians
from relightnerf.export.views import OneLight, lit_views
from relightnerf.field.dataparser import scene_frame
from relightnerf.field.renderer import FieldRenderer
from relightnerf.geometry.raycast import RayScene
from relightnerf.io.files import atomic_path
from relightnerf.io.gaussians import joined, save_gaussians
from relightnerf.scene import Scene


def write_mesh(path: Path, scene: Scene, field: FieldRenderer, light: OneLight) -> None:
    """Write the scene's mesh with the colours of its field, 8 bits a channel: a binary PLY file, atomically.

    Args:
        path: a ``.ply`` file.
        scene: with a mesh.
        field: of the scene.
        light: any lighting, a direction, or None for the capture's own light; in the capture's world.

    Raises:
        InputError: no camera of the capture sees the mesh.
    """
    mesh = _mesh(scene)
    colours = VertexColours(mesh, RayScene(mesh))
    for view in lit_views(field, scene.cameras(), light):
        colours.add(view)
    mesh.vertex_colors = o3d.utility.Vector3dVector(colours.colours())
    with atomic_path(path) as temporary:
        o3d.io.write_triangle_mesh(str(temporary), mesh)


def write_gaussians(path: Path, scene: Scene, field: FieldRenderer, light: OneLight) -> None:
    """Write the scene as 3D Gaussians: one a vertex of its mesh, and what the cameras see beyond.

    Args and errors as ``write_mesh``.
    """
    mesh, cameras = _mesh(scene), scene.cameras()
    rays = RayScene(mesh)
    colours, background = VertexColours(mesh, rays), Background(mesh, rays, cameras, scene_frame(scene, cameras))
    for view in lit_views(field, cameras, light):
        colours.add(view)
        background.add(view)
    save_gaussians(path, joined([mesh_gaussians(mesh, colours.colours()), background.gaussians()]))


def _mesh(scene: Scene) -> o3d.geometry.TriangleMesh:
    mesh = o3d.io.read_triangle_mesh(str(scene.mesh_path))
    if not mesh.has_vertex_normals():
        mesh.compute_vertex_normals()
    return mesh
