"""A nerfstudio dataset: ``transforms.json`` and the pictures that it names."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float

from relightnerf.capture._names import evenly_chosen, natural_key, view_names
from relightnerf.capture._pictures import (
    PICTURE_SUFFIXES,
    check_mask,
    enable_heif,
    mask_beside,
    picture_size,
    same_shape,
)
from relightnerf.capture._points import read_points
from relightnerf.capture._types import Capture, Lens, Photo, Points, SourceOptions
from relightnerf.errors import InputError
from relightnerf.io.files import read_json

_MODELS = {
    "SIMPLE_PINHOLE": "OPENCV",
    "PINHOLE": "OPENCV",
    "SIMPLE_RADIAL": "OPENCV",
    "RADIAL": "OPENCV",
    "OPENCV": "OPENCV",
    "PERSPECTIVE": "OPENCV",
    "OPENCV_FISHEYE": "OPENCV_FISHEYE",
    "FISHEYE": "OPENCV_FISHEYE",
}
"""Lens models by the names that datasets give them; a pinhole is an OpenCV lens without distortion."""


@dataclass(frozen=True)
class NerfstudioSource:
    """A nerfstudio dataset whose file was read and checked, and whose pictures exist."""

    json_path: Path
    photos: tuple[Photo, ...]
    points_path: Path | None
    kind: str = "nerfstudio dataset"
    finds_poses: bool = False

    @property
    def files(self) -> list[Path]:
        """The json, the points, the pictures and their masks."""
        points = [] if self.points_path is None else [self.points_path]
        return [self.json_path, *points, *(photo.path for photo in self.photos), *self.masks]

    @property
    def masks(self) -> list[Path]:
        """The masks of those photos that have one."""
        return [photo.mask for photo in self.photos if photo.mask is not None]

    @property
    def count(self) -> int:
        """The number of photos."""
        return len(self.photos)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first photo, pixels."""
        return self.photos[0].lens.width, self.photos[0].lens.height

    def load(self, workspace: Path) -> Capture:
        """Return the photos and the points that the dataset names."""
        return Capture(self.photos, Points() if self.points_path is None else read_points(self.points_path))


def open_nerfstudio(path: Path, options: SourceOptions) -> NerfstudioSource | None:
    """Return the dataset in a folder with ``transforms.json`` or of such a file; None if it is something else.

    Raises:
        InputError: a key is missing, a pose is not finite, a picture is absent or of another shape than the json says.
    """
    json_path = path if path.suffix.lower() == ".json" else path / "transforms.json"
    if not json_path.is_file():
        return None
    content = read_json(json_path)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f'{json_path}: no "frames"', "give a transforms.json with at least one frame")
    values = [{**content, **frame} for frame in frames]
    where = [f"{json_path}: frame {index}" for index in range(len(frames))]
    pictures = _pictures(json_path, values, where)
    enable_heif(pictures)
    names = view_names([PurePosixPath(picture.as_posix()) for picture in pictures])
    order = sorted(range(len(names)), key=lambda index: natural_key(names[index]))
    order = [order[index] for index in evenly_chosen(len(order), options.max_views)]
    photos = tuple(_photo(names[i], pictures[i], values[i], json_path.parent, where[i]) for i in order)
    return NerfstudioSource(json_path, photos, _points_path(json_path, content))


def _pictures(json_path: Path, values: list[dict[str, Any]], where: list[str]) -> list[Path]:
    named = [json_path.parent / str(_required(v, "file_path", at)) for v, at in zip(values, where, strict=True)]
    pictures = [_with_suffix(path) for path in named]
    absent = [path for path in pictures if not path.is_file()]
    if absent:
        raise InputError(
            f"{json_path}: {len(absent)} of {len(pictures)} images are absent, the first is {absent[0]}",
            "put the images there or remove their frames",
        )
    return pictures


def _with_suffix(path: Path) -> Path:
    """Add the suffix that synthetic datasets leave out."""
    candidates = [path, *(path.with_name(path.name + suffix) for suffix in PICTURE_SUFFIXES)]
    return next((candidate for candidate in candidates if candidate.is_file()), path)


def _photo(name: str, picture: Path, values: Mapping[str, Any], folder: Path, where: str) -> Photo:
    pose = checked_pose(_required(values, "transform_matrix", where), where)
    size = picture_size(picture)
    lens = _lens(values, size, picture, where)
    mask = folder / str(values["mask_path"]) if values.get("mask_path") else mask_beside(picture)
    if mask is not None and not mask.is_file():
        raise InputError(f"{where}: the mask {mask} is absent", "put it there or remove its mask_path")
    check_mask(mask, size)
    return Photo(name, picture, lens, pose, mask)


