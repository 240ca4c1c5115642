"""Pinhole cameras of a capture, in the capture's world frame (OpenGL camera-to-world)."""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, overload

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json

_POSE_VALUES = 16
"""Of a 4x4 matrix that a file gives as one flat list."""


@dataclass(frozen=True)
class Cameras:
    """Named pinhole cameras with pictures of one size.

    Attributes:
        names: unique names; a picture of camera ``name`` is called ``<name>.png``.
        camera_to_world: poses; x right, y up, looking along -z; world units.
        intrinsics: (fx, fy, cx, cy) in pixels; the centre of the top left pixel is at (0.5, 0.5).
        width: of every picture, pixels.
        height: of every picture, pixels.
    """

    names: tuple[str, ...]
    camera_to_world: Float[np.ndarray, "cameras 4 4"]
    intrinsics: Float[np.ndarray, "cameras 4"]
    width: int
    height: int

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> "Iterator[Camera]":
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: int) -> "Camera": ...
    @overload
    def __getitem__(self, index: slice | Sequence[int]) -> "Cameras": ...
    def __getitem__(self, index: int | slice | Sequence[int]) -> "Camera | Cameras":
        """Return one camera, or the cameras of a slice or of a list of indices, in its order."""
        if isinstance(index, slice | Sequence):
            chosen = list(range(len(self)))[index] if isinstance(index, slice) else list(index)
            names = tuple(self.names[i] for i in chosen)
            return replace(
                self, names=names, camera_to_world=self.camera_to_world[chosen], intrinsics=self.intrinsics[chosen]
            )
        return Camera(self.names[index], self.camera_to_world[index], self.intrinsics[index], self.width, self.height)

    @classmethod
    def stack(cls, cameras: "Sequence[Camera]") -> "Cameras":
        """Return cameras whose pictures have one size, at least one, together.

        Raises:
            ValueError: the sizes differ, or two have one name.
        """
        sizes, names = {(camera.width, camera.height) for camera in cameras}, tuple(camera.name for camera in cameras)
        if len(sizes) != 1 or len(set(names)) != len(names):
            raise ValueError(f"cameras of the sizes {sorted(sizes)} with the names {names}")
        poses, intrinsics = (
            np.stack([getattr(camera, name) for camera in cameras]) for name in ("camera_to_world", "intrinsics")
        )
        return cls(names, poses, intrinsics, *sizes.pop())

    def subset(self, names: Collection[str]) -> "Cameras":
        """Return the cameras with these names, in the order that they have here."""
        return self[[i for i, name in enumerate(self.names) if name in names]]

    def resized(self, width: int, height: int) -> "Cameras":
        """Return cameras with pictures of another size and the same vertical field of view.

        Where the shape of the pictures changes, they show more or less at the sides.
        """
        # fy / height fixes the vertical field of view; fx follows with the pixels' aspect, so pixels keep their shape.
        focal = self.intrinsics[:, 1:2] * height / self.height
        aspect = self.intrinsics[:, 0:1] / self.intrinsics[:, 1:2]
        centre = self.intrinsics[:, 2:] / [self.width, self.height] * [width, height]
        intrinsics = np.concatenate([focal * aspect, focal, centre], axis=-1)
        return replace(self, intrinsics=intrinsics, width=width, height=height)


