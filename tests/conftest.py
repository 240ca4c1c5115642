"""A tiny capture, and a scene that the real stages have made of it."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock
from tiny_models import write_light_sets, write_tiny_base

from relightnerf.cameras import Cameras, save_cameras
from relightnerf.cameras.paths import look_at
from relightnerf.scene import Scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VIEWS, WIDTH, HEIGHT = 8, 32, 24
LIGHT = np.array([1.0, 1.0, 2.0]) / np.sqrt(6.0)


def pytest_configure() -> None:
    """Undo what a shell does to background jobs: processes that tests start would not hear ctrl-c either."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """A folder of this run of the tests, which all its processes see."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if hasattr(request.config, "workerinput") else base


@pytest.fixture(scope="session")
def tiny_capture(shared_folder: Path) -> Path:
    """A nerfstudio dataset: a chequered ball on a chequered floor under a sun, seen from a ring of cameras; z is up.

    The views' true depth is in ``depth/<view>.npy``.
    """
    return _made_once(shared_folder / "capture", _make_capture)


def _made_once(path: Path, make: Callable[[Path], None]) -> Path:
    """Make a file or folder, unless another process of this run has made it."""
    with FileLock(path.with_name(f"{path.name}.lock")):
        done = path.with_name(f"{path.name}.done")
        if not done.exists():
            make(path)
            done.touch()
    return path


def _make_capture(folder: Path) -> None:
    from relightnerf.io.images import write_array, write_image

    angles = 2.0 * np.pi * np.arange(VIEWS) / VIEWS
    positions = np.stack([3.0 * np.cos(angles), 3.0 * np.sin(angles), 1.2 + 0.6 * (np.arange(VIEWS) % 2)], axis=-1)
    poses = np.stack([look_at(position, np.array([0.0, 0.0, 0.5]), (0.0, 0.0, 1.0)) for position in positions])
    intrinsics = np.tile([30.0, 30.0, WIDTH / 2, HEIGHT / 2], (VIEWS, 1))
    names = tuple(f"v{index}" for index in range(VIEWS))
    cameras = Cameras(names, poses, intrinsics, WIDTH, HEIGHT)
    save_cameras(folder / "transforms.json", cameras)
    for name, (photo, depth) in zip(names, _photos(cameras), strict=True):
        write_image(folder / "images" / f"{name}.png", photo)
        write_array(folder / "depth" / f"{name}.npy", depth)


@pytest.fixture(scope="session")
def tiny_scene(tiny_capture: Path, shared_folder: Path) -> Scene:
    """The tiny capture, with its true depth, after every stage up to fit, with a few steps each; to be read only."""
    return Scene.load(_made_once(shared_folder / "scene", lambda root: _make_scene(root, tiny_capture)))


def _make_scene(root: Path, capture: Path) -> None:
    from relightnerf.pipeline.fit import Fit
    from relightnerf.pipeline.geometry import Geometry
    from relightnerf.pipeline.match import Match
    from relightnerf.pipeline.prepare import Prepare
    from relightnerf.pipeline.synthesize import Synthesize

    Prepare(capture, root).run()
    Geometry(root, steps=20, depth_source=f"folder:{capture / 'depth'}", device="cpu").run()
    Synthesize(root, device="cpu").run()
    Match(root).run()
    Fit(root, steps=30, device="cpu").run()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder; to be read only."""
    return write_tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="session")
def light_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three scenes under four lights each; to be read only."""
    return write_light_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """The system's Chromium, see ``tests/browser.py``; no longer than a module, as it brings a running event loop."""
    from browser import chromium

    with chromium() as started:
        yield started


@pytest.fixture
def copy_scene(tmp_path: Path) -> Callable[[Scene], Scene]:
    """A function that makes a scene of a test's own from another; as all files appear by renaming, links will do."""

    def copy(scene: Scene) -> Scene:
        shutil.copytree(scene.root, tmp_path / "scene", copy_function=os.link)
        return Scene.load(tmp_path / "scene")

    return copy


def _photos(cameras: Cameras) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield each camera's photo (8-bit sRGB) and depth (world units)."""
    import open3d as o3d

    from relightnerf.geometry.raycast import RayScene
    from relightnerf.imaging.color import linear_to_srgb, to_uint8

    corners = np.array([[-4.0, -4, 0], [4, -4, 0], [4, 4, 0], [-4, 4, 0]])
    floor = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(corners), o3d.utility.Vector3iVector([[0, 1, 2], [0, 2, 3]])
    )
    ball = o3d.geometry.TriangleMesh.create_sphere(0.7, 30).translate((0.0, 0.0, 0.7))
    rays = RayScene(floor + ball)
    for index in range(len(cameras)):
        camera = cameras[index]
        hits = rays.camera_hits(camera)
        points = camera.points_world(hits.depth).reshape(-1, 3).astype(np.float32)
        normals = (hits.normal_camera @ camera.camera_to_world[:3, :3].T).reshape(-1, 3).astype(np.float32)
        sun = np.maximum(normals @ LIGHT, 0.0) * rays.light_visibility(points, normals, LIGHT[None])[0]
        dark = np.floor(2.0 * points + 0.1).sum(axis=-1) % 2.0 > 0
        albedo = np.where(dark[:, None], [0.2, 0.35, 0.6], [0.8, 0.7, 0.5])
        colour = np.where(hits.depth.reshape(-1, 1) > 0, albedo * (0.15 + 0.7 * sun)[:, None], 0.4)
        photo = linear_to_srgb(colour.astype(np.float32)).reshape(camera.height, camera.width, 3)
        yield to_uint8(photo), hits.depth
