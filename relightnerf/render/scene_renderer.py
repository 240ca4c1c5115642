"""Writes pictures and videos of a scene's field: cameras × lights, and camera paths with a fixed or moving light."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from relightnerf.cameras import Camera, Cameras
from relightnerf.field.checkpoints import field_files
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_float, to_uint8
from relightnerf.io.hdr import write_hdr
from relightnerf.io.images import read_image, write_image
from relightnerf.lights import CAPTURE_LIGHT, Lighting, LightSet
from relightnerf.lights.paths import Blend
from relightnerf.progress import track
from relightnerf.render.frames import Frame, Light, Look, Panel, described, photos
from relightnerf.render.overlays import grid, labelled, with_ball
from relightnerf.scene import Scene
from relightnerf.scene.stage import MANIFEST, Stage
from relightnerf.scene.staged_output import write_staged_sequence, write_staged_video

if TYPE_CHECKING:
    from relightnerf.field.renderer import FeatureBuffer

_PLAIN = Look()
"""Pictures with nothing on them."""


@dataclass(frozen=True)
class SceneRenderer:
    """Renders pictures and videos of one scene's field; what a stopped run has written already stays.

    Attributes:
        scene: with a fitted field.
        device: ``auto``, ``cpu`` or ``cuda``.
        force: render again what is there already.
    """

    scene: Scene
    device: str = "auto"
    force: bool = False

    def pictures(
        self,
        cameras: Cameras,
        lights: "LightSet | Callable[[Camera], Mapping[str, Light]] | None",
        folder: Path,
        with_capture: bool = False,
    ) -> list[Path]:
        """Write ``<camera>__<light>.png`` for every pair.

        Args:
            cameras: in the capture's world frame.
            lights: canonical lights, those in the camera frame are each camera's own; or what tells each camera's
                lights by name, the same names for all. None: the capture's own light alone.
            folder: where to; other files in it are left alone.
            with_capture: render the capture's own light too.

        Returns:
            The files, cameras in order, for each its lights in order.

        Raises:
            InputError: there is no fitted field, or the folder cannot be used.
        """
        frames, names = [], []
        for camera in cameras:
            for name, light in _lights(lights, camera, with_capture).items():
                frames.append(Frame(camera, (Panel(name, light),)))
                names.append(f"{camera.name}__{name}.png")
        return self.write_frames(frames, folder, names)

    def write_frames(
        self, frames: Sequence[Frame], folder: Path, names: Sequence[str], look: Look = _PLAIN, manifest: str = MANIFEST
    ) -> list[Path]:
        """Write one file a frame.

        Args:
            frames: those of one camera in a row cost one pass through the field.
            folder: where to; other files in it are left alone.
            names: of the files; .exr holds linear values, other suffixes 8-bit sRGB.
            look: how the frames' panels come together.
            manifest: name of the manifest in the folder.

        Returns:
            The files, in order.

        Raises:
            InputError: there is no fitted field, or the folder cannot be used.
        """
        files = [folder / name for name in names]
        stage = Stage(
            "render", folder, {**described(frames, look), "files": names}, self._inputs(frames), names, manifest
        )
        stage.run(lambda: self._write(frames, files, look), self.force)
        return files

    def video(self, frames: Sequence[Frame], output: Path, fps: int, look: Look = _PLAIN) -> None:
        """Write a video, one frame a frame; the frames lie in a hidden folder beside it until it is complete.

        Args:
            frames: in order.
            output: an ``.mp4`` or ``.gif``.
            fps: frames a second.
            look: how the frames' panels come together.

        Raises:
            InputError: there is no fitted field, or the video cannot be written.
        """
        parameters, inputs = described(frames, look), self._inputs(frames)

        def render(files: Sequence[Path]) -> None:
            self._write(frames, files, look)

        write_staged_video("render", output, parameters, inputs, len(frames), fps, render, self.force)

    def sequence(self, frames: Sequence[Frame], folder: Path, suffix: str, look: Look = _PLAIN) -> None:
        """Write numbered pictures, ``00000.png`` and so on, one a frame.

        Args:
            frames: in order.
            folder: where to; new, empty, or with an earlier sequence, which is replaced.
            suffix: ``.png``, or ``.exr`` for linear values.
            look: how the frames' panels come together.

        Raises:
            InputError: there is no fitted field, or the folder holds something else.
        """
        parameters, inputs = described(frames, look), self._inputs(frames)

        def render(files: Sequence[Path]) -> None:
            self._write(frames, files, look)

        write_staged_sequence("render sequence", folder, suffix, parameters, inputs, len(frames), render, self.force)

    def _inputs(self, frames: Sequence[Frame]) -> list[Path]:
        return [*field_files(self.scene), *photos(frames)]

    def _write(self, frames: Sequence[Frame], files: Sequence[Path], look: Look) -> None:
        missing = [(file, frame) for file, frame in zip(files, frames, strict=True) if not file.is_file()]
        if not missing:
            return
        passes = _Passes(self.scene, self.device)
        for file, frame in track(missing, "rendering", len(files), len(files) - len(missing)):
            if file.suffix == ".exr":
                write_hdr(file, grid([passes.radiance(frame.camera, panel) for panel in frame.panels], look.columns))
            else:
                write_image(
                    file, grid([passes.picture(frame.camera, panel, look) for panel in frame.panels], look.columns)
                )


class _Passes:
    """Renders panels; passes through the field once for those of one camera in a row."""

    def __init__(self, scene: Scene, device: str) -> None:
        from relightnerf.field.loading import load_renderer

        self._field = load_renderer(scene, device)
        self._seen: tuple[bytes, FeatureBuffer] | None = None

    def picture(self, camera: Camera, panel: Panel, look: Look) -> UInt8[np.ndarray, "height width 3"]:
        """Return a panel as 8-bit sRGB."""
        light = panel.light
        if panel.photo is not None:
            picture = _photo(panel.photo, camera)
        elif isinstance(light, Blend):
            picture = to_uint8(linear_to_srgb(self.radiance(camera, panel)))
        else:
            picture = to_uint8(self._field.relight(self._features(camera), light))
        if look.gray_ball and light is not None:
            picture = self._with_ball(picture, camera, light)
        return labelled(picture, panel.label) if look.labels else picture

    def radiance(self, camera: Camera, panel: Panel) -> Float[np.ndarray, "height width 3"]:
        """Return a panel as linear Rec. 709 values."""
        light = panel.light
        if panel.photo is not None:
            return srgb_to_linear(to_float(_photo(panel.photo, camera))).astype(np.float32)
        features = self._features(camera)
        if isinstance(light, Blend):
            own = self._field.radiance(features, None)
            return np.float32(light.capture) * own + self._field.radiance(features, light.others)
        return self._field.radiance(features, light)

    def _with_ball(
        self, picture: UInt8[np.ndarray, "height width 3"], camera: Camera, light: "Lighting | Blend | np.ndarray"
    ) -> UInt8[np.ndarray, "height width 3"]:
        opacity = 1.0
        if isinstance(light, Blend):  # what is seen of the ball fades as the capture's own light comes
            opacity = 1.0 - light.capture
            light = light.others.scaled(1.0 / opacity)
        lighting = light if isinstance(light, Lighting) else Lighting.directional(light)
        return with_ball(picture, lighting, camera.camera_to_world, self._field.center_world, opacity)

    def _features(self, camera: Camera) -> "FeatureBuffer":
        size = f"{camera.width}x{camera.height}".encode()
        key = camera.camera_to_world.tobytes() + camera.intrinsics.tobytes() + size
        if self._seen is None or self._seen[0] != key:
            self._seen = (key, self._field.features(camera))
        return self._seen[1]


def _photo(path: Path, camera: Camera) -> UInt8[np.ndarray, "height width 3"]:
    photo = Image.fromarray(read_image(path))
    size = (camera.width, camera.height)
    return np.asarray(photo if photo.size == size else photo.resize(size, Image.Resampling.LANCZOS))


def _lights(
    lights: "LightSet | Callable[[Camera], Mapping[str, Light]] | None", camera: Camera, with_capture: bool
) -> dict[str, Light]:
    named: dict[str, Light] = {}
    if isinstance(lights, LightSet):
        named.update(zip(lights.names, lights.directions_world(camera.camera_to_world), strict=True))
    elif lights is not None:
        named.update(lights(camera))
    return {**named, CAPTURE_LIGHT: None} if with_capture or not named else named
