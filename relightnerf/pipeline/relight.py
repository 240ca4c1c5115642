"""Outside the stages: one photo with depth, relit."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from relightnerf.cameras import Camera
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.geometry.views import View
    from relightnerf.lights import LightSet

_WIDEST_DEG = 170.0


@dataclass
class Relight:
    """Relight one photo whose depth is known; its camera's frame is the world frame."""

    image: Path
    """Photo (any format that Pillow reads)."""
    depth: Path
    """Depth along the viewing axis: float npy in any unit, or 16-bit PNG; 0 where unknown; same size as the photo."""
    fov: float
    """Horizontal field of view of the photo in degrees."""
    lights: Path
    """A lights.json; here the frames camera and world are the same."""
    output: Path
    """Folder to write <stem>__<light>.png to."""
    relighter: str = "shading"
    """Which relighter to use: shading (ray-cast, no learning)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where relighters that learn compute; shading always uses the CPU."""
    force: bool = False
    """Do it again even if it is done."""

    def run(self) -> None:
        """Write the photo under every light.

        Raises:
            InputError: a flag or file cannot be used, or photo and depth differ in size.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.lights import load_lights
        from relightnerf.relighters import load_relighter
        from relightnerf.stage import Stage

        resolve_device(self.device)
        load_relighter(self.relighter)
        lights = load_lights(self.lights)
        view, rays = self._view()
        parameters = {
            "relighter": self.relighter,
            "fov_deg": self.fov,
            "lights": dict(zip(lights.names, lights.directions.tolist(), strict=True)),
        }
        names = [f"{self.image.stem}__{light}.png" for light in lights.names]
        manifest = f"{self.image.stem}.manifest.json"  # several photos may share the folder
        stage = Stage("relight", self.output, parameters, [self.image, self.depth], names, manifest)
        stage.run(lambda: self._work(view, rays, lights), self.force)

    def _work(self, view: "View", rays: "RayScene", lights: "LightSet") -> None:
        from relightnerf.color import to_uint8
        from relightnerf.images import write_image
        from relightnerf.relighters import load_relighter

        relighter = load_relighter(self.relighter)
        relighter.fit([view], rays)
        directions = lights.directions_world(view.camera.camera_to_world)
        for light, image in zip(lights.names, relighter.relight(view, rays, directions), strict=True):
            path = self.output / f"{self.image.stem}__{light}.png"
            if not path.is_file():
                write_image(path, to_uint8(image))

    def _view(self) -> tuple["View", "RayScene"]:
        import numpy as np

        from relightnerf.color import to_float
        from relightnerf.geometry.mesh import depth_mesh
        from relightnerf.geometry.normals import depth_normals
        from relightnerf.geometry.raycast import RayScene
        from relightnerf.geometry.views import View
        from relightnerf.images import read_image

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
        import numpy as np

        from relightnerf.cameras import Camera

        if not 0.0 < self.fov <= _WIDEST_DEG:
            raise InputError(f"--fov {self.fov}: no field of view", "give the horizontal one in degrees, up to 170")
        focal = width / 2 / np.tan(np.radians(self.fov) / 2)
        return Camera(self.image.stem, np.eye(4), np.array([focal, focal, width / 2, height / 2]), width, height)


def _read_depth(path: Path) -> "np.ndarray":
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    from relightnerf.images import read_array

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
