"""Measures what a scene folder knows against the truth of its capture: geometry, the capture's light, 2D relighting.

    .venv/bin/python scripts/measure_capture.py --scene SCENE --capture CAPTURE --output scores.json

CAPTURE is a folder of `datasets/render_captures.py`, or another with `truth/` and maybe `geometry/depth` or `depth/`.
What the truth does not tell is null. `scripts/evaluate_captures.py` calls this with the library of any checkout, as
PYTHONPATH says.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from relightnerf.cameras import Camera, Cameras, load_cameras
from relightnerf.cli import run_command
from relightnerf.evaluation.metrics import compare, mean_scores
from relightnerf.geometry.normals import view_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import SceneViews, View
from relightnerf.imaging.color import to_float, to_uint8
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_array, read_image, write_image
from relightnerf.lights import LightSet, load_lights
from relightnerf.pipeline.geometry import base_field
from relightnerf.relighters import Relighter, load_relighter
from relightnerf.scene import Scene

OFF = 0.02
"""Relative error from which a depth is off."""
UNKNOWN_DEG = 90.0
"""Error of a normal that is not there."""
MEASURES = ("psnr_scaled", "ssim_scaled")


@dataclass
class Measure:
    """A scene and its truth."""

    scene: Path
    """Scene folder with geometry."""
    capture: Path
    """Folder with `truth/` and, if known, true geometry."""
    output: Path
    """JSON file to write."""
    relighters: tuple[str, ...] = ("compact",)
    """2D relighters to measure; none measures geometry only."""
    light: tuple[float, float, float] | None = None
    """Direction of the capture's light, if the truth does not have it."""
    pictures: Path | None = None
    """Also write the relit pictures here."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Device to compute on."""

    def run(self) -> None:
        """Measure everything that the truth tells, and write it."""
        scene = Scene.load(self.scene)
        result: dict[str, Any] = {
            "depth": depth_scores(scene, self.capture),
            "normal": normal_scores(scene, self.capture),
        }
        if self.relighters:
            truth = Truth.load(self.capture, self.light)
            result["identity"] = mean_of(
                truth, {c.name: [truth.photo(c)] * len(truth.lights.names) for c in truth.cameras}
            )
            result["relighters"] = {name: self._relighter(name, scene, truth) for name in self.relighters}
        write_json(self.output, result)

    def _relighter(self, name: str, scene: Scene, truth: "Truth") -> dict[str, Any]:
        rays = RayScene.load(scene.mesh_path)
        relit, light = self._relit(name, SceneViews(scene), field_views(scene, truth, rays, self.device), rays, truth)
        result: dict[str, Any] = {
            **mean_of(truth, relit),
            "light_error_deg": truth.light_error_deg(light),
            "true_geometry": None,
        }
        self._write(name, relit, truth)
        exact = true_views(scene, self.capture, truth)
        if exact is not None:
            rays, views, held_out = exact
            relit, light = self._relit(name, views, held_out, rays, truth)
            result["true_geometry"] = {**mean_of(truth, relit), "light_error_deg": truth.light_error_deg(light)}
            self._write(f"{name}_true_geometry", relit, truth)
        return result

    def _relit(
        self, name: str, views: Sequence[View], held_out: Sequence[View], rays: RayScene, truth: "Truth"
    ) -> tuple[dict[str, list[np.ndarray]], np.ndarray | None]:
        """Return the relit pictures of each held-out camera, and the capture's light as the relighter found it."""
        relighter = load_relighter(name, self.device)
        relighter.fit(views, rays)
        relit = {}
        for view in held_out:
            directions = truth.lights.directions_world(view.camera.camera_to_world)
            relit[view.name] = list(to_uint8(relighter.relight(view, rays, directions)))
        return relit, found_light(relighter)

    def _write(self, name: str, relit: dict[str, list[np.ndarray]], truth: "Truth") -> None:
        if self.pictures is not None:
            for camera, pictures in relit.items():
                for light, picture in zip(truth.lights.names, pictures, strict=True):
                    write_image(self.pictures / name / f"{camera}__{light}.png", picture)


@dataclass(frozen=True)
class Truth:
    """Held-out cameras under held-out lights.

    Attributes:
        folder: with a picture for each pair, and for each camera under the capture's light.
        cameras: held-out ones.
        lights: held-out ones.
        capture_light: direction (3,) of the capture's own light, world frame; None if nobody knows.
    """

    folder: Path
    cameras: Cameras
    lights: LightSet
    capture_light: np.ndarray | None

    @classmethod
    def load(cls, capture: Path, light: tuple[float, float, float] | None) -> "Truth":
        """Read the truth of a capture; `light` counts if the files do not tell it."""
        folder = capture / "truth"
        path = folder / "capture_light.json"
        direction = read_json(path)["direction"] if path.is_file() else light
        unit = None if direction is None else np.array(direction) / np.linalg.norm(direction)
        return cls(folder, load_cameras(folder / "transforms.json"), load_lights(folder / "lights.json"), unit)

    def photo(self, camera: Camera) -> np.ndarray:
        """Return a held-out camera's picture under the capture's light, 8-bit sRGB."""
        return read_image(self.folder / f"{camera.name}__capture.png")

    def light_error_deg(self, found: np.ndarray | None) -> float | None:
        """Return how far a direction is off the capture's light."""
        if found is None or self.capture_light is None:
            return None
        return float(np.rad2deg(np.arccos(np.clip(found @ self.capture_light / np.linalg.norm(found), -1.0, 1.0))))


