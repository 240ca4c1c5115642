"""The whole way from a capture to a relightable scene, with pictures to look at."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.errors import InputError

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
class Run:
    """Do everything: prepare, geometry, synthesize, match, fit, then a video, a sheet, an evaluation and a page."""

    capture: Path
    """Folder of photos, video file, COLMAP model, or nerfstudio dataset."""
    scene: Path
    """Scene folder to write to; a stopped run goes on where it stopped."""
    preset: Literal["quick", "full", "large"] = "full"
    """quick: small pictures, minutes on a laptop; full: larger pictures, a longer fit; large: a larger field, too."""
    relighter: str = "compact"
    """The 2D relighter: compact (its weights come with relightnerf), shading (ray-cast, no learning), or a diffusion
    model's folder or hub id."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes CUDA if there is any."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """How a diffusion model computes."""
    consistency: bool = True
    """Give every surface point the mean relighting of the views that see it (match)."""
    force: bool = False
    """Do every stage again even if it is done."""
    dry_run: bool = False
    """Only say what would be done and about how many minutes it would take; nothing is written."""

    def run(self) -> None:
        """Run every stage that is not done yet, and say how long each took; or only show the plan.

        Raises:
            InputError: an argument or the capture cannot be used.
        """
        from relightnerf.progress import say

        self._check_places()
        if self.dry_run:
            self._show_plan()
            return
        self._load_relighter()
        times = {name: _seconds(work) for name, work in self._stages().items()}
        say("seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in times.items()))
        for what, path in (("video", video_path(self.scene)), ("contact sheet", self._sheet), ("report", self._page)):
            say(f"{what}: {path}")
        say(f"to look around: relightnerf view --scene {self.scene}")

    @property
    def _sheet(self) -> Path:
        return self.scene / "report" / "contact_sheet.png"

    @property
    def _page(self) -> Path:
        from relightnerf.pipeline.report import PAGE

        return self.scene / "report" / PAGE

    def _show_plan(self) -> None:
        from relightnerf.plan import plan_table, run_plan
        from relightnerf.progress import say, show

        plan = run_plan(self)
        show(plan_table(plan))
        for step in plan.steps:
            if step.reason:
                say(f"{step.name}: {step.reason}")
        say(plan.summary)

    def _check_places(self) -> None:
        from relightnerf.scene import Scene

        if not self.capture.exists():
            raise InputError(f"{self.capture}: no such capture", "give a folder of photos, a video or a dataset")
        if self.scene.exists() and not self.scene.is_dir():
            raise InputError(f"{self.scene}: not a folder", "give another --scene folder")
        if (self.scene / "scene.json").exists():
            Scene.load(self.scene)

    def _load_relighter(self) -> None:
        from relightnerf.relighters import load_relighter

        load_relighter(self.relighter, self.device, self.diffusion)

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

    def _stages(self) -> dict[str, Callable[[], None]]:
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
        from relightnerf.images import read_image, write_image
        from relightnerf.lights import LightSet, reference_lights
        from relightnerf.pipeline.evaluate import held_out_views
        from relightnerf.rendering import SceneRenderer
        from relightnerf.scene import Scene
        from relightnerf.sheets import contact_sheet

        scene = Scene.load(self.scene)
        reference = reference_lights()
        chosen = [reference.names.index(name) for name in SHEET_LIGHTS.values()]
        lights = LightSet("camera", tuple(SHEET_LIGHTS), reference.directions[chosen])
        cameras = scene.cameras().chosen((held_out_views(scene) or scene.cameras().names)[:SHEET_VIEWS])
        files = SceneRenderer(scene, self.device, self.force).pictures(cameras, lights, sheet_folder(scene), True)
        images, labels, columns = [], [], len(lights.names) + 1
        for i, view in enumerate(cameras.names):
            images += [read_image(path) for path in (scene.image_path(view), *files[columns * i : columns * (i + 1)])]
            labels += [f"{view}: photo", *lights.names, "capture's light"]
        write_image(self._sheet, contact_sheet(images, labels, columns + 1))

    def _evaluate(self) -> None:
        from relightnerf.pipeline.evaluate import Evaluate, held_out_views
        from relightnerf.progress import say
        from relightnerf.scene import Scene

        if held_out_views(Scene.load(self.scene)):
            Evaluate(self.scene, device=self.device, force=self.force).run()
        else:
            say("evaluate: no view was held out, nothing to compare with")


def video_path(scene: Path) -> Path:
    """Return the video in a scene's folder."""
    return scene / "renders" / "light_sweep.mp4"


def sheet_folder(scene: "Scene") -> Path:
    """Return the folder of the contact sheet's pictures."""
    return scene.renders / "sheet"


def _seconds(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