@dataclass(frozen=True)
class Camera:
    """One pinhole camera; the attributes are those of ``Cameras``."""

    name: str
    camera_to_world: Float[np.ndarray, "4 4"]
    intrinsics: Float[np.ndarray, "4"]
    width: int
    height: int

    @classmethod
    def from_fov(cls, name: str, width: int, height: int, fov_deg: float) -> "Camera":
        """Return a camera at the origin whose frame is the world's, with square pixels.

        Args:
            name: of the camera.
            width: of its picture, pixels.
            height: of its picture, pixels.
            fov_deg: horizontal field of view, degrees.
        """
        # tan(fov / 2) is half of the width over the focal length.
        focal = width / 2.0 / np.tan(np.radians(fov_deg) / 2.0)
        return cls(name, np.eye(4), np.array([focal, focal, width / 2.0, height / 2.0]), width, height)

    @property
    def position(self) -> Float[np.ndarray, "3"]:
        """The centre of projection in the world."""
        return self.camera_to_world[:3, 3]

    def rays_camera(self) -> Float[np.ndarray, "height width 3"]:
        """Return each pixel's ray in the camera frame, scaled so that its z is -1 (depth times it is the point)."""
        # Pixel centres at + 0.5. Rows go down and y goes up, hence -y; cameras look along -z.
        fx, fy, cx, cy = self.intrinsics
        x = (np.arange(self.width) + 0.5 - cx) / fx
        y = (np.arange(self.height) + 0.5 - cy) / fy
        grid_x, grid_y = np.meshgrid(x, -y)
        return np.stack([grid_x, grid_y, np.full_like(grid_x, -1.0)], axis=-1)

    def points_world(self, depth: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width 3"]:
        """Return the world point that each pixel sees, for a depth along -z in world units."""
        # X = R (depth ray) + t, with points as rows.
        points_camera = self.rays_camera() * depth[..., None]
        return points_camera @ self.camera_to_world[:3, :3].T + self.position

    def project(
        self, points_world: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
        """Return where points are in the picture (x, y in pixels), and their depth along -z, not above 0 behind."""
        # The inverse: R^T (X - t), with points as rows.
        x, y, z = ((points_world - self.position) @ self.camera_to_world[:3, :3]).T
        fx, fy, cx, cy = self.intrinsics
        # Points behind go to the principal point instead of dividing by 0 or less.
        depth = np.where(z < 0.0, -z, np.inf)
        return np.stack([cx + fx * x / depth, cy - fy * y / depth], axis=-1), -z

    def resampled(self, width: int, height: int) -> "Camera":
        """Return the camera of the same picture, stretched to another size."""
        scale = np.array([width / self.width, height / self.height] * 2)
        return replace(self, intrinsics=self.intrinsics * scale, width=width, height=height)


def load_cameras(path: Path) -> Cameras:
    """Read the cameras of a pinhole ``transforms.json`` or of a nerfstudio camera-path JSON; images need not exist.

    Raises:
        InputError: a key is missing, a pose is not finite, a name occurs twice, or the sizes differ.
    """
    return cameras_from_content(path, read_json(path))


def cameras_from_content(path: Path, content: dict[str, Any]) -> Cameras:
    """Return the cameras of what a file says; ``path`` is for messages, all else is as with ``load_cameras``."""
    if "camera_path" in content:
        return _from_camera_path(path, content)
    frames = content.get("frames")
    if not isinstance(frames, list) or not frames:
        raise InputError(f'{path}: no "frames"', "give a transforms.json with at least one frame")
    names, poses, intrinsics, sizes = [], [], [], set()
    for index, frame in enumerate(frames):
        where = f"{path}: frame {index}"
        values = {**content, **_mapping(frame, where)}
        names.append(PurePosixPath(str(_required(values, "file_path", where))).stem)
        poses.append(_pose(_required(values, "transform_matrix", where), where))
        intrinsics.append(_intrinsics(values, where))
        sizes.add((int(_positive(values, "w", where)), int(_positive(values, "h", where))))
    return _checked(path, names, poses, intrinsics, sizes)


def save_cameras(path: Path, cameras: Cameras, **extra: Any) -> None:
    """Write the cameras as a nerfstudio ``transforms.json`` whose images are ``images/<name>.png``.

    Args:
        path: the file to write.
        cameras: the cameras.
        extra: further top-level keys, e.g. ``ply_file_path``.
    """
    write_json(path, content_of_cameras(cameras, **extra))


def content_of_cameras(cameras: Cameras, **extra: Any) -> dict[str, Any]:
    """Return what ``save_cameras`` writes and ``cameras_from_content`` reads."""
    frames = []
    for index, name in enumerate(cameras.names):
        keys = dict(zip(("fl_x", "fl_y", "cx", "cy"), map(float, cameras.intrinsics[index]), strict=True))
        matrix = cameras.camera_to_world[index].tolist()
        frames.append({"file_path": f"images/{name}.png", **keys, "transform_matrix": matrix})
    size = {"w": cameras.width, "h": cameras.height}
    return {"camera_model": "PINHOLE", **size, **extra, "frames": frames}


def _from_camera_path(path: Path, content: dict[str, Any]) -> Cameras:
    width = int(_positive(content, "render_width", str(path)))
    height = int(_positive(content, "render_height", str(path)))
    names, poses, intrinsics = [], [], []
    for index, entry in enumerate(content["camera_path"]):
        where = f"{path}: camera {index}"
        matrix = _required(_mapping(entry, where), "camera_to_world", where)
        poses.append(_pose(matrix, where))
        # nerfstudio's camera paths give the vertical field of view, degrees.
        focal = height / 2 / math.tan(math.radians(_positive(entry, "fov", where)) / 2)
        intrinsics.append([focal, focal, width / 2, height / 2])
        names.append(f"{index:05d}")
    return _checked(path, names, poses, intrinsics, {(width, height)})


def _checked(path: Path, names: list[str], poses: list, intrinsics: list, sizes: set[tuple[int, int]]) -> Cameras:
    if not names:
        raise InputError(f"{path}: no cameras", "give at least one")
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise InputError(f"{path}: two cameras are called {repeated!r}", "give each file_path a stem of its own")
    if len(sizes) > 1:
        raise InputError(f"{path}: cameras of different sizes ({sorted(sizes)})", "give them one size")
    ((width, height),) = sizes
    return Cameras(tuple(names), np.array(poses), np.array(intrinsics, dtype=np.float64), width, height)


def _required(values: dict[str, Any], key: str, where: str) -> Any:
    if key not in values:
        raise InputError(f'{where}: "{key}" is missing', "add it")
    return values[key]


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: not an object with keys", "repair or remove it")
    return value


def _number(values: dict[str, Any], key: str, where: str) -> float:
    value = _required(values, key, where)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f'{where}: "{key}" is {value!r}', "give a finite number")
    return float(value)


def _positive(values: dict[str, Any], key: str, where: str) -> float:
    number = _number(values, key, where)
    if number <= 0:
        raise InputError(f'{where}: "{key}" is {values[key]!r}', "give a number above 0")
    return number


def _intrinsics(values: dict[str, Any], where: str) -> list[float]:
    if any(abs(_number(values, key, where)) > 0 for key in ("k1", "k2", "k3", "k4", "p1", "p2") if key in values):
        raise InputError(f"{where}: has lens distortion", "give pinhole cameras (prepare undistorts a capture)")
    width, height = (_positive(values, key, where) for key in ("w", "h"))
    if "fl_x" in values:
        fx = _positive(values, "fl_x", where)
    else:
        fx = width / 2 / math.tan(_positive(values, "camera_angle_x", where) / 2)
    fy = _positive(values, "fl_y", where) if "fl_y" in values else fx
    cx, cy = (_number({"cx": width / 2, "cy": height / 2, **values}, key, where) for key in ("cx", "cy"))
    return [fx, fy, cx, cy]


def _pose(matrix: Any, where: str) -> Float[np.ndarray, "4 4"]:
    try:
        pose = np.asarray(matrix, dtype=np.float64)
    except (ValueError, TypeError):
        pose = np.empty(0)
    if pose.size == _POSE_VALUES:
        pose = pose.reshape(4, 4)
    if pose.shape == (3, 4):
        pose = np.vstack([pose, [0.0, 0.0, 0.0, 1.0]])
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise InputError(f"{where}: the pose is not a finite 4x4 matrix", "repair or remove this frame")
    return pose