def _lens(values: Mapping[str, Any], size: tuple[int, int], picture: Path, where: str) -> Lens:
    model = _MODELS.get(str(values.get("camera_model", "OPENCV")).upper())
    if model is None:
        raise InputError(
            f"{where}: the camera model {values['camera_model']!r} is not supported",
            f"use one of {', '.join(sorted(_MODELS))}",
        )
    width, height = (_number(values, key, where, default) for key, default in zip("wh", size, strict=True))
    if min(width, height) <= 0 or not same_shape((width, height), size):
        raise InputError(
            f"{picture.name}: is {size[0]}x{size[1]}, but {where} says {width:g}x{height:g}",
            "give the images that the file was made for",
        )
    scale_x, scale_y = size[0] / width, size[1] / height
    fx, fy = _focal_lengths(values, width, height, where)
    cx, cy = _number(values, "cx", where, width / 2), _number(values, "cy", where, height / 2)
    keys = ("k1", "k2", "k3", "k4") if model == "OPENCV_FISHEYE" else ("k1", "k2", "p1", "p2")
    distortion = [_number(values, key, where, 0.0) for key in keys]
    k3 = 0.0 if model == "OPENCV_FISHEYE" else _number(values, "k3", where, 0.0)
    if model == "OPENCV" and _number(values, "k4", where, 0.0):
        raise InputError(f"{where}: the distortion k4 of a perspective lens is not supported", "calibrate without it")
    if k3:
        model, distortion = "FULL_OPENCV", [*distortion, k3, 0.0, 0.0, 0.0]
    return Lens(model, *size, (fx * scale_x, fy * scale_y, cx * scale_x, cy * scale_y, *distortion))


def _focal_lengths(values: Mapping[str, Any], width: float, height: float, where: str) -> tuple[float, float]:
    if values.get("fl_x") is not None:
        fx = _number(values, "fl_x", where)
    elif values.get("camera_angle_x") is not None:
        fx = width / 2 / math.tan(_number(values, "camera_angle_x", where) / 2)
    else:
        raise InputError(f'{where}: "fl_x" is missing', 'add "fl_x" or "camera_angle_x"')
    angle_y = values.get("camera_angle_y")
    fy = fx if angle_y is None else height / 2 / math.tan(_number(values, "camera_angle_y", where) / 2)
    fy = _number(values, "fl_y", where, fy)
    if not (fx > 0 and fy > 0):
        raise InputError(f"{where}: the focal length is not positive ({fx:g}, {fy:g})", "repair fl_x and fl_y")
    return fx, fy


def checked_pose(matrix: Any, where: str) -> Float[np.ndarray, "4 4"]:
    """Return a 3x4 or 4x4 matrix as a pose whose rotation is exact.

    Raises:
        InputError: it has another shape, is not finite, or turns, scales and shears.
    """
    try:
        pose = np.asarray(matrix, dtype=np.float64)
    except (TypeError, ValueError):
        pose = np.zeros(0)
    if pose.shape not in ((3, 4), (4, 4)) or not np.isfinite(pose).all():
        raise InputError(f"{where}: the pose is not a finite 4x4 matrix", "repair or remove this frame")
    u, scales, v = np.linalg.svd(pose[:3, :3])
    if not np.allclose(scales, 1.0, atol=1e-2) or np.linalg.det(u @ v) < 0:
        raise InputError(f"{where}: the pose is not a rotation and a position", "repair or remove this frame")
    return np.vstack([np.column_stack([u @ v, pose[:3, 3]]), [0.0, 0.0, 0.0, 1.0]])


def _points_path(json_path: Path, content: Mapping[str, Any]) -> Path | None:
    if not content.get("ply_file_path"):
        return None
    path = json_path.parent / str(content["ply_file_path"])
    if not path.is_file():
        raise InputError(f"{json_path}: its ply_file_path {path} is absent", "put it there or remove the entry")
    return path


def _required(values: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in values:
        raise InputError(f'{where}: "{key}" is missing', "add it")
    return values[key]


def _number(values: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    value = _required(values, key, where) if default is None else values.get(key, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f'{where}: "{key}" is {value!r}, not a number', "repair it")
    return number
