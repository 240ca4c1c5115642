"""Pictures and videos of the relightable field."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError
from relightnerf.pipeline.light_flags import LightFlags, parse_light, parse_point

if TYPE_CHECKING:
    from relightnerf.cameras import Camera, Cameras
    from relightnerf.lights import LightSet
    from relightnerf.rendering import Light
    from relightnerf.scene import Scene

_VIDEO_SUFFIXES = (".mp4", ".gif")
_SWEEP_START = "0,30"
_LIGHT_PARTS = ("az", "el")
_SWING_DEG = 80.0


@dataclass
class Render(LightFlags):
    """Render the scene from cameras under lights: pictures for every pair, or a video along a path."""

    output: Path | None = None
    """Folder for `<camera>__<light>.png`, or with --path a .mp4 or .gif file; in <scene>/renders by default."""
    cameras: Path | None = None
    """Cameras of the pictures: a transforms.json in the capture's frame, or a camera path saved by the viewer;
    without it, those of the photos."""
    lights: Path | None = None
    """A lights.json with the lights of the pictures; without it, the capture's own light `capture`."""
    capture_light: bool = False
    """Add the capture's own light to --lights."""
    path: str | None = None
    """Make a video: orbit, spiral, capture (along the photos), stand (at a central photo), or a file like --cameras
    with a camera a frame."""
    light_path: Literal["stand", "sweep", "swing"] = "stand"
    """stand: the light stays; sweep: what --light and --envmap give (or 0,30) turns once around during the video;
    swing: it turns 80 degrees to one side, then to the other, and back."""
    seconds: float = 5.0
    """Length of a video, unless its path is a file."""
    fps: int = 24
    """Frames a second of a video."""
    width: int | None = None
    """Width of the pictures in pixels; as the photos by default."""
    height: int | None = None
    """Height of the pictures in pixels; as the photos by default."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes CUDA if there is any."""
    force: bool = False
    """Do it again even if it is done."""

    def run(self) -> None:
        """Render.

        Raises:
            InputError: flags do not go together, a file cannot be used, or the scene has no fitted field.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.scene import Scene

        self.check()
        scene = Scene.load(self.scene)
        device = resolve_device(self.device)
        if self.path is None:
            self._render_pictures(scene, device)
        else:
            self._render_video(scene, device)

    def check(self) -> None:
        """Raise ``InputError`` for flags that are wrong by themselves or do not go together."""
        for name, value in (("width", self.width), ("height", self.height), ("fps", self.fps)):
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: not above 0", "give a positive whole number")
        self._check_lights()
        if self.path is None:
            self._check_pictures()
        else:
            self._check_video()

    def _check_pictures(self) -> None:
        if self._is_lit() and self.lights is not None:
            raise InputError("--lights is given, and --light, --point or --envmap as well", "give one or the others")
        if self.light_path != "stand":
            raise InputError(f"--light-path {self.light_path}: only videos have moving lights", "give --path as well")
        if self.output is not None and self.output.suffix in _VIDEO_SUFFIXES:
            raise InputError(
                f"--output {self.output}: a video needs a path", "give --path orbit, or a folder as --output"
            )

    def _check_video(self) -> None:
        if self.cameras is not None or self.lights is not None or self.capture_light:
            raise InputError(
                "--cameras, --lights and --capture-light are for pictures, --path is for a video",
                "give the file of cameras as --path, and the light as --light AZ,EL",
            )
        if self.output is not None and self.output.suffix not in _VIDEO_SUFFIXES:
            raise InputError(
                f"--output {self.output}: not a kind of video that can be written", "end the name with .mp4 or .gif"
            )
        if not math.isfinite(self.seconds) or self.seconds * self.fps < 1:
            raise InputError(f"--seconds {self.seconds}: not a single frame", "give a longer time")

    def _render_pictures(self, scene: "Scene", device: str) -> None:
        from relightnerf.rendering import SceneRenderer, cameras_from_file

        cameras = cameras_from_file(self.cameras, scene) if self.cameras else scene.cameras()
        lights = self._named_lights(scene)
        folder = self.output or scene.renders
        SceneRenderer(scene, device, self.force).pictures(self._resized(cameras), lights, folder, self.capture_light)

    def _render_video(self, scene: "Scene", device: str) -> None:
        from relightnerf.rendering import SceneRenderer

        cameras = self._resized(self._path_cameras(scene))
        output = self.output or scene.renders / f"{Path(str(self.path)).stem}.mp4"
        lights = self._frame_lights(scene, cameras)
        SceneRenderer(scene, device, self.force).video(cameras, lights, output, self.fps)

    def _named_lights(self, scene: "Scene") -> "LightSet | Callable[[Camera], dict[str, Light]] | None":
        from relightnerf.lights import load_lights

        if not self._is_lit():
            return load_lights(self.lights) if self.lights else None
        lighting = self._lighting(scene)
        parts = [
            "_".join(f"{k}{v:g}" for k, v in zip(_LIGHT_PARTS, parse_light(t)[0], strict=True)) for t in self.light
        ]
        parts += ["point_" + "_".join(f"{value:g}" for value in parse_point(text)[0]) for text in self.point]
        if self.envmap is not None:
            parts.append(f"{self.envmap.stem}_{self.rotation:g}" if self.rotation else self.envmap.stem)
        return lambda camera: {"+".join(parts): lighting(camera, 0.0)}

    def _path_cameras(self, scene: "Scene") -> "Cameras":
        from relightnerf import camera_paths
        from relightnerf.rendering import cameras_from_file

        frames = round(self.seconds * self.fps)
        capture = scene.cameras()
        if self.path == "capture":
            return camera_paths.along_capture(capture, frames)
        if self.path == "stand":
            return camera_paths.standing(capture, scene.world_up, frames)
        if self.path in ("orbit", "spiral"):
            make = camera_paths.orbit if self.path == "orbit" else camera_paths.spiral
            return make(capture, scene.world_up, frames, _central_depth(scene, capture))
        file = Path(str(self.path))
        if not file.is_file():
            raise InputError(
                f"--path {self.path}: no such path or file",
                "give orbit, spiral, capture, stand, or a JSON file of cameras",
            )
        return cameras_from_file(file, scene)

    def _frame_lights(self, scene: "Scene", cameras: "Cameras") -> "list[Light]":
        import numpy as np

        if not self._is_lit() and self.light_path == "stand":
            return [None] * len(cameras)
        lit = self if self._is_lit() else replace(self, light=(_SWEEP_START,))
        lighting = lit._lighting(scene)
        phase = np.arange(len(cameras)) / len(cameras)
        turns = {"stand": 0.0 * phase, "sweep": 360.0 * phase, "swing": _SWING_DEG * np.sin(2.0 * np.pi * phase)}
        return [lighting(cameras[i], float(turn)) for i, turn in enumerate(turns[self.light_path])]

    def _resized(self, cameras: "Cameras") -> "Cameras":
        from relightnerf.camera_paths import resized

        width, height = self.width, self.height
        if width is None and height is None:
            return cameras
        width = width or round(cameras.width * height / cameras.height)  # type: ignore[operator]
        height = height or round(cameras.height * width / cameras.width)
        return resized(cameras, width, height)


def _central_depth(scene: "Scene", cameras: "Cameras") -> float | None:
    import numpy as np

    from relightnerf.images import read_array

    medians = []
    for name in cameras.names:
        if scene.depth_path(name).is_file():
            depth = read_array(scene.depth_path(name))
            height, width = depth.shape
            centre = depth[height // 3 : -(height // 3), width // 3 : -(width // 3)]
            medians += [np.median(centre[centre > 0])] if (centre > 0).any() else []
    return float(np.median(medians)) if medians else None
