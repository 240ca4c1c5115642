"""One photo of a scene with its camera and geometry, as relighters take it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.imaging.color import to_float
from relightnerf.io.images import read_array, read_image
from relightnerf.scene import Scene


@dataclass(frozen=True)
class View:
    """A photo and what is known about the surfaces in it.

    Attributes:
        camera: the pinhole camera, posed in the world.
        image: sRGB in [0, 1], float32.
        depth: along the camera's -z, world units, 0 where unknown.
        normal_camera: unit, camera frame (OpenGL), 0 where unknown.
        mask: True where the photo may be used; None: everywhere.
        confidence: how sure the geometry is, in [0, 1]; None: not known, and taken to be sure.
    """

    camera: Camera
    image: Float[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]
    normal_camera: Float[np.ndarray, "height width 3"]
    mask: Bool[np.ndarray, "height width"] | None = None
    confidence: Float[np.ndarray, "height width"] | None = None

    @property
    def name(self) -> str:
        """The view's name, which is its camera's."""
        return self.camera.name

    @property
    def known(self) -> Bool[np.ndarray, "height width"]:
        """True where both depth and normal are known."""
        return (self.depth > 0) & np.any(self.normal_camera != 0, axis=-1)

    @property
    def normal_world(self) -> Float[np.ndarray, "height width 3"]:
        """Unit normals in the world frame, 0 where unknown."""
        # R n for each pixel; rows are vectors.
        return (self.normal_camera @ self.camera.camera_to_world[:3, :3].T).astype(np.float32)

    @property
    def points_world(self) -> Float[np.ndarray, "height width 3"]:
        """The world point that each pixel sees; the camera's centre where the depth is unknown."""
        return self.camera.points_world(self.depth).astype(np.float32)


def load_view(scene: Scene, camera: Camera) -> View:
    """Read one view of a scene whose geometry is there.

    Raises:
        InputError: a file is missing, cannot be read, or has another size than the camera's picture.
    """
    size = (camera.height, camera.width)
    image = to_float(read_image(scene.image_path(camera.name)))
    depth = read_array(scene.depth_path(camera.name))
    normal = read_array(scene.normal_path(camera.name))
    _check_size(scene.image_path(camera.name), image.shape, (*size, 3))
    _check_size(scene.depth_path(camera.name), depth.shape, size)
    _check_size(scene.normal_path(camera.name), normal.shape, (*size, 3))
    path, confidence = scene.confidence_path(camera.name), None
    if path.is_file():
        confidence = read_array(path)
        _check_size(path, confidence.shape, size)
    return View(camera, image, depth, normal, scene.mask(camera.name), confidence)


class SceneViews(Sequence[View]):
    """The views of a scene, read from its folder each time one is asked for (a large capture fills no memory)."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.cameras = scene.cameras()

    def __len__(self) -> int:
        return len(self.cameras)

    @overload
    def __getitem__(self, index: int) -> View: ...
    @overload
    def __getitem__(self, index: slice) -> list[View]: ...
    def __getitem__(self, index: int | slice) -> View | list[View]:
        """Read one view, or the views of a slice."""
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return load_view(self._scene, self.cameras[index])

    def __iter__(self) -> Iterator[View]:
        return (self[index] for index in range(len(self)))

    def check(self) -> None:
        """Read every file, one view at a time.

        Raises:
            InputError: one is missing, cannot be read, or has another size than its camera's picture.
        """
        for view in self:
            # Given up before the next is read, so only one view is in memory at a time.
            del view


def _check_size(path: Path, shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if shape != expected:
        raise InputError(f"{path}: has shape {shape}, its camera needs {expected}", "run the stage that makes it again")
