"""Turns a render request into frames."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError
from relightnerf.lights import CAPTURE_LIGHT, load_lights
from relightnerf.lights.paths import listed, passing
from relightnerf.render.camera_specs import cameras_from_file, path_cameras, saved_rate
from relightnerf.render.frames import Frame, Light, Panel
from relightnerf.render.light_specs import (
    CAPTURE_LABEL,
    LightSpec,
    light_label,
    light_spec,
    light_specs,
    moved,
    separate_specs,
)
from relightnerf.render.panels import PanelLayout
from relightnerf.render.request import FPS, LIGHT_PATHS, SECONDS, LightPath, RenderRequest
from relightnerf.render.saved_views import Keyframes, SavedView, is_saved_views, load_views
from relightnerf.scene import Scene

_START = "0,30"
"""Azimuth and elevation, degrees, where a moving light begins if none is asked for."""
_GRID = "grid"
"""Name of the layout with all panels in one picture, and what such pictures are called."""


@dataclass(frozen=True)
class Storyboard:
    """Turns a request into frames of a scene.

    Attributes:
        request: what to render.
        scene: the scene.
    """

    request: RenderRequest
    scene: Scene

    def pictures(self) -> dict[str, Frame]:
        """Return the frames of all cameras and lights by the stems of their files."""
        file, lights = self.request.cameras, self._asked()
        cameras = self._resized(cameras_from_file(file, self.scene) if file else self.scene.cameras())
        layout, frames = self._layout(cameras), {}
        stems = (
            [_GRID] if self.request.layout == _GRID else [light.name if light else CAPTURE_LIGHT for light in lights]
        )
        for i, camera in enumerate(cameras.names):
            made = layout.frames(i, [_still(light, cameras[i]) for light in lights])
            frames.update({f"{camera}__{stem}": frame for stem, frame in zip(stems, made, strict=True)})
        return frames

    def view(self, view: SavedView) -> list[Frame]:
        """Return the one frame of a saved view."""
        cameras = self._resized(Keyframes((view,)).cameras())
        return self._layout(cameras).frames(0, self._panels([view.light], cameras))

    def video(self) -> list[Frame]:
        """Return the frames of a video, one a frame."""
        cameras = self._resized(path_cameras(self.scene, str(self.request.path), self._frame_count()))
        tracks, layout = self._tracks(cameras), self._layout(cameras)
        return [frame for i in range(len(cameras)) for frame in layout.frames(i, [track[i] for track in tracks])]

    def rate(self) -> int:
        """Return the frames a second of the video."""
        return self.request.fps or saved_rate(Path(str(self.request.path))) or FPS

    def _frame_count(self) -> int:
        seconds = self.request.seconds or self._saved_seconds() or SECONDS
        frames = round(seconds * self.rate())
        if frames < 1:
            raise InputError(f"--seconds {seconds:g}: not a single frame", "give a longer time")
        return frames

    def _saved_seconds(self) -> float | None:
        for file in (Path(str(self.request.path)), Path(self.request.light_path)):
            if file.is_file() and is_saved_views(file):
                return load_views(file).seconds
        return None

    def _tracks(self, cameras: Cameras) -> list[list[Panel]]:
        """Return the panels of a video, for each panel its frames."""
        request, up = self.request, self.scene.world_up
        if request.light_path not in LIGHT_PATHS:
            file = Path(request.light_path)
            if is_saved_views(file):
                lights: list[Light] = [*passing([view.light for view in load_views(file).views], len(cameras), up)]
            else:
                lights = [*listed(load_lights(file), cameras, up)]
            return [self._panels(lights, cameras)]
        path, asked = LIGHT_PATHS[request.light_path], self._asked()
        if asked == [None] and path != "stand":
            asked = [light_spec(replace(request.light, light=(_START,)), up)]
        return [_track(light, path, cameras) for light in asked]

    def _asked(self) -> list[LightSpec | None]:
        """Return the lights asked for; None is the capture's own."""
        request, up, asked = self.request, self.scene.world_up, list[LightSpec | None]()
        if request.lights is not None:
            asked += light_specs(load_lights(request.lights), up)
        elif request.layout == _GRID:
            asked += separate_specs(request.light, up)
        elif request.light:
            asked += [light_spec(request.light, up)]
        return [*asked, None] if request.capture_light or not asked else asked

    def _panels(self, lights: Sequence[Light], cameras: Cameras) -> list[Panel]:
        up = self.scene.world_up
        return [Panel(light_label(light, cameras[i], up), light) for i, light in enumerate(lights)]

    def _layout(self, cameras: Cameras) -> PanelLayout:
        return PanelLayout(self.request.layout, self.scene, cameras)

    def _resized(self, cameras: Cameras) -> Cameras:
        width, height = self.request.width, self.request.height
        if width is None and height is None:
            return cameras
        width = width or round(cameras.width * height / cameras.height)  # type: ignore[operator]
        height = height or round(cameras.height * width / cameras.width)
        return cameras.resized(width, height)


def _still(asked: LightSpec | None, camera: Camera) -> Panel:
    if asked is None:
        return Panel(CAPTURE_LABEL)
    light = asked.at(camera)
    return Panel(asked.label(light, camera), light)


def _track(asked: LightSpec | None, path: LightPath, cameras: Cameras) -> list[Panel]:
    if asked is None:
        return [Panel(CAPTURE_LABEL)] * len(cameras)
    return [Panel(asked.label(light, cameras[i]), light) for i, light in enumerate(moved(asked, path, cameras))]
