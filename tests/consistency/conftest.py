"""A wavy-coloured ball on a floor, seen by six cameras, with true geometry and relit pictures that agree."""

from collections.abc import Callable

import numpy as np
import open3d as o3d
import pytest
from agreeing_views import relit_pictures, true_log_ratio

from relightnerf.cameras import Cameras, save_cameras
from relightnerf.cameras.paths import look_at
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import SceneViews
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.io.images import write_array, write_image
from relightnerf.lights import LightSet, save_lights
from relightnerf.scene import Scene

WIDTH, HEIGHT, VIEWS = 64, 48, 6


@pytest.fixture(scope="session")
def rays() -> RayScene:
    """The ball on the floor."""
    floor = o3d.geometry.TriangleMesh.create_box(6.0, 6.0, 0.1).translate((-3.0, -3.0, -0.1))
    return RayScene(floor + o3d.geometry.TriangleMesh.create_sphere(0.7, 40).translate((0.0, 0.0, 0.7)))


@pytest.fixture(scope="session")
def unlit(rays: RayScene, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Photos, cameras 20 degrees apart, depth and normals; to be read only."""
    scene = Scene(tmp_path_factory.mktemp("ball") / "scene", "ball", "made up", (0.0, 0.0, 1.0), WIDTH, HEIGHT)
    scene.save()
    angles = np.radians(20.0 * np.arange(VIEWS))
    positions = np.stack([3.0 * np.cos(angles), 3.0 * np.sin(angles), np.full(VIEWS, 1.8)], axis=-1)
    poses = np.stack([look_at(position, np.array([0.0, 0.0, 0.4]), scene.world_up) for position in positions])
    intrinsics = np.tile([60.0, 60.0, WIDTH / 2, HEIGHT / 2], (VIEWS, 1))
    cameras = Cameras(tuple(f"v{i}" for i in range(VIEWS)), poses, intrinsics, WIDTH, HEIGHT)
    save_cameras(scene.capture / "transforms.json", cameras)
    for index, name in enumerate(cameras.names):
        hits = rays.camera_hits(cameras[index])
        waves = np.sin(4.0 * cameras[index].points_world(hits.depth))
        photo = np.where(hits.depth[..., None] > 0, 0.3 + 0.1 * waves, 0.3)
        write_image(scene.image_path(name), to_uint8(linear_to_srgb(photo)))
        write_array(scene.depth_path(name), hits.depth)
        write_array(scene.normal_path(name), hits.normal_camera)
    return scene


@pytest.fixture(scope="session")
def views(unlit: Scene) -> SceneViews:
    """The views of the scene."""
    return SceneViews(unlit)


@pytest.fixture
def relight(unlit: Scene, views: SceneViews, copy_scene: Callable[[Scene], Scene]) -> Callable[..., Scene]:
    """A function that relights every view so that all agree, then perturbs the log ratios of the views one by one."""

    def relit(lights: LightSet, perturb: Callable[[int, np.ndarray], np.ndarray]) -> Scene:
        scene = copy_scene(unlit)
        for index, view in enumerate(views):
            pictures = relit_pictures(view, perturb(index, true_log_ratio(view, lights)))
            for light, picture in zip(lights.names, pictures, strict=True):
                write_image(scene.relit("shading") / f"{view.name}__{light}.png", to_uint8(picture))
        save_lights(scene.relit("shading") / "lights.json", lights)
        return scene

    return relit
