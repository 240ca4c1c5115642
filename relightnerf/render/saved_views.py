"""Views that the viewer saves and ``render`` renders: a camera with its light, and keyframes.

A file is one view,

    {"format": 1, "kind": "relightnerf-view", "camera": <transforms.json with one frame>, "light": <light>}

with the light null for the capture's own, else the attributes of ``Lighting``; or several views in order,

    {"format": 1, "kind": "relightnerf-keyframes", "views": [<view>, ...], "seconds": <length, may be left out>}

Cameras and lights are in the capture's world frame.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from relightnerf.cameras import Camera, Cameras, cameras_from_content, content_of_cameras
from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json
from relightnerf.lights import Lighting

FORMAT = 1
"""Version of the files."""

_VIEW, _KEYFRAMES = "relightnerf-view", "relightnerf-keyframes"
"""What ``kind`` says in files of the two kinds."""


@dataclass(frozen=True)
class SavedView:
    """What a camera sees under a light.

    Attributes:
        camera: in the capture's world frame.
        light: in the capture's world frame; None: the capture's own.
    """

    camera: Camera
    light: Lighting | None


@dataclass(frozen=True)
class Keyframes:
    """Views in the order in which a video passes them.

    Attributes:
        views: in files at least one.
        seconds: length of the video; None where the file does not say.
    """

    views: tuple[SavedView, ...]
    seconds: float | None = None

    def cameras(self) -> Cameras:
        """Return the views' cameras at the size of the first, each with its vertical field of view."""
        first = self.views[0].camera
        alike = [Cameras.stack([view.camera]).resized(first.width, first.height)[0] for view in self.views]
        if len({camera.name for camera in alike}) < len(alike):
            alike = [replace(camera, name=f"{index:05d}") for index, camera in enumerate(alike)]
        return Cameras.stack(alike)


def save_view(path: Path, view: SavedView) -> None:
    """Write one view as JSON, atomically."""
    write_json(path, _content(view))


def save_keyframes(path: Path, views: Sequence[SavedView], seconds: float | None = None) -> None:
    """Write several views, and how long a video of them lasts, as JSON, atomically."""
    length = {} if seconds is None else {"seconds": seconds}
    write_json(path, {"format": FORMAT, "kind": _KEYFRAMES, "views": [_content(view) for view in views], **length})


def load_view(path: Path) -> SavedView:
    """Read a file that holds one view.

    Raises:
        InputError: the file holds something else.
    """
    views = load_views(path).views
    if len(views) > 1:
        raise InputError(f"{path}: {len(views)} views, where one is needed", "save a single view")
    return views[0]


def load_views(path: Path) -> Keyframes:
    """Read a view, or keyframes; one view counts as keyframes of that view alone.

    Raises:
        InputError: the file holds something else, or a camera or light cannot be used.
    """
    content = read_json(path)
    if content.get("kind") not in (_VIEW, _KEYFRAMES):
        raise InputError(f"{path}: neither a view nor keyframes", "give a file that the viewer has saved")
    if content.get("format") != FORMAT:
        raise InputError(f"{path}: format {content.get('format')!r}, this version reads {FORMAT}", "save it again")
    if content["kind"] == _VIEW:
        return Keyframes((_view(path, content, str(path)),))
    views, seconds = content.get("views"), content.get("seconds")
    if not isinstance(views, list) or not views:
        raise InputError(f'{path}: no "views"', "save at least one")
    if seconds is not None and not (isinstance(seconds, int | float) and math.isfinite(seconds) and seconds > 0):
        raise InputError(f'{path}: "seconds" is {seconds!r}', "give a number above 0, or leave it out")
    return Keyframes(tuple(_view(path, view, f"{path}: view {i}") for i, view in enumerate(views)), seconds)


def is_saved_views(path: Path) -> bool:
    """Say whether a JSON file calls itself a view or keyframes.

    Raises:
        InputError: the file is no JSON object.
    """
    return read_json(path).get("kind") in (_VIEW, _KEYFRAMES)


def _content(view: SavedView) -> dict[str, Any]:
    light = view.light and {name: np.asarray(value).tolist() for name, value in vars(view.light).items()}
    return {"format": FORMAT, "kind": _VIEW, "camera": content_of_cameras(Cameras.stack([view.camera])), "light": light}


def _view(path: Path, content: Any, where: str) -> SavedView:
    if not isinstance(content, dict) or not isinstance(content.get("camera"), dict) or "light" not in content:
        raise InputError(f'{where}: "camera" or "light" is missing', "save the view again")
    cameras = cameras_from_content(path, content["camera"])
    if len(cameras) != 1:
        raise InputError(f"{where}: {len(cameras)} cameras", "give one camera a view")
    light = content["light"]
    return SavedView(cameras[0], None if light is None else Lighting.from_described(light, f"{where}: light"))
