"""Third stage: every photo, relit by a 2D relighter from every direction of a set of lights."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.diffusion.options import DiffusionOptions

if TYPE_CHECKING:
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.geometry.views import SceneViews, View
    from relightnerf.lights import LightSet
    from relightnerf.relighters import Relighter
    from relightnerf.scene import Scene

_PREVIEW_WIDTH = 128
_PREVIEW_COLUMNS = 5


@dataclass
class Synthesize:
    """Relight every photo from a set of directions with a 2D relighter."""

    scene: Path
    """Scene folder."""
    relighter: str = "compact"
    """compact (its weights come with relightnerf), shading (ray-cast, no learning), or the folder or hub id of a
    light-conditioned diffusion model."""
    lights: Path | None = None
    """A lights.json; without it, the 18 directions of the reference method in each camera's frame."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where relighters that learn compute; shading always uses the CPU."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """How a diffusion model computes."""
    force: bool = False
    """Do it again even if it is done."""

    def run(self) -> None:
        """Write ``relit/<relighter>/<view>__<light>.png``, ``lights.json`` and ``previews/<view>.jpg``.

        Raises:
            InputError: a flag or file cannot be used, or the geometry is missing.
        """
        from relightnerf.geometry.raycast import RayScene
        from relightnerf.geometry.views import SceneViews
        from relightnerf.lights import load_lights, reference_lights
        from relightnerf.relighters import load_relighter
        from relightnerf.scene import Scene
        from relightnerf.stage import Stage

        relighter = load_relighter(self.relighter, self.device, self.diffusion)
        lights = load_lights(self.lights) if self.lights else reference_lights()
        scene = Scene.load(self.scene)
        views, rays = SceneViews(scene), RayScene.load(scene.mesh_path)
        views.check()  # before anything is cleared
        parameters = {
            "relighter": relighter.name,
            **relighter.parameters,
            "frame": lights.frame,
            "lights": dict(zip(lights.names, lights.directions.tolist(), strict=True)),
        }
        folder = scene.relit(relighter.name)
        stage = Stage("synthesize", folder, parameters, [*_inputs(scene, views), *relighter.inputs])
        stage.run(lambda: _work(folder, relighter, views, rays, lights), self.force)


def _inputs(scene: "Scene", views: "SceneViews") -> list[Path]:
    names = views.cameras.names
    masks = [path for n in names if (path := scene.capture / "masks" / f"{n}.png").is_file()]
    pictures = [path for n in names for path in (scene.image_path(n), scene.depth_path(n), scene.normal_path(n))]
    return [scene.capture / "transforms.json", scene.mesh_path, *pictures, *masks]


def _work(folder: Path, relighter: "Relighter", views: "SceneViews", rays: "RayScene", lights: "LightSet") -> None:
    from relightnerf.lights import save_lights
    from relightnerf.progress import say, track

    names = views.cameras.names
    missing = [i for i, name in enumerate(names) if not all(p.is_file() for p in _outputs(folder, name, lights))]
    if missing:
        relighter.fit(views, rays)
    for index in track(missing, "relighting", done=len(names) - len(missing)):
        _relight_view(folder, relighter, views[index], rays, lights)
    save_lights(folder / "lights.json", lights)
    if relighter.report:
        say(f"synthesize: {relighter.report}")


def _outputs(folder: Path, view: str, lights: "LightSet") -> list[Path]:
    return [*(folder / f"{view}__{light}.png" for light in lights.names), folder / "previews" / f"{view}.jpg"]


def _relight_view(folder: Path, relighter: "Relighter", view: "View", rays: "RayScene", lights: "LightSet") -> None:
    from relightnerf.color import to_uint8
    from relightnerf.images import write_image
    from relightnerf.sheets import contact_sheet

    directions = lights.directions_world(view.camera.camera_to_world)
    relit = to_uint8(relighter.relight(view, rays, directions))
    *paths, preview = _outputs(folder, view.name, lights)
    for path, image in zip(paths, relit, strict=True):
        if not path.is_file():
            write_image(path, image)
    step = max(1, round(view.camera.width / _PREVIEW_WIDTH))
    pictures = [to_uint8(view.image)[::step, ::step], *(image[::step, ::step] for image in relit)]
    write_image(preview, contact_sheet(pictures, ["photo", *lights.names], _PREVIEW_COLUMNS))
