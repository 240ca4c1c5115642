"""Rays against a scene's mesh: what a camera sees, soft shadows and ambient occlusion.

Everything here is deterministic: sample patterns depend on a point's index only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.lights import DISC_RADIUS_DEG

if TYPE_CHECKING:
    import open3d as o3d

_GOLDEN = 0.6180339887498949
"""The golden ratio less 1, in turns: multiples of it, modulo 1, fill a circle evenly for any count."""


@dataclass(frozen=True)
class RaySettings:
    """What tunes shadow rays."""

    bias_edges: float = 0.75
    """How far off the surface rays start, in median edges of the mesh. Triangles cut below or above a curved surface by
    a part of their edge, and the light that grazes one hits the next; twice as far off, shadows leave what casts
    them."""
    least_bias: float = 1e-4
    """Least such distance, part of the mesh's extent: rays are cast in 32 bits, which resolve 1e-7 of it."""
    most_bias: float = 2e-3
    """Largest such distance, part of the extent: a mesh of few large triangles, e.g. a box, needs none in
    proportion."""
    rays_at_once: int = 1 << 20
    """Rays in one batch; 25 MB of 6 numbers each. It bounds the memory and changes nothing else."""


_SETTINGS = RaySettings()


@dataclass(frozen=True)
class CameraHits:
    """What the rays of a camera meet.

    Attributes:
        depth: along the camera's -z in world units, 0 where nothing is hit.
        normal_camera: unit, camera frame, turned towards the camera; 0 where nothing is hit.
    """

    depth: Float[np.ndarray, "height width"]
    normal_camera: Float[np.ndarray, "height width 3"]


class RayScene:
    """A triangle mesh in the world frame that can be asked what rays meet.

    Attributes:
        mesh: the mesh, with normals of its vertices.
        bias: how far shadow rays start from the surface, world units (a part of the mesh's typical edge).
    """

    def __init__(self, mesh: "o3d.geometry.TriangleMesh") -> None:
        import open3d as o3d

        vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.triangles)
        if not len(faces):
            raise InputError("the scene's mesh has no triangles", "run geometry again with better depth")
        if not mesh.has_vertex_normals():
            mesh.compute_vertex_normals()
        self.mesh = mesh
        self._normals = np.asarray(mesh.vertex_normals).astype(np.float32)
        self._faces = faces
        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(vertices.astype(np.float32), faces.astype(np.uint32))
        # One edge of each triangle is enough for a median.
        edge = np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=-1)
        extent = float(np.linalg.norm(vertices.max(0) - vertices.min(0)))
        self.bias = _bias(float(np.median(edge)), extent)

    @classmethod
    def load(cls, path: Path) -> "RayScene":
        """Read a mesh file.

        Raises:
            InputError: the file is absent or holds no triangles.
        """
        import open3d as o3d

        if not path.is_file():
            raise InputError(f"{path}: no such file", "run `relightnerf geometry` first")
        mesh = o3d.io.read_triangle_mesh(str(path))
        if not len(mesh.triangles):
            raise InputError(f"{path}: holds no triangles", "run `relightnerf geometry --force`")
        return cls(mesh)

    def camera_hits(self, camera: Camera) -> CameraHits:
        """Cast the rays of a camera through its pixel centres; normals are interpolated from the vertices."""
        rotation = camera.camera_to_world[:3, :3]
        # Not normalised: with z = -1 in the camera frame, the ray parameter t is the depth along -z.
        rays = camera.rays_camera() @ rotation.T
        origins = np.broadcast_to(camera.position, rays.shape)
        hits = self._scene.cast_rays(_tensor(np.concatenate([origins, rays], axis=-1)))
        depth, known = hits["t_hit"].numpy(), np.isfinite(hits["t_hit"].numpy())
        faces, uv = (hits[key].numpy()[known] for key in ("primitive_ids", "primitive_uvs"))
        normal_world = self._interpolated_normals(faces, uv)
        normal = np.zeros((*depth.shape, 3), np.float32)
        # R^T n, into the camera frame; rows are vectors.
        normal[known] = normal_world @ rotation
        # A normal along its ray points away from the camera: such triangles are seen from behind, or nearly edge on.
        away = np.sum(normal * camera.rays_camera(), axis=-1) > 0
        normal[away] *= -1.0
        return CameraHits(np.where(known, depth, 0.0).astype(np.float32), normal)

    def _interpolated_normals(self, faces: np.ndarray, uv: np.ndarray) -> Float[np.ndarray, "hits 3"]:
        # Barycentric weights (1 - u - v, u, v) of the three corners, (hits, 3, 3).
        corners = self._normals[self._faces[faces]]
        normal = corners[:, 0] * (1 - uv.sum(-1))[:, None] + corners[:, 1] * uv[:, :1] + corners[:, 2] * uv[:, 1:]
        return normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)

    def blocked(
        self, origins: Float[np.ndarray, "*#rays 3"], directions: Float[np.ndarray, "*#rays 3"], reach: float = np.inf
    ) -> Bool[np.ndarray, "*#rays"]:
        """Say for each ray (world frame) whether it meets the mesh; origins and directions broadcast.

        Args:
            origins: where the rays start.
            directions: of any length.
            reach: what is further away than this, in lengths of the direction, does not count.
        """
        rays = np.empty((*np.broadcast_shapes(origins.shape, directions.shape)[:-1], 6), np.float32)
        rays[..., :3], rays[..., 3:] = origins, directions
        return self._scene.test_occlusions(_tensor(rays), tfar=reach).numpy()

    def light_visibility(
        self,
        points_world: Float[np.ndarray, "points 3"],
        normals_world: Float[np.ndarray, "points 3"],
        directions_world: Float[np.ndarray, "lights 3"],
        samples: int = 4,
        radius_deg: float = DISC_RADIUS_DEG,
    ) -> Float[np.ndarray, "lights points"]:
        """Return the part of each light's disc that each point sees, in [0, 1]; 0 where the surface faces away.

        The disc is sampled on a spiral (Vogel 1979) that every point turns by another angle.

        Args:
            points_world: surface points.
            normals_world: their unit normals.
            directions_world: unit vectors towards the discs' centres.
            samples: shadow rays a point and light.
            radius_deg: angular radius of the discs.
        """
        result = np.zeros((len(directions_world), len(points_world)), np.float32)
        # Another turn for each point: what few samples get wrong becomes noise instead of bands.
        turn = _GOLDEN * np.arange(len(points_world)) % 1.0
        origins = points_world + self.bias * normals_world
        for light, direction in enumerate(directions_world):
            # Points that face away see nothing of the light, and cast no rays.
            facing = np.flatnonzero(normals_world @ direction > 0)
            for part in _parts(facing, samples):
                towards = _disc_samples(direction, turn[part], samples, radius_deg)
                hit = self.blocked(origins[part, None], towards)
                # (points, samples): the open part of the samples, which have equal shares of the disc.
                result[light, part] = 1.0 - hit.mean(axis=-1)
        return result

    def ambient_visibility(
        self,
        points_world: Float[np.ndarray, "points 3"],
        normals_world: Float[np.ndarray, "points 3"],
        samples: int = 24,
        reach: float = np.inf,
    ) -> Float[np.ndarray, " points"]:
        """Return the cosine-weighted part of the hemisphere over each point that is open, in [0, 1].

        Args:
            points_world: surface points.
            normals_world: their unit normals.
            samples: rays a point, cosine-weighted (Malley's method), stratified on a spiral.
            reach: obstacles further away than this do not count, world units.
        """
        result = np.zeros(len(points_world), np.float32)
        origins = points_world + self.bias * normals_world
        turn = _GOLDEN * np.arange(len(points_world)) % 1.0
        for part in _parts(np.arange(len(points_world)), samples):
            # Unit vectors, so ``reach`` in lengths of them is in world units.
            towards = hemisphere_samples(normals_world[part], turn[part], samples)
            result[part] = 1.0 - self.blocked(origins[part, None], towards, reach).mean(axis=-1)
        return result


