"""The whole run from a capture to a relightable scene and its report."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relightnerf.errors import InputError
from relightnerf.pipeline.steps import RunSteps, video_path


@dataclass
class Run(RunSteps):
    """Run everything: prepare, geometry, synthesize, match, fit; then a video, a contact sheet, scores and a page."""

    dry_run: bool = False
    """Only print what the run would do, and estimate the minutes; write nothing."""

    def run(self) -> None:
        """Run every stage that is not complete, and say how long each took; or only show the plan.

        Raises:
            InputError: an argument or the capture cannot be used.
        """
        from relightnerf.progress import say

        self._check_places()
        if self.dry_run:
            self._show_plan()
            return
        self._load_relighter()
        times = {name: _seconds(work) for name, work in self.steps().items()}
        say("seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in times.items()))
        for what, path in (("video", video_path(self.scene)), ("contact sheet", self.sheet), ("report", self._page)):
            say(f"{what}: {path}")
        say(f"to look around: relightnerf view --scene {self.scene}")

    @property
    def _page(self) -> Path:
        from relightnerf.pipeline.report import PAGE

        return self.scene / "report" / PAGE

    def _show_plan(self) -> None:
        from relightnerf.progress import say, show
        from relightnerf.status.plan import plan_table, run_plan

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


def _seconds(work: Callable[[], None]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started
