"""Which panels stand beside each other: layouts of a scene's pictures and videos."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from relightnerf.asked_lights import CAPTURE_LABEL
from relightnerf.camera_flags import taken_with
from relightnerf.cameras import Cameras
from relightnerf.errors import InputError
from relightnerf.scene import Scene
from relightnerf.shots import Panel, Shot

Layout = Literal["single", "compare", "photo", "grid"]
"""single: one panel a file; compare: the capture's own light at its left; photo: the photo at its left; grid: all
panels of a camera in one file."""


@dataclass(frozen=True)
class Arrangement:
    """Makes shots of panels.

    Attributes:
        layout: which panels come together.
        scene: the scene.
        cameras: of the shots.
    """

    layout: Layout
    scene: Scene
    cameras: Cameras

    def shots(self, index: int, panels: Sequence[Panel]) -> list[Shot]:
        """Return the shots of one camera: one a panel, or one in all for a grid.

        Raises:
            InputError: a photo is to stand beside, and the camera is none of the capture's.
        """
        camera = self.cameras[index]
        if self.layout == "grid":
            return [Shot(camera, tuple(panels))]
        beside = self._beside(index)
        return [Shot(camera, (*beside, panel)) for panel in panels]

    def _beside(self, index: int) -> tuple[Panel, ...]:
        if self.layout == "single":
            return ()
        if self.layout == "compare":
            return (Panel(CAPTURE_LABEL),)
        name = taken_with(self.cameras, index, self.scene.cameras())
        if name is None:
            raise InputError(
                f"--layout photo: no photo was taken with camera {self.cameras.names[index]}",
                "give the photos' own cameras, e.g. --path NAME to stand at a photo, or --layout compare",
            )
        return (Panel("photo", photo=self.scene.image_path(name)),)
