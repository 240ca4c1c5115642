"""Sets of scenes that were photographed under several lights: one folder a scene.

A scene is a folder with a ``meta.json``::

    meta.json               {"format": 1, "lights": [{"name": "dir_0", "direction": [x, y, z]}, ...],
                             "fov_deg": 50.0, "source": "where it comes from"}
    <light>.png|jpg|exr     a picture a light, all of one size
    depth.npy               optional: along the camera's -z, 0 where unknown
    normal.npy              optional: (height, width, 3), camera frame, 0 where unknown
    visibility/<light>.png  optional: 8-bit grey, the part of the light's disc that each pixel's surface sees
    ambient_visibility.png  optional: 8-bit grey, the cosine-weighted part of the hemisphere over each pixel's surface
                            that is open
    albedo.png              optional: 8-bit sRGB
    mask.png                optional: 8-bit grey, above 0 where pixels count
    inexact.npz             optional: depth, normal, ambient_visibility and visibility (of all lights) as a fitted field
                            has them

Directions are unit vectors towards the lights in the camera frame (OpenGL); ``fov_deg`` is horizontal, null if unknown.

A scene whose ``meta.json`` has ``"layers": ["environment_0", ...]`` holds each light by itself, so that any can be
mixed from them (light adds linearly): every ``<light>.exr`` is linear, under the canonical light's disc alone;
``ambient.exr`` is under its ambient part alone; and each of the named layers, ``<layer>.exr``, is under an environment.
The picture of a light is then the sum of its disc and the ambient part.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.geometry.normals import depth_normals
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_float, to_uint8
from relightnerf.io.files import read_json, write_json
from relightnerf.io.hdr import read_hdr, write_hdr
from relightnerf.io.images import named_errors, read_array, read_image
from relightnerf.lights import LightSet, light_entries, parsed_lights

FORMAT = 1
"""Version of ``meta.json``."""
_META, _DEPTH, _NORMAL, _VISIBILITY, _MASK = "meta.json", "depth.npy", "normal.npy", "visibility", "mask.png"
_AMBIENT, _AMBIENT_VISIBILITY, _ALBEDO = "ambient", "ambient_visibility.png", "albedo.png"
INEXACT = "inexact.npz"
"""Name of the file with geometry as a fitted field has it."""
InexactPart = Literal["depth", "normal", "ambient_visibility", "visibility"]
_FORMER_AMBIENT_VISIBILITY = "openness"
"""Name that sets rendered by relightnerf 0.1 use."""
_SUFFIXES = (".png", ".jpg", ".jpeg", ".exr")
"""Of pictures, in the order in which they are looked for."""
_REMAKE = "make the scene's folder again"


@dataclass(frozen=True)
class LightFolder:
    """One scene under several lights; pixels are read when they are asked for.

    Attributes:
        folder: where the scene lies.
        lights: names and unit directions, in the camera frame.
        files: name of each light's picture in the folder.
        fov_deg: horizontal field of view, None if unknown.
        source: free text.
        layers: names of the environments, if lights are kept by themselves; None if pictures are whole.
    """

    folder: Path
    lights: LightSet
    files: tuple[str, ...]
    fov_deg: float | None
    source: str
    layers: tuple[str, ...] | None = None

    @classmethod
    def load(cls, folder: Path) -> "LightFolder":
        """Read a scene's ``meta.json`` and look for its pictures.

        Raises:
            InputError: it is of another format, a value in it cannot be used, or a picture is missing.
        """
        path = folder / _META
        content = read_json(path)
        if content.get("format") != FORMAT:
            raise InputError(f'{path}: "format" is {content.get("format")!r}, not {FORMAT}', _REMAKE)
        lights = parsed_lights(path, content.get("lights"), "camera")
        present = set(os.listdir(folder))
        files = tuple(_picture_name(folder, name, present) for name in lights.names)
        layers = content.get("layers")
        if layers is not None:
            layers = tuple(map(str, layers))
            for name in (_AMBIENT, *layers):
                _picture_name(folder, name, present)
        fov_deg = _read_fov(path, content.get("fov_deg"))
        return cls(folder, lights, files, fov_deg, str(content.get("source", "")), layers)

    def __len__(self) -> int:
        return len(self.files)

    def index(self, light: str) -> int:
        """Return which light has this name.

        Raises:
            InputError: none has it.
        """
        if light not in self.lights.names:
            known = ", ".join(self.lights.names)
            raise InputError(f"{self.folder}: no light {light!r}", f"choose from: {known}")
        return self.lights.names.index(light)

    @cached_property
    def size(self) -> tuple[int, int]:
        """(width, height) of every picture, pixels."""
        path = self.folder / self.files[0]
        if path.suffix == ".exr":
            height, width = read_hdr(path).shape[:2]
            return width, height
        with named_errors(path), Image.open(path) as image:
            return image.size

    @property
    def camera(self) -> Camera:
        """The camera, at the origin; only of scenes whose field of view is known."""
        assert self.fov_deg is not None
        width, height = self.size
        focal = width / 2.0 / math.tan(math.radians(self.fov_deg) / 2.0)
        intrinsics = np.array([focal, focal, width / 2.0, height / 2.0])
        return Camera(self.folder.name, np.eye(4), intrinsics, width, height)

    def picture(self, index: int) -> Float[np.ndarray, "height width 3"]:
        """Return the picture under a light: float32 sRGB in [0, 1]; linear pictures are clipped and encoded.

        Raises:
            InputError: it cannot be read, or has another size than the first.
        """
        path = self.folder / self.files[index]
        if self.layers is not None:
            linear = self.layer(self.lights.names[index]) + self.layer(_AMBIENT)
            return linear_to_srgb(linear).astype(np.float32)
        if path.suffix == ".exr":
            return self._checked(path, linear_to_srgb(read_hdr(path)).astype(np.float32))
        return self._checked(path, to_float(read_image(path, upright=False)))

    def layer(self, name: str) -> Float[np.ndarray, "height width 3"]:
        """Return what one light alone gives: linear, 0 or more; only of scenes with ``layers``.

        Args:
            name: of a light (its disc), of an environment, or ``ambient``.

        Raises:
            InputError: it cannot be read, or has another size than the first.
        """
        path = self.folder / f"{name}.exr"
        return self._checked(path, read_hdr(path))

    def depth(self) -> Float[np.ndarray, "height width"]:
        """Return the distance along the camera's -z, 0 where unknown.

        Raises:
            InputError: there is none, or it has another size than the pictures.
        """
        path = self.folder / _DEPTH
        if not path.is_file():
            raise InputError(f"{path}: missing", "estimate it, or leave out the parts depth, normal and shading")
        return self._checked(path, read_array(path).astype(np.float32))

    def normal(self) -> Float[np.ndarray, "height width 3"]:
        """Return unit normals in the camera frame, 0 where unknown: the stored ones, else those of the depth.

        Raises:
            InputError: there are none and depth or field of view is missing, or the size is not the pictures'.
        """
        path = self.folder / _NORMAL
        if path.is_file():
            return self._checked(path, read_array(path).astype(np.float32))
        if self.fov_deg is None:
            raise InputError(f'{path}: missing, and {_META} has no "fov_deg"', "add one of the two")
        return depth_normals(self.camera, self.depth())

    def visibility(self, index: int) -> Float[np.ndarray, "height width"]:
        """Return the part of a light's disc that each pixel sees, in [0, 1]; 1 where there is no file."""
        return self._grey(self.folder / _VISIBILITY / f"{self.lights.names[index]}.png")

    def ambient_visibility(self) -> Float[np.ndarray, "height width"]:
        """Return the ambient visibility of each pixel's surface, in [0, 1]; 1 where there is no file."""
        path, former = self.folder / _AMBIENT_VISIBILITY, self.folder / f"{_FORMER_AMBIENT_VISIBILITY}.png"
        return self._grey(former if former.is_file() else path)

    @cached_property
    def has_inexact(self) -> bool:
        """Whether there is geometry as a fitted field has it."""
        return (self.folder / INEXACT).is_file()

    def inexact(self, part: InexactPart) -> np.ndarray:
        """Return a part of the geometry as a fitted field has it; both kinds of visibility in 8 bits.

        Raises:
            InputError: it cannot be read, or is of other lights or another size.
        """
        path = self.folder / INEXACT
        with named_errors(path), np.load(path, allow_pickle=False) as arrays:
            is_former = part == "ambient_visibility" and part not in arrays
            values = arrays[_FORMER_AMBIENT_VISIBILITY if is_former else part]
        if part != "visibility":
            return self._checked(path, values)
        if len(values) != len(self):
            raise InputError(f"{path}: of {len(values)} lights, but the scene has {len(self)}", _REMAKE)
        return np.stack([self._checked(path, each) for each in values])

    @cached_property
    def has_albedo(self) -> bool:
        """Whether there is an albedo."""
        return (self.folder / _ALBEDO).is_file()

    def albedo(self) -> Float[np.ndarray, "height width 3"]:
        """Return the albedo, linear in [0, 1].

        Raises:
            InputError: there is none, or it has another size than the pictures.
        """
        path = self.folder / _ALBEDO
        return self._checked(path, srgb_to_linear(to_float(read_image(path, upright=False))).astype(np.float32))

    def mask(self) -> Float[np.ndarray, "height width"]:
        """Return 1 where pixels count, 0 elsewhere; 1 where there is no file."""
        return (self._grey(self.folder / _MASK) > 0).astype(np.float32)

    def _grey(self, path: Path) -> Float[np.ndarray, "height width"]:
        if not path.is_file():
            return np.ones(self.size[::-1], np.float32)
        with named_errors(path), Image.open(path) as image:
            return self._checked(path, to_float(np.asarray(image.convert("L"))))

    def _checked(self, path: Path, values: np.ndarray) -> np.ndarray:
        width, height = self.size
        if values.shape[:2] != (height, width):
            found = "x".join(map(str, values.shape[1::-1]))
            raise InputError(f"{path}: is {found}, but the first picture is {width}x{height}", _REMAKE)
        return values


