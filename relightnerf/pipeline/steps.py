"""The steps of a whole run: the stages from the capture to the field, then a video, a contact sheet, scores, a page."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from relightnerf.diffusion.options import DiffusionOptions

if TYPE_CHECKING:
    from relightnerf.pipeline.fit import Fit
    from relightnerf.pipeline.geometry import Geometry
    from relightnerf.pipeline.match import Match
    from relightnerf.pipeline.prepare import Prepare
    from relightnerf.pipeline.render import Render
    from relightnerf.pipeline.synthesize import Synthesize
    from relightnerf.scene import Scene

SHEET_LIGHTS = {"left": "dir_23", "right": "dir_18", "above": "dir_14", "front": "dir_10"}
"""Lights of the contact sheet, and their names in the reference set."""
SHEET_VIEWS = 3
"""Views of the contact sheet."""
VIDEO_SECONDS, VIDEO_FPS = 4.0, 24
"""Length of the video, and its frames a second."""


class StageCommands(NamedTuple):
    """The stages from the capture to the field, in order."""

    prepare: "Prepare"
    geometry: "Geometry"
    synthesize: "Synthesize"
    match: "Match"
    fit: "Fit"


@dataclass
class RunSteps:
    """The flags of a run; each step takes its flags from here."""

    capture: Path
    """Folder of photos, video file, COLMAP model, or nerfstudio dataset."""
    scene: Path
    """Scene folder to write to; it is created if it does not exist. A stopped run continues where it stopped."""
    preset: Literal["quick", "full", "large"] = "full"
    """quick: small pictures, minutes on a laptop; full: larger pictures, a longer fit; large: also a larger field."""
    relighter: str = "compact"
    """The 2D relighter: compact (its weights come with relightnerf), shading (ray casting, no learning), the name of an
    installed relighter, or the folder or hub id of a light-conditioned diffusion model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """Settings of diffusion models."""
    consistency: bool = True
    """Make the views agree: every surface point gets the mean relighting of the views that see it (match)."""
    force: bool = False
    """Run every stage again even if it is complete."""

    @property
    def sheet(self) -> Path:
        """The contact sheet."""
        return self.scene / "report" / "contact_sheet.png"

    def commands(self) -> "StageCommands":
        """Return the stages up to the field, with their flags, in order."""
        from relightnerf.pipeline.fit import Fit
        from relightnerf.pipeline.geometry import Geometry
        from relightnerf.pipeline.match import Match
        from relightnerf.pipeline.prepare import Prepare
        from relightnerf.pipeline.synthesize import Synthesize

        scene, preset, device, force = self.scene, self.preset, self.device, self.force
        relighter, diffusion = self.relighter, self.diffusion
        return StageCommands(
            Prepare(self.capture, scene, preset="quick" if preset == "quick" else "full", force=force),
            Geometry(scene, preset=preset, device=device, force=force),
            Synthesize(scene, relighter=relighter, device=device, diffusion=diffusion, force=force),
            Match(scene, relighter=relighter, consistency=self.consistency, force=force),
            Fit(scene, preset=preset, device=device, force=force),
        )

    def steps(self) -> dict[str, Callable[[], None]]:
        """Return the functions of the steps by name, in order."""
        from relightnerf.pipeline.report import Report

        scene, device, force = self.scene, self.device, self.force
        return {
            **{name: command.run for name, command in self.commands()._asdict().items()},
            "video": self.video().run,
            "contact sheet": self._make_sheet,
            "evaluate": self._evaluate,
            "report": Report(scene, device=device, force=force).run,
        }

    def video(self) -> "Render":
        """Return the video of a moving light, with its flags."""
        from relightnerf.pipeline.render import Render

        return Render(
            self.scene,
            video_path(self.scene),
            path="stand" if self.preset == "quick" else "spiral",
            light=("0,35",),
            light_frame="camera",
            light_path="swing",
            seconds=VIDEO_SECONDS,
            fps=VIDEO_FPS,
            device=self.device,
            force=self.force,
        )

    def _make_sheet(self) -> None:
        from relightnerf.imaging.contact_sheet import contact_sheet
        from relightnerf.io.images import read_image, write_image
        from relightnerf.lights import LightSet, reference_lights
        from relightnerf.render.scene_renderer import SceneRenderer
        from relightnerf.scene import Scene

        scene = Scene.load(self.scene)
        reference = reference_lights()
        chosen = [reference.names.index(name) for name in SHEET_LIGHTS.values()]
        lights = LightSet("camera", tuple(SHEET_LIGHTS), reference.directions[chosen])
        cameras = scene.cameras().subset((scene.held_out() or scene.cameras().names)[:SHEET_VIEWS])
        files = SceneRenderer(scene, self.device, self.force).pictures(cameras, lights, sheet_folder(scene), True)
        images, labels, columns = [], [], len(lights.names) + 1
        for i, view in enumerate(cameras.names):
            images += [read_image(path) for path in (scene.image_path(view), *files[columns * i : columns * (i + 1)])]
            labels += [f"{view}: photo", *lights.names, "capture's light"]
        write_image(self.sheet, contact_sheet(images, labels, columns + 1))

    def _evaluate(self) -> None:
        from relightnerf.pipeline.evaluate import Evaluate
        from relightnerf.progress import say
        from relightnerf.scene import Scene

        if Scene.load(self.scene).held_out():
            Evaluate(self.scene, device=self.device, force=self.force).run()
        else:
            say("evaluate: no view was held out, nothing to compare with")


def video_path(scene: Path) -> Path:
    """Return the video in a scene's folder."""
    from relightnerf.scene import SWEEP

    return scene / "renders" / SWEEP


def sheet_folder(scene: "Scene") -> Path:
    """Return the folder of the contact sheet's pictures."""
    return scene.renders / "sheet"
