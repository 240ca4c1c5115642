"""First stage: a capture becomes posed, undistorted photos of one size."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError
from relightnerf.pipeline.flags import stored_flags

if TYPE_CHECKING:
    from relightnerf.capture import Source
    from relightnerf.scene.stage import Stage

MAX_SIZE = {"quick": 256, "full": 768}
"""Longer side of the prepared photos in pixels, by preset."""
_SMALLEST = 32
"""Least --max-size in pixels: stereo and the relighter look at windows of several pixels."""
_FEWEST_VIEWS = 3
"""Least --max-views: one view is held out, and depth takes two."""
_WORKSPACE = ".sfm"
"""Folder of structure from motion while it works, so that it can go on."""


@dataclass
class Prepare:
    """Read a capture (photos, video, COLMAP model or nerfstudio dataset) into a scene folder."""

    capture: Path
    """Folder of photos, video file, COLMAP model, or nerfstudio dataset."""
    scene: Path
    """Scene folder to write to; it is created if it does not exist."""
    preset: Literal["quick", "full"] = "full"
    """Size of the prepared photos, and effort of structure from motion."""
    max_size: int | None = None
    """Longer side of the prepared photos in pixels; 256 (quick) or 768 (full) by default. Photos are never enlarged."""
    max_views: int | None = None
    """Use only this many photos, evenly spaced."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Prepare the capture.

        Raises:
            InputError: the capture cannot be used, or the scene folder cannot be written.
        """
        self.check()
        source = self.source()
        self._stage(source).run(lambda: self._work(source), self.force)
        if not self._has_scene():
            self._write_scene()

    def stage(self) -> "Stage":
        """Return the stage's recipe without running it.

        Raises:
            InputError: the capture cannot be used.
        """
        return self._stage(self.source())

    def source(self) -> "Source":
        """Recognise and check the capture.

        Raises:
            InputError: it is not a capture.
        """
        from relightnerf.capture import SourceOptions, open_capture

        return open_capture(self.capture, SourceOptions(self.max_views, quick=self.preset == "quick"))

    def prepared_size(self, source: "Source") -> tuple[int, int]:
        """Return the width and height of the photos to be written, in pixels."""
        scale = min(1.0, self._size() / max(source.size))
        width, height = (max(1, round(side * scale)) for side in source.size)
        return width, height

    def _stage(self, source: "Source") -> "Stage":
        """Return the recipe; its first version took a mask's pixels as used from 128 on, and not from 1."""
        from relightnerf.scene.stage import Stage

        parameters = {
            "kind": source.kind,
            "max_size": self._size(),
            "max_views": self.max_views,
            "effort": self.preset if source.finds_poses else None,
        }
        version, flags = 2 if source.masks else 1, stored_flags(self)
        return Stage("prepare", self.scene / "capture", parameters, source.files, version=version, flags=flags)

    def check(self) -> None:
        """Raise ``InputError`` for flags that cannot be used, or a scene folder of a newer version."""
        if self.max_size is not None and self.max_size < _SMALLEST:
            raise InputError(f"--max-size {self.max_size}: too small", f"give at least {_SMALLEST} pixels")
        if self.max_views is not None and self.max_views < _FEWEST_VIEWS:
            raise InputError(f"--max-views {self.max_views}: too few", f"use at least {_FEWEST_VIEWS} photos")
        self._has_scene()
        prepared = (self.scene / "capture").resolve()
        if prepared in (self.capture.resolve(), *self.capture.resolve().parents):
            raise InputError(
                f"{self.capture}: lies in the folder {prepared} that prepare writes to",
                "move the capture out of the scene folder, or choose another --scene",
            )

    def _has_scene(self) -> bool:
        """Return whether there is a whole ``scene.json``; one that is not is written again.

        Raises:
            NewerScene: it is of a newer version.
        """
        from relightnerf.scene import NewerScene, Scene

        try:
            Scene.load(self.scene)
        except NewerScene:
            raise
        except InputError:
            return False
        return True

    def _size(self) -> int:
        return MAX_SIZE[self.preset] if self.max_size is None else self.max_size

    def _work(self, source: "Source") -> None:
        from relightnerf.capture import prepared_cameras, write_prepared

        folder, workspace = self.scene / "capture", self.scene / "capture" / _WORKSPACE
        done = self.scene / "scene.json"
        if not (folder / "transforms.json").is_file():
            done.unlink(missing_ok=True)
        if not self._has_scene():
            capture = source.load(workspace)
            write_prepared(capture, prepared_cameras(capture, self._size()), folder)
            self._write_scene()
        shutil.rmtree(workspace, ignore_errors=True)

    def _write_scene(self) -> None:
        from relightnerf.cameras import load_cameras
        from relightnerf.capture import estimate_up
        from relightnerf.scene import Scene

        cameras = load_cameras(self.scene / "capture" / "transforms.json")
        x, y, z = map(float, estimate_up(cameras.camera_to_world))
        root = self.scene.resolve()
        Scene(self.scene, root.name, str(self.capture), (x, y, z), cameras.width, cameras.height).save()
