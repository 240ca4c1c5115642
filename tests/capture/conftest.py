"""Captures with known cameras: pictures of white dots on gray, seen through a given lens."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from relightnerf.cameras.paths import look_at

SIZE = (160, 120)
_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True)
class Dots:
    """Cameras on a ring around the origin that see dots near it; z is up."""

    poses: np.ndarray
    points: np.ndarray

    def camera_from_world(self, view: int) -> pycolmap.Rigid3d:
        """Return COLMAP's pose (OpenCV camera frame) of a view."""
        return pycolmap.Rigid3d(np.linalg.inv(self.poses[view] @ _OPENCV_FROM_OPENGL)[:3])

    def write_pictures(self, camera: pycolmap.Camera, folder: Path) -> list[str]:
        """Write the picture of each view through the lens of ``camera``; returns the file names."""
        folder.mkdir(parents=True)
        x, y = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
        for view in range(len(self.poses)):
            picture = np.full((camera.height, camera.width), 40.0)
            for u, v in camera.img_from_cam(self.camera_from_world(view) * self.points):
                picture += 200.0 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 1.5**2))
            gray = np.clip(picture, 0, 255).astype(np.uint8)
            Image.fromarray(np.repeat(gray[..., None], 3, axis=2)).save(folder / f"photo_{view}.png")
        return [f"photo_{view}.png" for view in range(len(self.poses))]


@pytest.fixture
def dots() -> Dots:
    angles = np.linspace(0, 2 * np.pi, 4, endpoint=False) + 0.2
    positions = np.stack([3 * np.cos(angles), 3 * np.sin(angles), np.full(4, 1.2)], axis=1)
    poses = np.stack([look_at(position, np.zeros(3), (0.0, 0.0, 1.0)) for position in positions])
    points = np.array([[0, 0, 0], [0.6, 0, 0.2], [-0.5, 0.5, 0], [0, -0.7, -0.3], [0.1, 0.3, 0.6]], dtype=np.float64)
    return Dots(poses, points)


@pytest.fixture
def write_model(dots: Dots) -> Callable[..., Path]:
    """A function that writes a COLMAP model of the dots, with its pictures in ``images``, and returns its folder."""

    def write(root: Path, model: str, params: list[float], text: bool = False, below: str = "sparse/0") -> Path:
        camera = pycolmap.Camera(camera_id=1, model=model, width=SIZE[0], height=SIZE[1], params=params)
        reconstruction = pycolmap.Reconstruction()
        reconstruction.add_camera_with_trivial_rig(camera)
        for view, name in enumerate(dots.write_pictures(camera, root / "images")):
            pixels = camera.img_from_cam(dots.camera_from_world(view) * dots.points)
            image = pycolmap.Image(name, keypoints=pixels, camera_id=1, image_id=view + 1)
            reconstruction.add_image_with_trivial_frame(image, dots.camera_from_world(view))
        for index, point in enumerate(dots.points):
            track = pycolmap.Track([pycolmap.TrackElement(view + 1, index) for view in range(len(dots.poses))])
            reconstruction.add_point3D(point, track, np.array([250, 10 * index, 0], dtype=np.uint8))
        folder = root / below
        folder.mkdir(parents=True, exist_ok=True)
        (reconstruction.write_text if text else reconstruction.write_binary)(str(folder))
        return root

    return write
