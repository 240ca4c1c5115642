"""Colours on a mesh, and Gaussians on it and beyond, against a ball on a floor whose colours are known everywhere."""

from dataclasses import replace

import numpy as np
import open3d as o3d
import pytest
from ply_pictures import mesh_picture
from splat_pictures import splat_picture

from relightnerf.cameras import Camera, Cameras
from relightnerf.cameras.paths import look_at
from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import psnr
from relightnerf.export.mesh import VertexColours
from relightnerf.export.surface import Background, mesh_gaussians
from relightnerf.export.views import LitView
from relightnerf.field.frame import FieldFrame
from relightnerf.geometry.raycast import RayScene
from relightnerf.io.gaussians import Gaussians, joined

VIEWS, WIDTH, HEIGHT, SKY = 9, 64, 48, 30.0
CENTRE = np.array([0.0, 0.0, 0.6])


def _colour(points: np.ndarray) -> np.ndarray:
    """Bluish on the ball, reddish on the floor, greenish in the sky."""
    waves = 0.5 + 0.4 * np.sin(3.0 * points)
    on_ball = np.linalg.norm(points - CENTRE, axis=-1) < 0.52
    tint = np.where(on_ball[..., None], [0.2, 0.3, 1.0], [1.0, 0.4, 0.2])
    is_far = np.linalg.norm(points, axis=-1, keepdims=True) > 0.5 * SKY
    return np.where(is_far, 0.5 + 0.3 * points / SKY * [0.5, 1.0, 0.5], waves * tint)


@pytest.fixture(scope="module")
def mesh() -> o3d.geometry.TriangleMesh:
    """A ball over a floor from -1.5 to 1.5."""
    floor = o3d.geometry.TriangleMesh.create_box(3.0, 3.0, 0.01).translate((-1.5, -1.5, -0.01))
    mesh = floor.subdivide_midpoint(5) + o3d.geometry.TriangleMesh.create_sphere(0.5, 40).translate(CENTRE)
    mesh.compute_vertex_normals()
    return mesh


@pytest.fixture(scope="module")
def cameras() -> Cameras:
    """A ring of cameras that look at the ball from above; the first is between two others."""
    angles = np.append(0.4, 2.0 * np.pi * np.arange(VIEWS - 1) / (VIEWS - 1))
    places = np.stack([2.5 * np.cos(angles), 2.5 * np.sin(angles), 1.2 + 0.5 * (np.arange(VIEWS) % 2)], axis=-1)
    poses = np.stack([look_at(place, CENTRE, (0.0, 0.0, 1.0)) for place in places])
    intrinsics = np.tile([40.0, 40.0, WIDTH / 2, HEIGHT / 2], (VIEWS, 1))
    return Cameras(tuple(f"c{i}" for i in range(VIEWS)), poses, intrinsics, WIDTH, HEIGHT)


def _view(rays: RayScene, camera: Camera) -> LitView:
    depth = rays.camera_hits(camera).depth.astype(np.float64)
    depth[depth == 0.0] = SKY
    return LitView(camera, _colour(camera.points_world(depth)), depth)


@pytest.fixture(scope="module")
def views(mesh: o3d.geometry.TriangleMesh, cameras: Cameras) -> list[LitView]:
    """The true views."""
    return [_view(RayScene(mesh), cameras[i]) for i in range(VIEWS)]


def _coloured(mesh: o3d.geometry.TriangleMesh, views: list[LitView]) -> np.ndarray:
    gathered = VertexColours(mesh, RayScene(mesh))
    for view in views:
        gathered.add(view)
    return gathered.colours()


def _gaussians(mesh: o3d.geometry.TriangleMesh, views: list[LitView], cameras: Cameras) -> Gaussians:
    frame = FieldFrame(np.eye(3), CENTRE, 0.8)
    background = Background(mesh, RayScene(mesh), cameras, frame)
    for view in views:
        background.add(view)
    return joined([mesh_gaussians(mesh, _coloured(mesh, views)), background.gaussians()])


def test_vertices_have_the_colour_that_is_there(mesh: o3d.geometry.TriangleMesh, views: list[LitView]) -> None:
    colours, points = _coloured(mesh, views), np.asarray(mesh.vertices)
    normals = np.asarray(mesh.vertex_normals)
    upper = (normals[:, 2] > 0.2) & (np.abs(points) < 1.0).all(-1)
    error = np.abs(colours - _colour(points))[upper].max(axis=-1)
    assert np.median(error) < 0.01
    assert np.quantile(error, 0.99) < 0.1


def test_what_no_view_sees_looks_like_what_is_beside_it(mesh: o3d.geometry.TriangleMesh, views: list[LitView]) -> None:
    colours, points = _coloured(mesh, views), np.asarray(mesh.vertices)
    underside = points[:, 2] < -0.005
    assert np.abs(colours - _colour(points))[underside].mean() < 0.15


def test_a_mesh_that_no_camera_sees_is_an_error(mesh: o3d.geometry.TriangleMesh, views: list[LitView]) -> None:
    away = views[0].camera.camera_to_world.copy()
    away[:3, 3] -= 100.0 * away[:3, 2]  # past the scene, which is behind it then
    camera = replace(views[0].camera, camera_to_world=away)
    with pytest.raises(InputError, match="no camera of the capture sees"):
        _coloured(mesh, [replace(views[0], camera=camera)])


def test_the_mesh_looks_like_the_truth_from_a_camera_that_was_not_used(
    mesh: o3d.geometry.TriangleMesh, views: list[LitView]
) -> None:
    painted = o3d.geometry.TriangleMesh(mesh)
    painted.vertex_colors = o3d.utility.Vector3dVector(_coloured(mesh, views[1:]))
    picture, known = mesh_picture(painted, views[0].camera)
    assert 0.4 < known.mean() < 0.95
    assert psnr(picture, views[0].picture, known) > 30.0


def test_the_splats_look_like_the_truth_from_a_camera_that_was_not_used(
    mesh: o3d.geometry.TriangleMesh, views: list[LitView], cameras: Cameras
) -> None:
    picture, opaque = splat_picture(_gaussians(mesh, views[1:], cameras), views[0].camera)
    assert opaque[views[0].depth < SKY].mean() > 0.97
    assert (opaque > 0.9).mean() > 0.8
    assert psnr(picture, views[0].picture, opaque > 0.9) > 20.0


def test_what_most_views_look_through_is_left_out(
    mesh: o3d.geometry.TriangleMesh, views: list[LitView], cameras: Cameras
) -> None:
    depth = views[1].depth.copy()
    depth[depth == SKY] = 0.5
    wrong = _gaussians(mesh, [replace(views[1], depth=depth), *views[2:]], cameras)
    near = np.linalg.norm(wrong.means - views[1].camera.position, axis=-1) < 0.7
    seen = [camera.project(wrong.means[near]) for camera in (view.camera for view in views[2:])]
    inside = [(z > 0) & (p > 0).all(-1) & (p < [WIDTH, HEIGHT]).all(-1) for p, z in seen]
    assert not np.any(inside)
