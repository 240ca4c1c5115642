"""A small mesh viewer: vertex colours, interpolated over the triangle that a pixel's ray meets, without any light."""

import numpy as np
import open3d as o3d

from relightnerf.cameras import Camera


def mesh_picture(mesh: o3d.geometry.TriangleMesh, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The sRGB picture (height, width, 3), and where the mesh is (height, width)."""
    rays = o3d.t.geometry.RaycastingScene()
    rays.add_triangles(o3d.t.geometry.TriangleMesh.from_legacy(mesh))
    towards = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    six = np.concatenate([np.broadcast_to(camera.position, towards.shape), towards], axis=-1)
    hits = rays.cast_rays(o3d.core.Tensor(six.astype(np.float32)))
    known = np.isfinite(hits["t_hit"].numpy())
    faces, (u, v) = hits["primitive_ids"].numpy()[known], hits["primitive_uvs"].numpy()[known].T
    corners = np.asarray(mesh.vertex_colors)[np.asarray(mesh.triangles)[faces]]
    picture = np.zeros((camera.height, camera.width, 3))
    picture[known] = np.einsum("cn,nck->nk", np.stack([1.0 - u - v, u, v]), corners)
    return picture, known
