"""Pictures and videos of a scene's field: cameras times lights, and paths with a light that stands or moves."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras, load_cameras
from relightnerf.color import to_uint8
from relightnerf.errors import InputError
from relightnerf.files import list_files, read_json
from relightnerf.images import write_image
from relightnerf.lights import Lighting, LightSet
from relightnerf.progress import track
from relightnerf.scene import Scene
from relightnerf.stage import MANIFEST, Stage
from relightnerf.staged_video import write_staged_video

if TYPE_CHECKING:
    from relightnerf.field.rendering import FeatureBuffer

Light = Lighting | Float[np.ndarray, "3"] | None
"""Any lighting; or a unit vector towards one canonical light in the capture's world; or None, the capture's own."""
CAPTURE_LIGHT = "capture"
"""Name of the light under which the photos were taken."""


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
        jobs = [(cameras[i], _lights(lights, cameras[i], with_capture)) for i in range(len(cameras))]
        names = list(jobs[0][1])
        outputs = [f"{camera}__{light}.png" for camera in cameras.names for light in names]
        parameters = {"cameras": _described(cameras), "directions": [_plain(lit.values()) for _, lit in jobs]}
        stage = Stage("render", folder, {**parameters, "lights": names}, field_files(self.scene), outputs)

        def work() -> None:
            passes = _Passes(self.scene, self.device)
            for camera, lit in track(jobs, "rendering"):
                for name, light in lit.items():
                    passes.write(folder / f"{camera.name}__{name}.png", camera, light)

        stage.run(work, self.force)
        return [folder / name for name in outputs]

    def video(self, cameras: Cameras, lights: Sequence[Light], output: Path, fps: int) -> None:
        """Write a video, one frame a camera; the frames lie in a hidden folder beside it until it is complete.

        Args:
            cameras: one a frame, in the capture's world frame.
            lights: one a frame.
            output: an ``.mp4`` or ``.gif``.
            fps: frames a second.

        Raises:
            InputError: there is no fitted field, or the video cannot be written.
        """
        parameters = {"cameras": _described(cameras), "directions": _plain(lights)}

        def render(files: Sequence[Path]) -> None:
            passes = _Passes(self.scene, self.device)
            for i, file in enumerate(track(files, "rendering")):
                passes.write(file, cameras[i], lights[i])

        inputs = field_files(self.scene)
        write_staged_video("render", output, parameters, inputs, len(cameras), fps, render, self.force)


def field_files(scene: Scene) -> list[Path]:
    """Return the files that a scene's fitted field consists of.

    Raises:
        InputError: the field is absent or its fit was not completed.
    """
    checkpoints = [path for path in list_files([scene.field]) if path.suffix == ".ckpt"]
    if not checkpoints or not (scene.field / MANIFEST).is_file():
        raise InputError(
            f"{scene.field}: no fitted field, or one that is not complete",
            f"run `relightnerf fit --scene {scene.root}` first",
        )
    return [scene.capture / "transforms.json", *checkpoints]


def cameras_from_file(path: Path, scene: Scene) -> Cameras:
    """Read cameras in the capture's world: a ``transforms.json``, or a camera path that the scene's viewer has saved.

    The viewer shows, and saves, poses in the field's own frame: these are brought back into the capture's.

    Raises:
        InputError: the file cannot be used.
    """
    cameras = load_cameras(path)
    if "camera_path" not in read_json(path):
        return cameras
    from relightnerf.field.dataparser import scene_frame

    frame = scene_frame(scene, scene.cameras())
    poses = cameras.camera_to_world.copy()
    poses[:, :3, :3] = frame.rotation.T @ poses[:, :3, :3]
    poses[:, :3, 3] = frame.points_world(poses[:, :3, 3])
    return Cameras(cameras.names, poses, cameras.intrinsics, cameras.width, cameras.height)


class _Passes:
    """Renders pictures that are not there yet; passes through the field once for pictures of one pose in a row."""

    def __init__(self, scene: Scene, device: str) -> None:
        from relightnerf.field.rendering import FieldRenderer

        self._field = FieldRenderer.load(scene, device)
        self._seen: tuple[bytes, FeatureBuffer] | None = None

    def write(self, path: Path, camera: Camera, light: Light) -> None:
        if path.is_file():
            return
        key = camera.camera_to_world.tobytes() + camera.intrinsics.tobytes()
        if self._seen is None or self._seen[0] != key:
            self._seen = (key, self._field.features(camera))
        write_image(path, to_uint8(self._field.relight(self._seen[1], light)))


def _lights(
    lights: "LightSet | Callable[[Camera], Mapping[str, Light]] | None", camera: Camera, with_capture: bool
) -> dict[str, Light]:
    named: dict[str, Light] = {}
    if isinstance(lights, LightSet):
        named.update(zip(lights.names, lights.directions_world(camera.camera_to_world), strict=True))
    elif lights is not None:
        named.update(lights(camera))
    return {**named, CAPTURE_LIGHT: None} if with_capture or not named else named


def _plain(lights: Iterable[Light]) -> list[object]:
    return [
        light.described() if isinstance(light, Lighting) else light if light is None else light.tolist()
        for light in lights
    ]


def _described(cameras: Cameras) -> dict[str, object]:
    return {
        "names": cameras.names,
        "camera_to_world": cameras.camera_to_world.tolist(),
        "intrinsics": cameras.intrinsics.tolist(),
        "size": [cameras.width, cameras.height],
    }
