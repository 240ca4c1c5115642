"""Relighting of one photo with depth, outside the stages: pictures, a contact sheet, and a video of a turning light."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from relightnerf.cameras import Camera
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.geometry.views import View
    from relightnerf.lights import LightSet
    from relightnerf.relighters import Relighter

_WIDEST_DEG = 170.0
"""Largest field of view: beyond it, a perspective picture shows next to nothing but its rim."""
_RIGHT_ANGLE = 90.0
_CHUNK = 8
"""Lights that are relit at once: float pictures of that many, and no more, are in memory."""
_SHEET, _SHEET_COLUMNS = "sheet", 5
"""Name of the contact sheet, and pictures in a row of it, at most."""
_THUMBNAIL_WIDTH = 256
"""Width of the sheet's pictures in pixels, at most."""


@dataclass
class Relight:
    """Relight one photo whose depth is known; its camera's frame is the world frame."""

    image: Path
    """Photo (any format that Pillow reads)."""
    depth: Path
    """Depth along the viewing axis: float npy in any unit, or 16-bit PNG; 0 where unknown; same size as the photo."""
    fov: float
    """Horizontal field of view of the photo in degrees."""
    output: Path
    """Folder for <stem>__<light>.png and the contact sheet <stem>__sheet.png."""
    lights: Path | None = None
    """A lights.json; the camera and world frames are the same here. Without it, the 18 reference directions."""
    sweep: Path | None = None
    """Also write a video, .mp4 or .gif, in which the light turns once around the camera's up axis."""
    sweep_frames: int = 60
    """Number of frames of the video."""
    sweep_elevation: float = 35.0
    """Elevation of the video's light above the horizontal plane of the camera, in degrees."""
    fps: int = 30
    """Frames per second of the video."""
    relighter: str = "compact"
    """The 2D relighter: compact (its weights come with relightnerf), shading (ray casting, no learning), the name of an
    installed relighter, or the folder or hub id of a light-conditioned diffusion model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of relighters that learn; shading always uses the CPU."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """Settings of diffusion models."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Write the photo under every light, the contact sheet, and the video if --sweep is given.

        Raises:
            InputError: a flag or file cannot be used, or photo and depth differ in size.
        """
        from relightnerf.lights import load_lights, reference_lights
        from relightnerf.relighters import load_relighter

        self._check_sweep()
        relighter = load_relighter(self.relighter, self.device, self.diffusion)
        lights = load_lights(self.lights) if self.lights else reference_lights()
        if _SHEET in lights.names:
            raise InputError(f"{self.lights}: a light has the name {_SHEET!r}, the contact sheet's", "rename the light")
        relit = _Relit(relighter, *self._view())
        self._write_pictures(relit, lights)
        if self.sweep is not None:
            self._write_sweep(self.sweep, relit)

    def _check_sweep(self) -> None:
        from relightnerf.io.video import check_video

        if self.sweep is None:
            return
        check_video(self.sweep, self.fps)
        if self.sweep_frames < 1:
            raise InputError(f"--sweep-frames {self.sweep_frames}: not a single frame", "give a positive whole number")
        if not abs(self.sweep_elevation) <= _RIGHT_ANGLE:
            raise InputError(f"--sweep-elevation {self.sweep_elevation}: not an elevation", "give -90 to 90 degrees")

    def _inputs(self, relit: "_Relit") -> list[Path]:
        return [self.image, self.depth, *relit.relighter.inputs]

    def _parameters(self, relit: "_Relit") -> dict[str, Any]:
        return {"relighter": relit.relighter.name, **relit.relighter.parameters, "fov_deg": self.fov}

    def _write_pictures(self, relit: "_Relit", lights: "LightSet") -> None:
        from relightnerf.scene.stage import Stage

        directions = lights.directions_world(relit.view.camera.camera_to_world)
        named = dict(zip(lights.names, directions.tolist(), strict=True))
        parameters = {**self._parameters(relit), "lights": named, "thumbnail_width": _THUMBNAIL_WIDTH}
        names = [f"{self.image.stem}__{light}.png" for light in (*lights.names, _SHEET)]
        manifest = f"{self.image.stem}.manifest.json"  # several photos may share the folder
        *files, sheet = (self.output / name for name in names)

        def work() -> None:
            relit.write(files, directions)
            _write_sheet(sheet, self.image, files, lights)

        Stage("relight", self.output, parameters, self._inputs(relit), names, manifest).run(work, self.force)

    def _write_sweep(self, output: Path, relit: "_Relit") -> None:
        import numpy as np

        from relightnerf.lights import direction_from_angles
        from relightnerf.scene.staged_output import write_staged_video

        azimuths_deg = -180.0 + 360.0 * np.arange(self.sweep_frames) / self.sweep_frames
        directions = np.stack([direction_from_angles(a, self.sweep_elevation, "camera") for a in azimuths_deg])
        parameters, inputs = {**self._parameters(relit), "directions": directions.tolist()}, self._inputs(relit)

        def render(files: Sequence[Path]) -> None:
            relit.write(files, directions, with_balls=True)

        write_staged_video("relight", output, parameters, inputs, len(directions), self.fps, render, self.force)

    def _view(self) -> tuple["View", "RayScene"]:
        import numpy as np

        from relightnerf.geometry.mesh import depth_mesh
        from relightnerf.geometry.normals import depth_normals
        from relightnerf.geometry.raycast import RayScene
        from relightnerf.geometry.views import View
        from relightnerf.imaging.color import to_float
        from relightnerf.io.images import read_image

        image = to_float(read_image(self.image))
        depth = np.nan_to_num(_read_depth(self.depth), nan=0.0, posinf=0.0, neginf=0.0)
        if depth.shape != image.shape[:2]:
            (height, width), shape = image.shape[:2], "x".join(map(str, depth.shape[::-1]))
            raise InputError(
                f"{self.depth}: depth is {shape}, the photo {self.image} is {width}x{height} pixels",
                "give depth of the photo's size",
            )
        if not (depth > 0).any():
            raise InputError(f"{self.depth}: no depth greater than 0", "give the distance along the viewing axis")
        camera = self._camera(image.shape[1], image.shape[0])
        view = View(camera, image, depth, depth_normals(camera, depth))
        return view, RayScene(depth_mesh(camera, depth))

    def _camera(self, width: int, height: int) -> "Camera":

        from relightnerf.cameras import Camera

        if not 0.0 < self.fov <= _WIDEST_DEG:
            raise InputError(f"--fov {self.fov}: no field of view", "give the horizontal one in degrees, up to 170")
        return Camera.from_fov(self.image.stem, width, height, self.fov)


class _Relit:
    """The photo under lights; the relighter is fitted before the first missing picture."""

    def __init__(self, relighter: "Relighter", view: "View", rays: "RayScene") -> None:
        self.relighter, self.view = relighter, view
        self._rays, self._is_fitted = rays, False

    def write(self, files: Sequence[Path], directions: "np.ndarray", with_balls: bool = False) -> None:
        """Write the missing pictures, a few at a time to save memory."""
        from relightnerf.imaging.color import to_uint8
        from relightnerf.io.images import write_image
        from relightnerf.progress import say, track

        missing = [index for index, file in enumerate(files) if not file.is_file()]
        if missing and not self._is_fitted:
            self.relighter.fit([self.view], self._rays)
            self._is_fitted = True
        chunks = [missing[start : start + _CHUNK] for start in range(0, len(missing), _CHUNK)]
        for chunk in track(chunks, "relighting"):
            relit = self.relighter.relight(self.view, self._rays, directions[chunk])
            for index, image in zip(chunk, map(to_uint8, relit), strict=True):
                write_image(files[index], _with_ball(image, directions[index]) if with_balls else image)

        if missing and self.relighter.report:
            say(f"relight: {self.relighter.report}")


def _write_sheet(path: Path, photo: Path, files: Sequence[Path], lights: "LightSet") -> None:
    from relightnerf.imaging.contact_sheet import contact_sheet
    from relightnerf.io.images import write_image
    from relightnerf.lights import gray_ball

    if path.is_file():
        return
    pictures = [_thumbnail(file) for file in (photo, *files)]
    size = _ball_size(*pictures[0].shape[:2])
    balls = [None, *(gray_ball(direction, size) for direction in lights.directions)]
    columns = min(_SHEET_COLUMNS, math.ceil(math.sqrt(len(pictures))))
    write_image(path, contact_sheet(pictures, ["photo", *lights.names], columns, balls))


def _thumbnail(path: Path) -> "np.ndarray":
    import numpy as np
    from PIL import Image

    from relightnerf.io.images import read_image

    image = Image.fromarray(read_image(path))
    width = min(image.width, _THUMBNAIL_WIDTH)
    height = max(1, round(image.height * width / image.width))
    return np.asarray(image.resize((width, height), Image.Resampling.BOX))


def _with_ball(image: "np.ndarray", direction: "np.ndarray") -> "np.ndarray":
    from relightnerf.imaging.contact_sheet import with_inset
    from relightnerf.lights import gray_ball

    return with_inset(image, gray_ball(direction, _ball_size(*image.shape[:2])))


def _ball_size(height: int, width: int) -> int:
    from relightnerf.render.overlays import BALL_SHARE

    return max(1, round(BALL_SHARE * min(height, width)))


def _read_depth(path: Path) -> "np.ndarray":
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    from relightnerf.io.images import read_array

    if path.suffix.lower() != ".png":
        return np.squeeze(read_array(path)).astype(np.float32)
    try:
        with Image.open(path) as picture:
            depth = np.asarray(picture)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error})", "give npy or 16-bit PNG") from None
    if depth.ndim != 2 or depth.dtype == np.uint8:  # noqa: PLR2004 (rows and columns)
        raise InputError(f"{path}: not a 16-bit grey PNG", "give depth as npy or 16-bit PNG")
    return depth.astype(np.float32)
