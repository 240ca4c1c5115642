"""Meshes lie where the depth says, and normals point where the surface does."""

import numpy as np
import pytest

from relightnerf.cameras import Camera, Cameras
from relightnerf.cameras.paths import look_at
from relightnerf.errors import InputError
from relightnerf.geometry.mesh import depth_mesh, fuse_mesh
from relightnerf.geometry.normals import depth_normals, view_normals
from relightnerf.geometry.raycast import RayScene

SIZE = 96


def sphere_on_ground(camera: Camera) -> np.ndarray:
    """Depth of a unit sphere at (0, 0, 1) on the ground z = 0."""
    rays = camera.rays_camera() @ camera.camera_to_world[:3, :3].T
    origin = camera.position - [0, 0, 1]
    a, b, c = (rays**2).sum(-1), rays @ origin, origin @ origin - 1.0
    square = b * b - a * c
    ground = np.where(rays[..., 2] < 0, -camera.position[2] / np.minimum(rays[..., 2], -1e-9), 0.0)
    ball = (-b - np.sqrt(np.maximum(square, 0))) / a
    return np.where(square > 0, ball, ground).astype(np.float32)


@pytest.fixture(scope="module")
def capture() -> tuple[Cameras, list[np.ndarray]]:
    angles = np.arange(8) * np.pi / 4
    poses = [
        look_at(np.array([4 * np.cos(a), 4 * np.sin(a), 3.0]), np.array([0, 0, 0.7]), (0.0, 0.0, 1.0)) for a in angles
    ]
    intrinsics = np.tile([100.0, 100.0, SIZE / 2, SIZE / 2], (8, 1))
    cameras = Cameras(tuple("abcdefgh"), np.array(poses), intrinsics, SIZE, SIZE)
    return cameras, [sphere_on_ground(camera) for camera in cameras]


@pytest.fixture(scope="module")
def rays(capture) -> RayScene:
    cameras, depths = capture
    return RayScene(fuse_mesh(cameras, depths, [np.zeros((SIZE, SIZE, 3), np.uint8)] * 8))


def test_the_fused_mesh_lies_at_the_depth(capture, rays):
    cameras, depths = capture
    hits = rays.camera_hits(cameras[0]).depth
    near = depths[0] < 6.0
    error = np.abs(hits - depths[0])[near & (hits > 0)]
    assert (hits > 0)[near].mean() > 0.98
    assert np.median(error) < 0.01 and np.quantile(error, 0.9) < 0.1


def test_views_with_a_few_pixels_of_depth_do_no_harm(capture):
    cameras, depths = capture
    sparse = np.zeros_like(depths[0])
    sparse[45:48, 46] = depths[0][45:48, 46]
    images = [np.zeros((SIZE, SIZE, 3), np.uint8)] * 8
    assert len(fuse_mesh(cameras, [*depths[:7], sparse], images).triangles) > 1000
    with pytest.raises(InputError, match="agree on no surface"):
        fuse_mesh(cameras, [sparse] * 8, images)


def test_fusing_twice_gives_the_same_mesh(capture):
    cameras, depths = capture
    images = [np.full((SIZE, SIZE, 3), 90, np.uint8)] * 8
    first, second = (fuse_mesh(cameras, depths, images) for _ in range(2))
    assert np.array_equal(np.asarray(first.vertices), np.asarray(second.vertices))
    assert np.array_equal(np.asarray(first.triangles), np.asarray(second.triangles))


def test_views_without_depth_cannot_be_fused(capture):
    cameras, _ = capture
    nothing = [np.zeros((SIZE, SIZE), np.float32)] * 8
    with pytest.raises(InputError, match="depth"):
        fuse_mesh(cameras, nothing, [np.zeros((SIZE, SIZE, 3), np.uint8)] * 8)


def test_one_views_mesh_is_cut_at_the_silhouette(capture):
    cameras, depths = capture
    mesh = depth_mesh(cameras[0], depths[0])
    corners = np.asarray(mesh.vertices)[np.asarray(mesh.triangles)]
    height = corners[..., 2]
    bridges = (height.max(-1) > 0.5) & (height.min(-1) < 1e-3)
    assert len(corners) > SIZE * SIZE and bridges.sum() == 0


def true_normals(camera: Camera, depth: np.ndarray) -> np.ndarray:
    points = camera.points_world(depth)
    world = np.where((points[..., 2] > 1e-3)[..., None], points - [0, 0, 1], [0, 0, 1])
    return world / np.linalg.norm(world, axis=-1, keepdims=True) @ camera.camera_to_world[:3, :3]


def test_normals_of_depth_and_of_the_mesh_are_the_surfaces(capture, rays):
    cameras, depths = capture
    truth = true_normals(cameras[0], depths[0])
    for normals in (depth_normals(cameras[0], depths[0]), view_normals(cameras[0], depths[0], rays)):
        angle_deg = np.degrees(np.arccos(np.clip((normals * truth).sum(-1), -1, 1)))
        assert np.median(angle_deg) < 2.0 and np.mean(angle_deg) < 6.0
        assert np.linalg.norm(normals, axis=-1) == pytest.approx(1.0, abs=1e-4)


def test_a_tilted_plane_has_one_normal_exactly():
    camera = Camera("x", np.eye(4), np.array([50.0, 60.0, 30.0, 20.0]), 60, 40)
    normal = np.array([0.3, -0.2, 0.9]) / np.linalg.norm([0.3, -0.2, 0.9])
    depth = -4.0 * normal[2] / (camera.rays_camera() @ normal)
    assert depth_normals(camera, depth) == pytest.approx(np.broadcast_to(normal, (40, 60, 3)), abs=1e-3)


def test_unknown_depth_has_no_normal():
    camera = Camera("x", np.eye(4), np.array([50.0, 50.0, 20.0, 20.0]), 40, 40)
    depth = np.full((40, 40), 2.0)
    depth[5:9, 5:9] = 0.0
    normals = depth_normals(camera, depth)
    assert (normals[5:9, 5:9] == 0).all() and (normals[20, 20] == [0, 0, 1]).all()


@pytest.mark.parametrize("unit", [1e-3, 1.0, 1e3])
def test_pixels_without_neighbours_have_finite_normals(unit: float):
    depth = np.zeros((24, 32), np.float32)
    depth[::6, ::6] = unit
    depth[12:, 20:] = 2 * unit
    camera = Camera("a", np.eye(4), np.array([30.0, 30.0, 16.0, 12.0]), 32, 24)
    normals = depth_normals(camera, depth)
    assert np.linalg.norm(normals, axis=-1) == pytest.approx((depth > 0).astype(float), abs=1e-5)
    assert normals[18, 26] == pytest.approx([0, 0, 1], abs=1e-3)
