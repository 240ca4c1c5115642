"""Third stage: a 2D relighter relights every photo under every light of a set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.pipeline.flags import stored_flags

if TYPE_CHECKING:
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.geometry.views import SceneViews, View
    from relightnerf.lights import LightSet
    from relightnerf.relighters import Relighter
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

_PREVIEW_WIDTH, _PREVIEW_COLUMNS = 128, 5
"""Of the contact sheets: width of a picture in pixels, about, and pictures in a row."""


@dataclass
class Synthesize:
    """Relight every photo under a set of light directions with a 2D relighter."""

    scene: Path
    """Scene folder."""
    relighter: str = "compact"
    """The 2D relighter: compact (its weights come with relightnerf), shading (ray casting, no learning), the name of an
    installed relighter, or the folder or hub id of a light-conditioned diffusion model."""
    lights: Path | None = None
    """A lights.json. By default the 18 directions of the reference method, in each camera's frame."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of relighters that learn; shading always uses the CPU."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """Settings of diffusion models."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Write ``relit/<relighter>/<view>__<light>.png``, ``lights.json`` and ``previews/<view>.jpg``.

        Raises:
            InputError: a flag or file cannot be used, or the geometry is missing.
        """
        from relightnerf.geometry.raycast import RayScene
        from relightnerf.geometry.views import SceneViews
        from relightnerf.relighters import load_relighter
        from relightnerf.scene import Scene

        relighter = load_relighter(self.relighter, self.device, self.diffusion)
        lights = self.light_set()
        scene = Scene.load(self.scene)
        views, rays = SceneViews(scene), RayScene.load(scene.mesh_path)
        views.check()  # before anything is cleared
        stage = self.stage()
        stage.run(lambda: _work(stage.folder, relighter, views, rays, lights), self.force)

    def light_set(self) -> "LightSet":
        """Return the lights to relight under.

        Raises:
            InputError: the file cannot be used.
        """
        from relightnerf.lights import load_lights, reference_lights

        return load_lights(self.lights) if self.lights else reference_lights()

    def stage(self) -> "Stage":
        """Return the stage's recipe without running it.

        Raises:
            InputError: a flag or file cannot be used, or the scene is not prepared.
        """
        return self._stage(self.light_set())

    def recorded_stage(self, parameters: Mapping[str, Any]) -> "Stage":
        """Return the recipe with the lights from a manifest; their file may be gone by now."""
        import numpy as np

        from relightnerf.lights import LightSet

        named = parameters["lights"]
        return self._stage(LightSet(parameters["frame"], tuple(named), np.array(list(named.values()))))

    def _stage(self, lights: "LightSet") -> "Stage":
        from relightnerf.relighters import relighter_recipe
        from relightnerf.scene import Scene
        from relightnerf.scene.stage import Stage

        scene, relighter = Scene.load(self.scene), relighter_recipe(self.relighter, self.diffusion)
        parameters = {
            "relighter": relighter.name,
            **relighter.parameters,
            "frame": lights.frame,
            "lights": dict(zip(lights.names, lights.directions.tolist(), strict=True)),
        }
        inputs = [*_inputs(scene), *relighter.inputs]
        return Stage("synthesize", scene.relit(relighter.name), parameters, inputs, flags=stored_flags(self))


def _inputs(scene: "Scene") -> list[Path]:
    names = scene.cameras().names
    pictures = [path for n in names for path in (scene.image_path(n), scene.depth_path(n), scene.normal_path(n))]
    return [scene.capture / "transforms.json", scene.mesh_path, *pictures, *filter(None, map(scene.mask_path, names))]


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
    from relightnerf.imaging.color import to_uint8
    from relightnerf.imaging.contact_sheet import contact_sheet
    from relightnerf.io.images import write_image

    directions = lights.directions_world(view.camera.camera_to_world)
    relit = to_uint8(relighter.relight(view, rays, directions))
    *paths, preview = _outputs(folder, view.name, lights)
    for path, image in zip(paths, relit, strict=True):
        if not path.is_file():
            write_image(path, image)
    step = max(1, round(view.camera.width / _PREVIEW_WIDTH))
    pictures = [to_uint8(view.image)[::step, ::step], *(image[::step, ::step] for image in relit)]
    write_image(preview, contact_sheet(pictures, ["photo", *lights.names], _PREVIEW_COLUMNS))
