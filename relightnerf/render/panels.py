"""Layouts: which panels stand beside each other in pictures and videos."""

from collections.abc import Sequence
from dataclasses import dataclass

from relightnerf.cameras import Cameras
from relightnerf.errors import InputError
from relightnerf.render.camera_specs import taken_with
from relightnerf.render.frames import Frame, Panel
from relightnerf.render.light_specs import CAPTURE_LABEL
from relightnerf.render.request import Layout
from relightnerf.scene import Scene


@dataclass(frozen=True)
class PanelLayout:
    """Puts panels into frames.

    Attributes:
        layout: which panels come together.
        scene: the scene.
        cameras: of the frames.
    """

    layout: Layout
    scene: Scene
    cameras: Cameras

    def frames(self, index: int, panels: Sequence[Panel]) -> list[Frame]:
        """Return the frames of one camera: one a panel, or one in all for a grid.

        Raises:
            InputError: a photo is to stand beside, and the camera is none of the capture's.
        """
        camera = self.cameras[index]
        if self.layout == "grid":
            return [Frame(camera, tuple(panels))]
        beside = self._beside(index)
        return [Frame(camera, (*beside, panel)) for panel in panels]

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