def find_light_folders(root: Path) -> list[LightFolder]:
    """Return the scenes below a folder, or the folder itself, sorted by path.

    Raises:
        InputError: there are none, or one of them cannot be used.
    """
    found = []
    for folder, below, files in os.walk(root):
        if _META in files:
            found.append(Path(folder))
            below.clear()
    if not found:
        raise InputError(f"{root}: no scenes", f"give a folder with scenes (each has a {_META})")
    return [LightFolder.load(folder) for folder in sorted(found)]


def is_made(folder: Path, source: str) -> bool:
    """Say whether a scene is there, whole.

    Raises:
        InputError: it is, but its ``source`` says that it was made otherwise.
    """
    if not (folder / _META).is_file():
        return False
    if (found := LightFolder.load(folder).source) != source:
        raise InputError(f"{folder}: was made otherwise ({found})", "choose another --output, or remove the folder")
    return True


def write_light_folder(
    folder: Path,
    pictures: Sequence[UInt8[np.ndarray, "height width 3"]] | Sequence[Float[np.ndarray, "height width 3"]],
    lights: LightSet,
    depth: Float[np.ndarray, "height width"] | None = None,
    normal: Float[np.ndarray, "height width 3"] | None = None,
    visibility: Sequence[Float[np.ndarray, "height width"]] | None = None,
    fov_deg: float | None = None,
    mask: np.ndarray | None = None,
    source: str = "",
    layers: Mapping[str, Float[np.ndarray, "height width 3"]] | None = None,
    ambient_visibility: Float[np.ndarray, "height width"] | None = None,
    albedo: Float[np.ndarray, "height width 3"] | None = None,
) -> None:
    """Write a scene; ``meta.json`` comes last, so a scene is either whole or not there.

    That file makes the scene, so only that one is renamed into place; the others are written directly, which for the
    many small files of a large set takes a fraction of the time.

    Args:
        folder: gets the files; what it has of an earlier scene's geometry and mask goes.
        pictures: 8-bit sRGB, one a light; linear, of the disc alone, if there are ``layers``.
        lights: names and directions in the camera frame.
        depth: along the camera's -z, 0 where unknown.
        normal: unit vectors in the camera frame, 0 where unknown.
        visibility: part of each light's disc that is seen, in [0, 1].
        fov_deg: horizontal field of view.
        mask: above 0 where pixels count.
        source: free text.
        layers: linear pictures under ``ambient`` and under environments, by name; stored in half precision.
        ambient_visibility: ambient visibility in [0, 1].
        albedo: linear in [0, 1].

    Raises:
        ValueError: not as many pictures (or visibilities) as lights, or lights in the world frame.
    """
    if len(pictures) != len(lights.names) or lights.frame != "camera":
        raise ValueError(f"{len(pictures)} pictures of {len(lights.names)} lights in the {lights.frame} frame")
    for name in (_META, INEXACT):
        (folder / name).unlink(missing_ok=True)
    (folder / _VISIBILITY).mkdir(parents=True, exist_ok=True)
    for name, picture in (layers or {}).items():
        write_hdr(folder / f"{name}.exr", picture.astype(np.float16))
    for index, name in enumerate(lights.names):
        if layers is None:
            _save(folder / f"{name}.png", pictures[index])
        else:
            write_hdr(folder / f"{name}.exr", pictures[index].astype(np.float16))
        _save(folder / _VISIBILITY / f"{name}.png", None if visibility is None else to_uint8(visibility[index]))
    _save(folder / _MASK, None if mask is None else np.where(np.asarray(mask) > 0, 255, 0).astype(np.uint8))
    _save(folder / _AMBIENT_VISIBILITY, None if ambient_visibility is None else to_uint8(ambient_visibility))
    _save(folder / _ALBEDO, None if albedo is None else to_uint8(linear_to_srgb(albedo)))
    _save(folder / _DEPTH, depth)
    _save(folder / _NORMAL, normal)
    meta = {"format": FORMAT, "lights": light_entries(lights), "fov_deg": fov_deg, "source": source}
    if layers is not None:
        meta["layers"] = [name for name in layers if name != _AMBIENT]
    write_json(folder / _META, meta)


def _save(path: Path, values: np.ndarray | None) -> None:
    """Write a picture or a float32 array, or remove it if there is none."""
    if values is None:
        path.unlink(missing_ok=True)
    elif path.suffix == ".npy":
        np.save(path, values.astype(np.float32), allow_pickle=False)
    else:
        Image.fromarray(values).save(path)


def _read_fov(path: Path, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 180.0:
        raise InputError(f'{path}: "fov_deg" is {value!r}', "give degrees between 0 and 180, or null")
    return float(value)


def _picture_name(folder: Path, light: str, present: set[str]) -> str:
    name = next((light + suffix for suffix in _SUFFIXES if light + suffix in present), None)
    if name is None:
        kinds = ", ".join(_SUFFIXES)
        raise InputError(f"{folder}: no picture of light {light!r} ({kinds})", f"add it or remove it from {_META}")
    return name
