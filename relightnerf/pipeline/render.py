"""Pictures and videos of the relightable field."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError
from relightnerf.pipeline.light_flags import LightFlags
from relightnerf.render.request import LIGHT_PATHS, Layout, RenderRequest

if TYPE_CHECKING:
    from relightnerf.render.frames import Look
    from relightnerf.render.saved_views import SavedView
    from relightnerf.render.scene_renderer import SceneRenderer

_VIDEOS, _PICTURES = ("mp4", "gif"), ("png", "exr")
"""Suffixes of what can be written."""


@dataclass
class Render(LightFlags):
    """Render the scene from cameras under lights: a picture for every pair, or a video along a path."""

    output: Path | None = None
    """Folder for `<camera>__<light>.png`; with --path, a .mp4 or .gif file. By default in <scene>/renders."""
    cameras: Path | None = None
    """Cameras of the pictures: a transforms.json in the capture's frame, or a camera path or views saved by the viewer.
    By default the cameras of the photos."""
    lights: Path | None = None
    """A lights.json with the lights of the pictures, or of a video with --layout grid. By default the capture's own
    light, `capture`."""
    capture_light: bool = False
    """Add the capture's own light to --lights."""
    view: Path | None = None
    """A file saved by the viewer. A view (camera and light) makes one picture. Keyframes make a video in which camera
    and light move from view to view."""
    path: str | None = None
    """Make a video along a camera path: orbit, spiral, or capture (along the photos); stand (a fixed camera, at a photo
    in the middle) or the name of a photo to stand at; or a file with one camera per frame as in --cameras, a saved view
    to stand at, or keyframes."""
    light_path: str = "stand"
    """How the light of a video moves. stand: it does not move; circle (or sweep): --light and --envmap (or 0,30) turn
    once around; swing: they turn 80 degrees to one side, to the other, and back; arc: --light moves over the zenith to
    the other side, or from the first --light to the second; or a file: the lights of a lights.json, or keyframes, in
    order."""
    seconds: float | None = None
    """Length of a video in seconds, unless its path is a file with one camera per frame. By default that of the
    keyframes, or 5."""
    fps: int | None = None
    """Frames per second of a video; by default those of a camera path saved by the viewer, or 24."""
    format: Literal["mp4", "gif", "png", "exr"] | None = None
    """File format: mp4 or gif for a video; png (8-bit sRGB) or exr (linear) for pictures, or for a video as numbered
    pictures in the folder --output. By default the suffix of --output decides, else png for pictures and mp4 for
    videos."""
    layout: Layout = "single"
    """single: one panel; compare: the capture's own light at the left; photo: the photo at the left, for cameras of
    photos; grid: one panel for each --light, --point, --envmap, or light of --lights, all in one picture."""
    columns: int | None = None
    """Panels in a row; by default about as many as rows."""
    labels: bool = False
    """Write the light's name, or its azimuth and elevation in degrees, on each panel."""
    gray_ball: bool = False
    """Draw a gray ball under the light on each panel."""
    width: int | None = None
    """Width of the pictures (of each panel) in pixels; by default that of the photos."""
    height: int | None = None
    """Height of the pictures (of each panel) in pixels; by default that of the photos."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Render.

        Raises:
            InputError: flags do not go together, a file cannot be used, or the scene has no fitted field.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.render.saved_views import load_views
        from relightnerf.render.scene_renderer import SceneRenderer
        from relightnerf.scene import Scene

        self.check()
        scene = Scene.load(self.scene)
        renderer = SceneRenderer(scene, resolve_device(self.device), self.force)
        views = load_views(self.view).views if self.view else ()
        if len(views) == 1:
            self._render_view(renderer, views[0])
        elif views:
            replace(self, view=None, path=str(self.view), light_path=str(self.view))._render_video(renderer)
        elif self.path is not None:
            self._render_video(renderer)
        else:
            self._render_pictures(renderer)

    def check(self) -> None:
        """Raise ``InputError`` for flags that are wrong or do not go together."""
        numbers = {"width": self.width, "height": self.height, "fps": self.fps, "columns": self.columns}
        for name, value in numbers.items():
            if value is not None and value < 1:
                raise InputError(f"--{name} {value}: not above 0", "give a positive whole number")
        self.light_request().check()
        if self._kind() == "exr" and (self.labels or self.gray_ball):
            raise InputError("--format exr: holds light, not --labels or --gray-ball", "leave them out, or give png")
        if self.view is not None:
            self._check_view()
        elif self.path is None:
            self._check_pictures()
        else:
            self._check_video()

    def _check_view(self) -> None:
        others = self.cameras or self.lights or self.path or self.light_request() or self.capture_light
        if others or self.light_path != "stand" or self.layout == "grid":
            raise InputError(
                f"--view {self.view}: has its own camera and light",
                "leave out --cameras, --path, --lights, --light-path, lights and --layout grid; or give the file "
                "as --path for its camera alone, or as --light-path for its light alone",
            )

    def _check_pictures(self) -> None:
        self._check_one_kind_of_light()
        if self.light_path != "stand":
            raise InputError(f"--light-path {self.light_path}: only videos have moving lights", "give --path as well")
        if self._kind() in _VIDEOS:
            what = f"--output {self.output}" if self.output else f"--format {self.format}"
            raise InputError(f"{what}: a video needs a path", "give --path orbit, or a folder as --output")
        if _suffix(self.output) in _PICTURES:
            raise InputError(f"--output {self.output}: one file for all cameras and lights", "give a folder")

    def _check_video(self) -> None:
        if self.cameras is not None or (self.layout != "grid" and (self.lights is not None or self.capture_light)):
            raise InputError(
                "--cameras, --lights and --capture-light are for pictures, --path is for a video",
                "give the file of cameras as --path, and the light as --light AZ,EL, or lights for --layout grid",
            )
        self._check_one_kind_of_light()
        if self.light_path not in LIGHT_PATHS:
            self._check_light_file(Path(self.light_path))
        self._video_kind()
        if self.seconds is not None and not (math.isfinite(self.seconds) and self.seconds > 0.0):
            raise InputError(f"--seconds {self.seconds}: not above 0", "give a longer time")

    def _check_one_kind_of_light(self) -> None:
        if self.light_request() and self.lights is not None:
            raise InputError("--lights is given, and --light, --point or --envmap as well", "give one or the others")

    def _check_light_file(self, path: Path) -> None:
        if not path.is_file():
            what = f"--light-path {path}: no such path or file"
            raise InputError(what, f"give {', '.join(LIGHT_PATHS)}, or a JSON file of lights or keyframes")
        if self.light_request() or self.layout == "grid":
            what = f"--light-path {path}: brings its own lights"
            raise InputError(what, "leave out --light, --point, --envmap and --layout grid")

    def _kind(self) -> str:
        return self.format or _suffix(self.output)

    def _video_kind(self) -> str:
        """Return what to write for a path: one of ``_VIDEOS``, or of ``_PICTURES`` for a folder of numbered pictures.

        Raises:
            InputError: --output and --format do not say which, or differ.
        """
        kind, suffix = self._kind() if self.output else self.format or "mp4", _suffix(self.output)
        fits = suffix == kind if kind in _VIDEOS else kind in _PICTURES and suffix not in (*_VIDEOS, *_PICTURES)
        if self.output is not None and not fits:
            raise InputError(
                f"--output {self.output}: not a kind of video that can be written",
                "end the name with .mp4 or .gif, or give a folder and --format png or exr for numbered pictures",
            )
        return kind

    def _render_pictures(self, renderer: "SceneRenderer") -> None:
        from relightnerf.render.storyboard import Storyboard

        frames = Storyboard(self._request(), renderer.scene).pictures()
        names = [f"{name}.{self.format or 'png'}" for name in frames]
        renderer.write_frames(list(frames.values()), self.output or renderer.scene.renders, names, self._look())

    def _render_view(self, renderer: "SceneRenderer", view: "SavedView") -> None:
        from relightnerf.render.storyboard import Storyboard

        kind = self._kind() or "png"
        if kind not in _PICTURES or (self.output is not None and _suffix(self.output) != kind):
            what = f"--output {self.output}" if self.output else f"--format {self.format}"
            raise InputError(f"{what}: one view makes one picture", "give a name that ends with .png or .exr")
        output = self.output or renderer.scene.renders / f"{Path(str(self.view)).stem}__view.{kind}"
        frames = Storyboard(self._request(), renderer.scene).view(view)
        renderer.write_frames(frames, output.parent, [output.name], self._look(), f".{output.name}.json")

    def _render_video(self, renderer: "SceneRenderer") -> None:
        from relightnerf.render.storyboard import Storyboard

        kind, board = self._video_kind(), Storyboard(self._request(), renderer.scene)
        stem = Path(str(self.path)).stem
        output = self.output or renderer.scene.renders / (stem if kind in _PICTURES else f"{stem}.{kind}")
        frames = board.video()
        if kind in _PICTURES:
            renderer.sequence(frames, output, f".{kind}", self._look())
        else:
            renderer.video(frames, output, board.rate(), self._look())

    def _request(self) -> RenderRequest:
        return RenderRequest(
            self.light_request(),
            self.cameras,
            self.lights,
            self.capture_light,
            self.path,
            self.light_path,
            self.seconds,
            self.fps,
            self.layout,
            self.width,
            self.height,
        )

    def _look(self) -> "Look":
        from relightnerf.render.frames import Look

        return Look(self.columns, self.labels, self.gray_ball)


def _suffix(path: Path | None) -> str:
    return path.suffix[1:].lower() if path else ""
