"""What the flags of ``render`` ask for, as shots."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from relightnerf.arrangements import Arrangement
from relightnerf.asked_lights import CAPTURE_LABEL, AskedLight, LightPath, asked_lights, light_label, moved
from relightnerf.camera_flags import path_cameras, saved_rate
from relightnerf.camera_paths import resized
from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError
from relightnerf.light_paths import listed, passing
from relightnerf.lights import load_lights
from relightnerf.pipeline.render import FPS, LIGHT_PATHS, SECONDS, Render
from relightnerf.rendering import CAPTURE_LIGHT, cameras_from_file
from relightnerf.saved_views import Keyframes, SavedView, is_saved_views, load_views
from relightnerf.scene import Scene
from relightnerf.shots import Light, Panel, Shot

_START = "0,30"
_GRID = "grid"


@dataclass(frozen=True)
class Storyboard:
    """Turns flags into shots of a scene.

    Attributes:
        flags: checked.
        scene: the scene.
    """

    flags: Render
    scene: Scene

    def pictures(self) -> dict[str, Shot]:
        """Return the shots of all cameras and lights by the stems of their files."""
        file, lights = self.flags.cameras, self._asked()
        cameras = self._resized(cameras_from_file(file, self.scene) if file else self.scene.cameras())
        arrangement, shots = self._arrangement(cameras), {}
        stems = [_GRID] if self.flags.layout == _GRID else [light.name if light else CAPTURE_LIGHT for light in lights]
        for i, camera in enumerate(cameras.names):
            made = arrangement.shots(i, [_still(light, cameras[i]) for light in lights])
            shots.update({f"{camera}__{stem}": shot for stem, shot in zip(stems, made, strict=True)})
        return shots

    def view(self, view: SavedView) -> list[Shot]:
        """Return the one shot of a saved view."""
        cameras = self._resized(Keyframes((view,)).cameras())
        return self._arrangement(cameras).shots(0, self._panels([view.light], cameras))

    def video(self) -> list[Shot]:
        """Return the shots of a video, one a frame."""
        cameras = self._resized(path_cameras(self.scene, str(self.flags.path), self._frames()))
        tracks, arrangement = self._tracks(cameras), self._arrangement(cameras)
        return [shot for i in range(len(cameras)) for shot in arrangement.shots(i, [track[i] for track in tracks])]

    def rate(self) -> int:
        """Return the frames a second of the video."""
        return self.flags.fps or saved_rate(Path(str(self.flags.path))) or FPS

    def _frames(self) -> int:
        seconds = self.flags.seconds or self._saved_seconds() or SECONDS
        frames = round(seconds * self.rate())
        if frames < 1:
            raise InputError(f"--seconds {seconds:g}: not a single frame", "give a longer time")
        return frames

    def _saved_seconds(self) -> float | None:
        for file in (Path(str(self.flags.path)), Path(self.flags.light_path)):
            if file.is_file() and is_saved_views(file):
                return load_views(file).seconds
        return None

    def _tracks(self, cameras: Cameras) -> list[list[Panel]]:
        """Return the panels of a video, for each panel its frames."""
        flags = self.flags
        if flags.light_path not in LIGHT_PATHS:
            file, up = Path(flags.light_path), self.scene.world_up
            if is_saved_views(file):
                lights: list[Light] = [*passing([view.light for view in load_views(file).views], len(cameras), up)]
            else:
                lights = [*listed(load_lights(file), cameras, up)]
            return [self._panels(lights, cameras)]
        path, asked = LIGHT_PATHS[flags.light_path], self._asked()
        if asked == [None] and path != "stand":
            asked = [replace(flags, light=(_START,))._asked_light(self.scene)]
        return [_track(light, path, cameras) for light in asked]

    def _asked(self) -> list[AskedLight | None]:
        """Return the lights of the flags; None is the capture's own."""
        flags, asked = self.flags, list[AskedLight | None]()
        if flags.lights is not None:
            asked += asked_lights(load_lights(flags.lights), self.scene.world_up)
        elif flags.layout == _GRID:
            asked += flags._asked_apart(self.scene)
        elif flags._is_lit():
            asked += [flags._asked_light(self.scene)]
        return [*asked, None] if flags.capture_light or not asked else asked

    def _panels(self, lights: Sequence[Light], cameras: Cameras) -> list[Panel]:
        up = self.scene.world_up
        return [Panel(light_label(light, cameras[i], up), light) for i, light in enumerate(lights)]

    def _arrangement(self, cameras: Cameras) -> Arrangement:
        return Arrangement(self.flags.layout, self.scene, cameras)

    def _resized(self, cameras: Cameras) -> Cameras:
        width, height = self.flags.width, self.flags.height
        if width is None and height is None:
            return cameras
        width = width or round(cameras.width * height / cameras.height)  # type: ignore[operator]
        height = height or round(cameras.height * width / cameras.width)
        return resized(cameras, width, height)


def _still(asked: AskedLight | None, camera: Camera) -> Panel:
    if asked is None:
        return Panel(CAPTURE_LABEL)
    light = asked.at(camera)
    return Panel(asked.label(light, camera), light)


def _track(asked: AskedLight | None, path: LightPath, cameras: Cameras) -> list[Panel]:
    if asked is None:
        return [Panel(CAPTURE_LABEL)] * len(cameras)
    return [Panel(asked.label(light, cameras[i]), light) for i, light in enumerate(moved(asked, path, cameras))]
