"""The scene folder: the only interface between stages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from jaxtyping import Bool

from relightnerf.cameras import Cameras, load_cameras
from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_mask
from relightnerf.lights import normalized_direction

FORMAT = 2
"""Number of the format that scene folders are written in; every one from 1 on is read."""
MUCH_UNSURE = 0.15
"""Share of the pixels with unsure geometry from which on it is worth a word."""
SWEEP = "light_sweep.mp4"
"""File name of the video of a moving light that ``relightnerf run`` makes in ``renders/``."""


def place_of_help(unsure: Mapping[str, float]) -> str | None:
    """Return from where further photos would help, in words; None if that is not known.

    Args:
        unsure: content of ``Scene.unsure_path``.
    """
    if "azimuth_deg" not in unsure:
        return None
    return f"azimuth {unsure['azimuth_deg']}, elevation {unsure['elevation_deg']} degrees"


class NewerScene(InputError):
    """The scene has a format of a newer version: nothing may be written to it."""


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_given(value: object) -> bool:
    return value is not None


_KEYS: Mapping[str, Callable[[object], bool]] = {
    "name": _is_text,
    "source": _is_text,
    "world_up": _is_given,
    "width": _is_count,
    "height": _is_count,
}
"""Keys of ``scene.json`` beside ``format``, and what they hold."""


@dataclass(frozen=True)
class Scene:
    """A scene folder and what ``scene.json`` says about it.

    Attributes:
        root: the folder.
        name: for people.
        source: where the capture came from.
        world_up: unit vector that points up, in the capture's world frame.
        width: of the prepared images, pixels.
        height: of the prepared images, pixels.
        format: that the folder has; ``relightnerf upgrade`` brings it to ``FORMAT``.
    """

    root: Path
    name: str
    source: str
    world_up: tuple[float, float, float]
    width: int
    height: int
    format: int = FORMAT

    @classmethod
    def load(cls, root: Path) -> "Scene":
        """Read ``scene.json``.

        Raises:
            InputError: the folder is not a prepared scene, or one of a newer version.
        """
        path = root / "scene.json"
        if not path.is_file():
            raise InputError(f"{root}: not a scene folder (no scene.json)", "run `relightnerf prepare` first")
        content = read_json(path)
        number = content.get("format")
        if _is_count(number) and number > FORMAT:
            raise NewerScene(f"{path}: format {number}, made by a newer version of relightnerf", "update relightnerf")
        if not _is_count(number):
            raise InputError(f'{path}: "format" is {number!r}, not a scene\'s', "prepare the capture again")
        for key, is_right in _KEYS.items():
            if not is_right(content.get(key)):
                raise InputError(f'{path}: "{key}" is missing or wrong', "prepare the capture again")
        up = normalized_direction(content["world_up"], f"{path}: world_up")
        size = content["width"], content["height"]
        return cls(root, content["name"], content["source"], tuple(up.tolist()), *size, number)

    def save(self) -> None:
        """Write ``scene.json`` in the newest format, atomically."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "source": self.source,
            "world_up": list(self.world_up),
            "width": self.width,
            "height": self.height,
        }
        write_json(self.root / "scene.json", content)

    @property
    def capture(self) -> Path:
        """Folder of the prepared photos: ``transforms.json``, ``images/<view>.png``, ``masks/`` where there are any."""
        return self.root / "capture"

    @property
    def geometry(self) -> Path:
        """Folder of the base field, ``depth/<view>.npy``, ``normal/<view>.npy`` and ``mesh.ply``."""
        return self.root / "geometry"

    def relit(self, relighter: str) -> Path:
        """Folder of one relighter's ``<view>__<light>.png`` and ``lights.json``."""
        return self.root / "relit" / relighter

    @property
    def matched(self) -> Path:
        """Folder of the colour-matched ``<view>__<light>.png`` and ``lights.json``."""
        return self.root / "matched"

    @property
    def field(self) -> Path:
        """Folder of the relightable field: a nerfstudio run."""
        return self.root / "field"

    @property
    def renders(self) -> Path:
        """Default folder for rendered pictures and videos."""
        return self.root / "renders"

    @property
    def report(self) -> Path:
        """Folder of figures and contact sheets."""
        return self.root / "report"

    def held_out(self) -> list[str]:
        """Return the views that the fit has not seen, as it wrote them down; none if there is no fit yet.

        Raises:
            InputError: the file cannot be read.
        """
        path = self.field / "heldout.json"
        if not path.is_file():
            return []
        views = read_json(path).get("views")
        if not isinstance(views, list):
            raise InputError(f'{path}: no "views"', "fit the scene again")
        return [str(view) for view in views]

    def cameras(self) -> Cameras:
        """Return the cameras of the prepared photos, in the capture's world frame."""
        return load_cameras(self.capture / "transforms.json")

    def image_path(self, view: str) -> Path:
        """Return the prepared photo of a view (8-bit sRGB PNG)."""
        return self.capture / "images" / f"{view}.png"

    def mask_path(self, view: str) -> Path | None:
        """Return the mask of a view's photo (8-bit PNG, above 0 where it may be used); None: all of it may be."""
        path = self.capture / "masks" / f"{view}.png"
        return path if path.is_file() else None

    def mask(self, view: str) -> Bool[np.ndarray, "height width"] | None:
        """Return where a view's photo may be used; None: everywhere.

        Raises:
            InputError: the mask cannot be read, or has another size than the photos.
        """
        path = self.mask_path(view)
        if path is None:
            return None
        mask = read_mask(path)
        if mask.shape != (self.height, self.width):
            what = f"{path}: is {mask.shape[1]}x{mask.shape[0]} pixels, the photos are {self.width}x{self.height}"
            raise InputError(what, "run `relightnerf prepare --force`")
        return mask

    def masks(self, views: Sequence[str]) -> list[Bool[np.ndarray, "height width"] | None]:
        """Return the masks of some views, as ``mask`` does.

        Raises:
            InputError: one cannot be used, or all pixels of all these views are left out.
        """
        masks = [self.mask(view) for view in views]
        if all(mask is not None and not mask.any() for mask in masks):
            what = f"{self.capture / 'masks'}: the masks leave out every pixel"
            raise InputError(what, "make them white where photos are to be used, and prepare the capture again")
        return masks

    def depth_path(self, view: str) -> Path:
        """Return a view's depth: (height, width) float32 npy, along the camera's -z in world units, 0 unknown."""
        return self.geometry / "depth" / f"{view}.npy"

    def normal_path(self, view: str) -> Path:
        """Return a view's normals: (height, width, 3) float32 npy, unit, camera frame (OpenGL), 0 unknown."""
        return self.geometry / "normal" / f"{view}.npy"

    def confidence_path(self, view: str) -> Path:
        """Return how sure a view's geometry is: (height, width) float32 npy, in [0, 1]; older scenes have none."""
        return self.geometry / "confidence" / f"{view}.npy"

    @property
    def unsure_path(self) -> Path:
        """Geometry that is unsure: ``share`` of the pixels, and the angles that a photo would help from."""
        return self.geometry / "unsure.json"

    @property
    def mesh_path(self) -> Path:
        """The fused triangle mesh in the capture's world frame."""
        return self.geometry / "mesh.ply"