def mean_of(truth: Truth, relit: dict[str, list[np.ndarray]]) -> dict[str, float]:
    """Return the mean scores of 8-bit pictures of all pairs."""
    scores = []
    for camera, pictures in relit.items():
        for light, picture in zip(truth.lights.names, pictures, strict=True):
            true = to_float(read_image(truth.folder / f"{camera}__{light}.png"))
            every = compare(to_float(picture), true)
            scores.append({measure: every[measure] for measure in MEASURES})
    return mean_scores(scores)


def field_views(scene: Scene, truth: Truth, rays: RayScene, device: str) -> list[View]:
    """Return the true photos of the held-out cameras with the geometry that the scene has for them."""
    from relightnerf.field.loading import load_renderer

    field = load_renderer(scene, device, base_field(scene))
    views = []
    for camera in truth.cameras:
        depth = field.depth(camera)
        views.append(View(camera, to_float(truth.photo(camera)), depth, view_normals(camera, depth, rays)))
    return views


def true_views(scene: Scene, capture: Path, truth: Truth) -> tuple[RayScene, list[View], list[View]] | None:
    """Return the true mesh, and capture and held-out views with true geometry; None if any of it is not known."""
    mesh = capture / "geometry" / "mesh.ply"
    cameras = [*scene.cameras(), *truth.cameras]
    found = [true_array(capture, kind, camera.name) for camera in cameras for kind in ("depth", "normal")]
    known = [values for values in found if values is not None]
    if not mesh.is_file() or len(known) < len(found):
        return None
    photos = [read_image(scene.image_path(camera.name)) for camera in scene.cameras()]
    photos += [truth.photo(camera) for camera in truth.cameras]
    geometry = zip(cameras, photos, known[::2], known[1::2], strict=True)
    views = [View(camera, to_float(photo), depth, normal) for camera, photo, depth, normal in geometry]
    return RayScene.load(mesh), views[: len(scene.cameras())], views[len(scene.cameras()) :]


def true_array(capture: Path, kind: str, view: str) -> np.ndarray | None:
    """Return the true depth or normals of a view, float32; None if they are not known."""
    paths = [folder / kind / f"{view}.npy" for folder in (capture / "geometry", capture)]
    return next((np.load(path).astype(np.float32) for path in paths if path.is_file()), None)


def found_light(relighter: Relighter) -> np.ndarray | None:
    """Return the direction of the capture's light that a fitted relighter believes in."""
    light = getattr(getattr(relighter, "_shading", relighter), "light", None)
    return None if light is None else light.direction_world


def depth_scores(scene: Scene, capture: Path) -> dict[str, float] | None:
    """Return the median relative error of the capture views' depth, and the share that is off or unknown."""
    errors = []
    for true, found in _pairs(scene, capture, "depth"):
        known = np.isfinite(found) & (found > 0)
        error = np.where(known, np.abs(found - true) / np.maximum(true, 1e-6), np.inf)
        errors.append(error[true > 0])
    if not errors:
        return None
    every = np.concatenate(errors)
    known = np.isfinite(every)
    off, unknown = float((every > OFF).mean()), float((~known).mean())
    return {"median": float(np.median(every[known])) if known.any() else np.nan, "off": off, "unknown": unknown}


def normal_scores(scene: Scene, capture: Path) -> dict[str, float] | None:
    """Return median and mean error of the capture views' normals, degrees; unknown ones are 90 degrees off."""
    errors = []
    for true, found in _pairs(scene, capture, "normal"):
        length = np.linalg.norm(found, axis=-1)
        cosine = np.sum(found * true, axis=-1) / np.maximum(length * np.linalg.norm(true, axis=-1), 1e-6)
        error = np.where(length > 0, np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0))), UNKNOWN_DEG)
        errors.append(error[np.any(true != 0, axis=-1)])
    if not errors:
        return None
    every = np.concatenate(errors)
    return {"median_deg": float(np.median(every)), "mean_deg": float(every.mean())}


def _pairs(scene: Scene, capture: Path, kind: Literal["depth", "normal"]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield true and found values of the capture views whose truth is known."""
    for name in scene.cameras().names:
        true = true_array(capture, kind, name)
        if true is not None:
            yield true, read_array(scene.depth_path(name) if kind == "depth" else scene.normal_path(name))


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(Measure, description=__doc__)))
