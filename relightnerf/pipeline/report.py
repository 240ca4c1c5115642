"""One page that shows all results of a scene."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    from relightnerf.report_page import Explorer
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

PAGE = "index.html"
"""File name of the page in the scene's report folder."""

REPORT_VIEWS = 4
_SMALLEST = 32
"""Least longer side of the page's pictures in pixels: below it nothing can be made out."""


@dataclass
class Report:
    """Write one HTML file that shows the scene, with a light to drag; it opens from disk and needs no network."""

    scene: Path
    """Scene folder."""
    views: int = REPORT_VIEWS
    """Number of views with a light to drag."""
    size: int = 640
    """Longer side of these views in pixels; never more than that of the photos."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to render on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Render what is missing and write ``report/index.html``; the page names stages that were not run.

        Raises:
            InputError: a flag cannot be used, or the scene is not prepared.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.scene import Scene

        if self.views < 1 or self.size < _SMALLEST:
            what = f"--views {self.views}, --size {self.size}: too small"
            raise InputError(what, f"give at least 1 view and {_SMALLEST} pixels")
        scene, device = Scene.load(self.scene), resolve_device(self.device)
        explorer = self._explorer(scene, device)
        self._stage(scene, explorer).run(lambda: _write(scene, explorer), self.force)

    def _stage(self, scene: "Scene", explorer: "Explorer | None") -> "Stage":
        from relightnerf.report_page import page_files, page_inputs
        from relightnerf.scene.stage import Stage

        inputs = [*page_files(), *page_inputs(scene), *(explorer.files if explorer else [])]
        parameters = {"views": self.views, "size": self.size, "steps": _steps(scene)}
        return Stage("report", scene.report, parameters, inputs, [PAGE], f".{PAGE}.json")

    def _explorer(self, scene: "Scene", device: str) -> "Explorer | None":
        from relightnerf.render.scene_renderer import SceneRenderer
        from relightnerf.report_page import explorer_of
        from relightnerf.scene.stage import MANIFEST

        if not (scene.field / MANIFEST).is_file():
            return None
        explorer = explorer_of(scene, self.views, self.size)
        renderer = SceneRenderer(scene, device, self.force)
        renderer.pictures(explorer.cameras, explorer.dome.lights(), explorer.folder, with_capture=True)
        return explorer


def _steps(scene: "Scene") -> list[dict[str, Any]]:
    """Return what the page says about the stages and no other input contains."""
    from relightnerf.report_page import history

    return [{"name": step.name, "settings": step.settings, "seconds": step.seconds} for step in history(scene)]


def _write(scene: "Scene", explorer: "Explorer | None") -> None:
    from relightnerf.io.files import atomic_path
    from relightnerf.report_page import page

    text = page(scene, explorer)
    with atomic_path(scene.report / PAGE) as temporary:
        temporary.write_text(text, encoding="utf-8")
