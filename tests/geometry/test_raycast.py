"""Shadows, ambient occlusion and cues against values worked out by hand."""

import numpy as np
import open3d as o3d
import pytest

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.geometry.cue import light_cue
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View

UP = np.array([[0.0, 0.0, 1.0]])


def plane(half: float = 10.0, cells: int = 40) -> o3d.geometry.TriangleMesh:
    ticks = np.linspace(-half, half, cells + 1)
    points = np.stack([*np.meshgrid(ticks, ticks), np.zeros((cells + 1, cells + 1))], -1).reshape(-1, 3)
    grid = np.arange(len(points)).reshape(cells + 1, cells + 1)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(points), o3d.utility.Vector3iVector(faces))
    mesh.compute_vertex_normals()
    return mesh


def sphere(radius: float, centre: tuple[float, float, float]) -> o3d.geometry.TriangleMesh:
    mesh = o3d.geometry.TriangleMesh.create_sphere(radius, 40)
    mesh.compute_vertex_normals()
    return mesh.translate(centre)


def from_above(height: float = 4.0, size: int = 32) -> tuple[Camera, np.ndarray]:
    pose = np.eye(4)
    pose[2, 3] = height
    return Camera("top", pose, np.array([size, size, size / 2, size / 2], float), size, size), np.full(
        (size, size), height
    )


def at(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array(points, dtype=np.float32)


def test_a_sphere_shades_the_plane_away_from_the_light():
    # centre (0, 0, 2), light 45 degrees towards +x: the shadow's centre is at x = -2; its half width there is
    # 0.5 * sqrt(2) = 0.71 across x, and a 10 degree disc blurs it by 2.83 * tan(10 deg) * sqrt(2) = 0.71
    rays = RayScene(plane() + sphere(0.5, (0, 0, 2)))
    light = np.array([[1.0, 0.0, 1.0]]) / np.sqrt(2)
    points = at((-2, 0, 0), (2, 0, 0), (0, 0, 0), (-4, 0, 0), (-2, 2, 0))
    seen = rays.light_visibility(points, np.repeat(UP, 5, 0), light, samples=64)[0]
    assert seen[0] < 0.05
    assert (seen[1:] == 1.0).all()


def test_a_penumbra_is_the_part_of_the_disc_beside_a_wall():
    # the wall's top edge is level with the middle of the disc, so half of the disc is seen
    wall = o3d.geometry.TriangleMesh.create_box(0.02, 80, 5).translate((5.0, -40, 0))
    light = np.array([[1.0, 0.0, 1.0]]) / np.sqrt(2)
    seen = RayScene(plane() + wall).light_visibility(at((0, 0, 0)), UP, light, samples=256)[0, 0]
    assert seen == pytest.approx(0.5, abs=0.08)


def test_surfaces_that_face_away_see_no_light():
    rays = RayScene(plane())
    assert rays.light_visibility(at((0, 0, 0)), UP, -UP).max() == 0.0


def test_ambient_visibility_of_a_plane_is_one_and_of_a_corner_one_half():
    # next to an infinite wall the cosine-weighted half of the hemisphere is hidden
    wall = plane(20.0).rotate(o3d.geometry.get_rotation_matrix_from_xyz((0, np.pi / 2, 0)), (0, 0, 0))
    assert RayScene(plane()).ambient_visibility(at((0, 0, 0), (1, 1, 0)), np.repeat(UP, 2, 0)).min() == 1.0
    open_part = RayScene(plane() + wall).ambient_visibility(at((0.3, 0, 0)), UP, samples=512)[0]
    assert open_part == pytest.approx(0.5, abs=0.03)


def test_the_cue_of_a_facing_plane_is_068_and_at_60_degrees_040():
    camera, depth = from_above()
    view = View(
        camera, np.zeros((32, 32, 3), np.float32), depth, np.broadcast_to(UP[0], (32, 32, 3)).astype(np.float32)
    )
    slanted = np.array([np.sin(np.radians(60)), 0, np.cos(np.radians(60))])
    facing, tilted = light_cue(view, RayScene(plane(40.0)), np.stack([UP[0], slanted]))
    assert facing == pytest.approx(0.8 * (2.2 / np.pi + 0.15), abs=1e-4)
    assert tilted == pytest.approx(0.8 * (1.1 / np.pi + 0.15), abs=1e-4)


def test_the_cue_is_zero_where_the_geometry_is_unknown():
    camera, depth = from_above()
    depth[:16] = 0.0
    view = View(
        camera, np.zeros((32, 32, 3), np.float32), depth, np.broadcast_to(UP[0], (32, 32, 3)).astype(np.float32)
    )
    cue = light_cue(view, RayScene(plane()), UP)[0]
    assert (cue[:16] == 0.0).all() and (cue[16:] > 0.6).all()


def test_camera_rays_meet_the_plane_at_its_depth():
    camera, depth = from_above()
    hits = RayScene(plane()).camera_hits(camera)
    assert hits.depth == pytest.approx(depth, abs=1e-4)
    assert hits.normal_camera == pytest.approx(np.broadcast_to(UP[0], (32, 32, 3)), abs=1e-4)


def test_casting_twice_gives_the_same_bytes():
    rays = RayScene(plane() + sphere(0.5, (0, 0, 1)))
    points = np.random.default_rng(0).uniform(-1, 1, (500, 3)).astype(np.float32) * [1, 1, 0]
    normals, lights = np.repeat(UP, 500, 0), np.array([[0.6, 0.0, 0.8], [0.0, 0.6, 0.8]])
    first = rays.light_visibility(points, normals, lights)
    assert np.array_equal(first, rays.light_visibility(points, normals, lights))


def test_a_mesh_without_triangles_is_refused(tmp_path):
    with pytest.raises(InputError, match="no triangles"):
        RayScene(o3d.geometry.TriangleMesh())
    with pytest.raises(InputError, match="geometry"):
        RayScene.load(tmp_path / "mesh.ply")
