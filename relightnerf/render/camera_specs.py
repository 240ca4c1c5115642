"""Cameras from the command line: named camera paths, photos, and files."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from relightnerf.cameras import Cameras, load_cameras
from relightnerf.cameras import paths as camera_paths
from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.io.images import read_array
from relightnerf.render.saved_views import is_saved_views, load_views
from relightnerf.scene import Scene

NAMED_PATHS = ("orbit", "spiral", "capture", "stand")
"""Camera paths that need no file."""


def path_cameras(scene: Scene, path: str, frames: int) -> Cameras:
    """Return the cameras of a video, one a frame.

    Args:
        scene: whose capture the paths are about.
        path: one of ``NAMED_PATHS``; the name of a photo, to stand there; a view saved by the viewer, to stand there;
            keyframes, to pass them; or a file for ``cameras_from_file``, whose cameras are the frames.
        frames: how many; a file of cameras has its own number.

    Raises:
        InputError: there is no such path, photo or file, or it cannot be used.
    """
    capture, up = scene.cameras(), scene.world_up
    if path == "capture":
        return camera_paths.along_capture(capture, frames)
    if path == "stand":
        return camera_paths.standing(capture, up, frames)
    if path in NAMED_PATHS:
        make = camera_paths.orbit if path == "orbit" else camera_paths.spiral
        return make(capture, up, frames, _central_depth(scene, capture))
    if path in capture.names:
        return camera_paths.standing_at(capture[capture.names.index(path)], frames)
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"--path {path}: no such path, photo or file",
            f"give {', '.join(NAMED_PATHS)}, the name of a photo, or a JSON file of cameras",
        )
    if is_saved_views(file):
        return camera_paths.through(load_views(file).cameras(), frames)
    return cameras_from_file(file, scene)


def cameras_from_file(path: Path, scene: Scene) -> Cameras:
    """Read cameras in the capture's world.

    Args:
        path: a ``transforms.json``; views or keyframes saved by the viewer; or a camera path that nerfstudio's viewer
            has saved for the scene: it shows, and saves, poses in the field's own frame, and these are brought back.
        scene: the scene.

    Raises:
        InputError: the file cannot be used.
    """
    if is_saved_views(path):
        return load_views(path).cameras()
    cameras = load_cameras(path)
    if "camera_path" not in read_json(path):
        return cameras
    from relightnerf.field.dataparser import scene_frame

    frame = scene_frame(scene, scene.cameras())
    return replace(cameras, camera_to_world=frame.world_poses(cameras.camera_to_world))


def saved_rate(path: Path) -> int | None:
    """Return the frames a second that a camera path saved by nerfstudio's viewer asks for; None if it does not."""
    fps = read_json(path).get("fps") if path.is_file() else None
    return round(fps) if isinstance(fps, int | float) and fps >= 1 else None


def taken_with(cameras: Cameras, index: int, capture: Cameras) -> str | None:
    """Return the name of the photo that shows what one of some cameras sees, at any size; None if there is none."""
    alike = capture.resized(cameras.width, cameras.height)
    same = np.isclose(alike.camera_to_world, cameras.camera_to_world[index], atol=1e-5).all(axis=(1, 2))
    shape = np.isclose(capture.width / capture.height, cameras.width / cameras.height, rtol=0.01)
    same &= shape & np.isclose(alike.intrinsics, cameras.intrinsics[index], rtol=0.01).all(axis=1)
    return capture.names[int(same.argmax())] if same.any() else None


def _central_depth(scene: Scene, cameras: Cameras) -> float | None:
    medians = []
    for name in cameras.names:
        if scene.depth_path(name).is_file():
            depth = read_array(scene.depth_path(name))
            height, width = depth.shape
            centre = depth[height // 3 : -(height // 3), width // 3 : -(width // 3)]
            medians += [np.median(centre[centre > 0])] if (centre > 0).any() else []
    return float(np.median(medians)) if medians else None
