"""The pictures and numbers that the page's explorer works with."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from relightnerf.cameras import Cameras
from relightnerf.io.images import read_image
from relightnerf.lights import CAPTURE_LIGHT, load_lights
from relightnerf.report_page._dome import Dome
from relightnerf.report_page._pictures import picture_uri, picture_uris
from relightnerf.scene import Scene

FAR_DEG = 30
"""A light of the dome counts as far from the relit photos' lights if it is further from all of them, degrees."""

ROOM = 15_000_000
"""Characters that the explorer's pictures take at most."""

_THUMBNAIL = 144
"""Longer side of the pictures to choose a view by, pixels."""


@dataclass(frozen=True)
class Explorer:
    """Views under every light of a dome.

    Attributes:
        scene: that they are of.
        cameras: of the views, named like photos of the capture; their size is that of the pictures.
        dome: the lights.
        held_out: names of views that the fit has not seen.
    """

    scene: Scene
    cameras: Cameras
    dome: Dome
    held_out: Sequence[str]

    @property
    def folder(self) -> Path:
        """Where the pictures lie."""
        return self.scene.report / "explorer"

    @property
    def files(self) -> list[Path]:
        """The pictures: for each view those under the dome's lights, then the one under the capture's own."""
        names = (*self.dome.lights().names, CAPTURE_LIGHT)
        return [self.folder / f"{camera}__{light}.png" for camera in self.cameras.names for light in names]

    def data(self) -> dict[str, Any]:
        """Return what the page's script needs, as plain values; directions are in the dome's frame."""
        return {
            "width": self.cameras.width,
            "height": self.cameras.height,
            "directions": self.dome.directions.round(6).tolist(),
            "triangles": self.dome.triangles.tolist(),
            "far": self._far(),
            "far_deg": FAR_DEG,
            "views": self._views(),
        }

    def _far(self) -> list[bool]:
        lights = self.scene.matched / "lights.json"
        if not lights.is_file():
            return [False] * len(self.dome.directions)
        return self.dome.far_from(load_lights(lights), self.scene.cameras(), FAR_DEG)

    def _views(self) -> list[dict[str, Any]]:
        size = (self.cameras.width, self.cameras.height)
        uris = picture_uris(self.files, ROOM)
        count = len(self.dome.directions) + 1
        views = []
        for index, name in enumerate(self.cameras.names):
            photo = read_image(self.scene.image_path(name))
            axes = self.cameras.camera_to_world[index, :3, :3].T @ self.dome.dome_to_world
            views.append(
                {
                    "name": name,
                    "held_out": name in self.held_out,
                    "axes": axes.round(6).tolist(),
                    "right_azimuth_deg": round(float(np.degrees(np.arctan2(axes[0, 1], axes[0, 0]))), 4),
                    "photo": picture_uri(photo, max(size)),
                    "thumb": picture_uri(photo, _THUMBNAIL),
                    "capture": uris[count * index + count - 1],
                    "pictures": uris[count * index : count * index + count - 1],
                }
            )
        return views
