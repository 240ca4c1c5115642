"""A COLMAP model (text or binary) and the photos that it was made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from relightnerf.capture._lenses import resized_lens
from relightnerf.capture._names import evenly_chosen, natural_key, view_names
from relightnerf.capture._pictures import check_mask, enable_heif, mask_beside, picture_size, same_shape
from relightnerf.capture._types import Capture, Lens, Photo, Points, SourceOptions
from relightnerf.errors import InputError

if TYPE_CHECKING:
    import pycolmap

_MODEL_FOLDERS = (".", "sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "model")
"""Where in a folder a model is looked for, in this order."""
_MODEL_FILES = ("cameras", "images", "points3D")
_OPTIONAL_FILES = ("rigs", "frames")
"""Files that newer versions of COLMAP write beside those."""
_FEWEST_PHOTOS = 3
"""Photos with poses below which a model is refused: two views tell depth once, and nothing checks it."""
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""Turns y and z: COLMAP's cameras look along +z with y down, ours along -z with y up."""


@dataclass(frozen=True)
class ColmapSource:
    """A COLMAP model that was read, and whose photos exist."""

    model_files: tuple[Path, ...]
    capture: Capture
    kind: str = "COLMAP model"
    finds_poses: bool = False

    @property
    def files(self) -> list[Path]:
        """The model, the photos and their masks."""
        return [*self.model_files, *(photo.path for photo in self.capture.photos), *self.masks]

    @property
    def masks(self) -> list[Path]:
        """The masks of those photos that have one."""
        return [photo.mask for photo in self.capture.photos if photo.mask is not None]

    @property
    def count(self) -> int:
        """The number of photos."""
        return len(self.capture.photos)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first photo, pixels."""
        return self.capture.photos[0].lens.width, self.capture.photos[0].lens.height

    def load(self, workspace: Path) -> Capture:
        """Return the photos and points of the model, in the model's own world frame."""
        return self.capture


def open_colmap(path: Path, options: SourceOptions) -> ColmapSource | None:
    """Return the COLMAP model in a folder or in its ``sparse``, ``sparse/0`` or ``colmap/sparse/0``; None if none.

    Raises:
        InputError: the model cannot be read, or its photos are absent or of other shapes than it says.
    """
    model = next((path / below for below in _MODEL_FOLDERS if _model_files(path / below)), None)
    if model is None:
        return None
    reconstruction = read_model(model)
    folder = _image_folder(path, model, [image.name for image in reconstruction.images.values()])
    capture = capture_from_model(reconstruction, folder, options.max_views)
    return ColmapSource(tuple(_model_files(model)), capture)


def read_model(folder: Path) -> "pycolmap.Reconstruction":
    """Read a COLMAP model.

    Raises:
        InputError: it cannot be read, or too few of its photos have a pose.
    """
    import pycolmap

    try:
        reconstruction = pycolmap.Reconstruction(str(folder))
    except Exception as error:  # whatever COLMAP's checks throw
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{folder}: the COLMAP model cannot be read ({reason})", "export the model again") from None
    if reconstruction.num_reg_images() < _FEWEST_PHOTOS:
        raise InputError(
            f"{folder}: the COLMAP model has {reconstruction.num_reg_images()} photos with a pose",
            f"give a model with at least {_FEWEST_PHOTOS}",
        )
    return reconstruction


def capture_from_model(
    reconstruction: "pycolmap.Reconstruction",
    folder: Path,
    max_views: int | None = None,
    pictures: Mapping[str, Photo] | None = None,
) -> Capture:
    """Return the posed photos and the points of a COLMAP model, in its world frame.

    Args:
        reconstruction: the model.
        folder: where the photos are that the model names.
        max_views: photos to use, evenly chosen; None for all.
        pictures: what the photos really are (path, name, mask), by their name in the model, where the model was made
            from copies of them; poses and lenses are filled in.

    Raises:
        InputError: a photo is absent, is of another shape than the model says, or has an unsupported camera.
    """
    images = sorted((i for i in reconstruction.images.values() if i.has_pose), key=lambda i: natural_key(i.name))
    images = [images[index] for index in evenly_chosen(len(images), max_views)]
    names = view_names([PurePosixPath(image.name) for image in images])
    photos = []
    for name, image in zip(names, images, strict=True):
        lens = lens_from_camera(reconstruction.cameras[image.camera_id], folder)
        pose = _pose(image)
        if pictures is None:
            path = folder / image.name
            lens, mask = _for_picture(lens, path), mask_beside(path)
            check_mask(mask, (lens.width, lens.height))
            photos.append(Photo(name, path, lens, pose, mask))
        else:
            known = pictures[image.name]
            lens = resized_lens(lens, known.lens.width, known.lens.height)
            photos.append(Photo(known.name, known.path, lens, pose, known.mask, known.upright))
    return Capture(tuple(photos), _points(reconstruction))


def lens_from_camera(camera: "pycolmap.Camera", where: Path) -> Lens:
    """Return the lens of a COLMAP camera.

    Raises:
        InputError: it is a panorama, or its parameters are not finite.
    """
    model = camera.model.name
    if model in ("EQUIRECTANGULAR", "INVALID") or not np.isfinite(camera.params).all():
        raise InputError(
            f"{where}: the camera model {model} with {camera.params_to_string()} is not supported",
            "give photos of a perspective or fisheye lens",
        )
    return Lens(model, int(camera.width), int(camera.height), tuple(float(p) for p in camera.params))


def _model_files(folder: Path) -> list[Path]:
    """Return the files of the model in a folder, none when it is not complete; binary files win as in COLMAP."""
    for suffix in (".bin", ".txt"):
        required = [folder / f"{name}{suffix}" for name in _MODEL_FILES]
        if all(path.is_file() for path in required):
            optional = [folder / f"{name}{suffix}" for name in _OPTIONAL_FILES]
            return required + [path for path in optional if path.is_file()]
    return []


def _image_folder(capture: Path, model: Path, names: list[str]) -> Path:
    """Return the folder where most of the photos are that a model names; all must be there."""
    roots = [capture, *list(model.resolve().parents)[:3]]
    folders = [root / below for root in roots for below in ("images", "input", ".")]
    counted = {folder: sum((folder / name).is_file() for name in names) for folder in folders}
    folder = max(counted, key=lambda candidate: counted[candidate])
    if counted[folder] < len(names):
        absent = next(name for name in names if not (folder / name).is_file())
        raise InputError(
            f"{capture}: {len(names) - counted[folder]} of the {len(names)} photos of the COLMAP model are absent, "
            f"the first is {absent}",
            f"put them into {capture / 'images'}",
        )
    return folder


def _for_picture(lens: Lens, path: Path) -> Lens:
    enable_heif([path])
    width, height = picture_size(path)
    if not same_shape((width, height), (lens.width, lens.height)):
        raise InputError(
            f"{path}: is {width}x{height}, but its COLMAP camera is {lens.width}x{lens.height}",
            "give the photos that the model was made from",
        )
    return resized_lens(lens, width, height)


def _pose(image: "pycolmap.Image") -> Float[np.ndarray, "4 4"]:
    world_from_camera = np.eye(4)
    world_from_camera[:3] = image.cam_from_world().inverse().matrix()
    return world_from_camera @ _OPENGL_FROM_OPENCV


def _points(reconstruction: "pycolmap.Reconstruction") -> Points:
    points = [reconstruction.points3D[index] for index in sorted(reconstruction.points3D)]
    if not points:
        return Points()
    return Points(np.array([point.xyz for point in points]), np.array([point.color for point in points], np.uint8))