def _bias(edge: float, extent: float) -> float:
    # The mesh's edges decide, between bounds that are parts of its extent.
    wanted = _SETTINGS.bias_edges * edge
    return max(min(wanted, _SETTINGS.most_bias * extent), _SETTINGS.least_bias * extent)


def hemisphere_samples(
    normals: Float[np.ndarray, "points 3"], turn: Float[np.ndarray, " points"], samples: int
) -> Float[np.ndarray, "points samples 3"]:
    """Return cosine-weighted unit directions around each normal; ``turn`` in [0, 1) rotates each point's pattern.

    Malley's method: points spread evenly over the unit disc, lifted to the hemisphere. A patch of the hemisphere at
    the cosine z covers z times its area of the disc, so directions are as dense as their cosine, and the plain mean of
    what they see is the cosine-weighted one.
    """
    x, y = _spiral(turn, samples)
    # Straight up from the disc to the unit sphere; the bound takes rounding at the rim.
    z = np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))
    tangent, bitangent = _tangents(normals)
    local = x[..., None] * tangent[:, None] + y[..., None] * bitangent[:, None]
    return (local + z[..., None] * normals[:, None]).astype(np.float32)


def _disc_samples(direction: np.ndarray, turn: np.ndarray, samples: int, radius_deg: float) -> np.ndarray:
    x, y = _spiral(turn, samples)
    tangent, bitangent = (t[0] for t in _tangents(direction[None]))
    # even over the disc's tangent plane, which for 10 degrees is even in solid angle to 5 %
    radius = np.tan(np.radians(radius_deg))
    towards = direction + radius * (x[..., None] * tangent + y[..., None] * bitangent)
    return (towards / np.linalg.norm(towards, axis=-1, keepdims=True)).astype(np.float32)


def _spiral(turn: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of the unit disc: each golden turn falls into a largest gap, radii grow so that all have equal areas."""
    index = np.arange(samples)
    # A disc's area goes with r^2, so r_i^2 = (i + 1/2) / n: each sample in the middle of 1 / n of the area.
    radius = np.sqrt((index + 0.5) / samples)
    angle = 2.0 * np.pi * (index * _GOLDEN + turn[:, None])
    return radius * np.cos(angle), radius * np.sin(angle)


def _tangents(normals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that make a frame with each normal (Duff et al., "Building an Orthonormal Basis", 2017)."""
    x, y, z = np.moveaxis(normals, -1, 0)
    # With the sign of z, |sign + z| is at least 1: no division by 0 for any normal.
    sign = np.where(z >= 0, 1.0, -1.0)
    # For z >= 0: t = (1 - x^2 / (1 + z), -x y / (1 + z), -x) and b = (-x y / (1 + z), 1 - y^2 / (1 + z), -y).
    a = -1.0 / (sign + z)
    b = x * y * a
    return (
        np.stack([1.0 + sign * x * x * a, sign * b, -sign * x], axis=-1),
        np.stack([b, sign + y * y * a, -y], axis=-1),
    )


def _parts(indices: np.ndarray, samples: int) -> list[np.ndarray]:
    size = max(_SETTINGS.rays_at_once // samples, 1)
    return [indices[start : start + size] for start in range(0, len(indices), size)]


def _tensor(values: np.ndarray) -> "o3d.core.Tensor":
    import open3d as o3d

    return o3d.core.Tensor(np.ascontiguousarray(values, dtype=np.float32))
