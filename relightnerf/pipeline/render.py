"""Pictures and videos of the relightable field."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from relightnerf.cameras import Cameras
    from relightnerf.lights import LightSet
    from relightnerf.scene import Scene

_VIDEO_SUFFIXES = (".mp4", ".gif")
_SWEEP_START = (0.0, 30.0)
_SWING_DEG = 80.0
_RIGHT_ANGLE = 90.0


@dataclass
class Render:
    """Render the scene from cameras under lights: pictures for every pair, or a video along a path."""

    scene: Path
    """Scene folder."""
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
    light: str | None = None
    """One light as AZIMUTH,ELEVATION in degrees, e.g. 45,30; without it a video shows the capture's own light."""
    light_frame: Literal["world", "camera"] = "world"
    """world: azimuth from +x counter-clockwise seen from above; camera: azimuth from behind the camera to the right."""
    light_path: Literal["stand", "sweep", "swing"] = "stand"
    """stand: the light stays; sweep: it starts at --light (or 0,30) and turns once around during the video; swing: it
    goes 80 degrees to one side of --light, then to the other, and back."""
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
        parse_light(self.light)
        if self.path is None:
            self._check_pictures()
        else:
            self._check_video()

    def _check_pictures(self) -> None:
        if self.light is not None and self.lights is not None:
            raise InputError("--light and --lights are both given", "give one of them")
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
        lights = self._light_set(scene)
        folder = self.output or scene.renders
        SceneRenderer(scene, device, self.force).pictures(self._resized(cameras), lights, folder, self.capture_light)

    def _render_video(self, scene: "Scene", device: str) -> None:
        from relightnerf.rendering import SceneRenderer

        cameras = self._resized(self._path_cameras(scene))
        output = self.output or scene.renders / f"{Path(str(self.path)).stem}.mp4"
        directions = self._directions(scene, cameras)
        SceneRenderer(scene, device, self.force).video(cameras, directions, output, self.fps)

    def _light_set(self, scene: "Scene") -> "LightSet | None":
        import numpy as np

        from relightnerf.lights import LightSet, direction_from_angles, load_lights

        angles = parse_light(self.light)
        if angles is None:
            return load_lights(self.lights) if self.lights else None
        direction = direction_from_angles(*angles, self.light_frame, scene.world_up)
        return LightSet(self.light_frame, (f"az{angles[0]:g}_el{angles[1]:g}",), np.array([direction]))

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

    def _directions(self, scene: "Scene", cameras: "Cameras") -> "np.ndarray | None":
        import numpy as np

        from relightnerf.lights import LightSet, direction_from_angles

        angles = parse_light(self.light)
        if angles is None and self.light_path == "stand":
            return None
        azimuth, elevation = angles or _SWEEP_START
        phase = np.arange(len(cameras)) / len(cameras)
        turns = {"stand": 0.0 * phase, "sweep": 360.0 * phase, "swing": _SWING_DEG * np.sin(2.0 * np.pi * phase)}
        directions = []
        for turn, pose in zip(turns[self.light_path], cameras.camera_to_world, strict=True):
            direction = direction_from_angles(azimuth + turn, elevation, self.light_frame, scene.world_up)
            directions.append(LightSet(self.light_frame, ("",), direction[None]).directions_world(pose)[0])
        return np.array(directions)

    def _resized(self, cameras: "Cameras") -> "Cameras":
        from relightnerf.camera_paths import resized

        width, height = self.width, self.height
        if width is None and height is None:
            return cameras
        width = width or round(cameras.width * height / cameras.height)  # type: ignore[operator]
        height = height or round(cameras.height * width / cameras.width)
        return resized(cameras, width, height)


def parse_light(light: str | None) -> tuple[float, float] | None:
    """Read "AZIMUTH,ELEVATION" in degrees; None stays None.

    Raises:
        InputError: not two finite numbers, or an elevation beyond the zenith.
    """
    if light is None:
        return None
    try:
        azimuth, elevation = (float(part) for part in light.split(","))
    except ValueError:
        azimuth = elevation = math.nan
    if not (math.isfinite(azimuth) and abs(elevation) <= _RIGHT_ANGLE):
        raise InputError(f"--light {light}: not an azimuth and an elevation from -90 to 90", "give degrees, e.g. 45,30")
    return azimuth, elevation


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
