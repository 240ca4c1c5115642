"""Draw what azimuth and elevation mean: docs/light_world.svg and docs/light_camera.svg.

    python scripts/draw_light_angles.py

Every point on the domes is computed by `relightnerf.lights.direction_from_angles`: the pictures say what the code does.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float

from relightnerf.cli import run_command
from relightnerf.io.files import atomic_path
from relightnerf.lights import direction_from_angles

WIDTH, HEIGHT, RADIUS = 460, 300, 140.0
AZIMUTH_DEG, ELEVATION_DEG = 50.0, 40.0
_STYLE = """<style>
  svg { --ink: #1f2937; --faint: #6b7280; --line: #9ca3af; --sun: #b45309; --azimuth: #1d4ed8; --elevation: #15803d }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e5e7eb; --faint: #a8b0bd; --line: #6b7280; --sun: #fbbf24; --azimuth: #93c5fd; --elevation: #86efac }
  }
  text { font: 14px system-ui, sans-serif; fill: var(--ink); text-anchor: middle }
  path { fill: none; stroke-width: 1.2; stroke: var(--line) }
  .faint { fill: var(--faint); font-size: 12px }
  .axis, .axis text { stroke-width: 2; stroke: var(--ink) }
  .azimuth { stroke: var(--azimuth); stroke-width: 3.5 } text.azimuth { stroke: none; fill: var(--azimuth) }
  .elevation { stroke: var(--elevation); stroke-width: 3.5 } text.elevation { stroke: none; fill: var(--elevation) }
  .light { stroke: var(--sun); stroke-width: 3 } circle.light, text.light { stroke: none; fill: var(--sun) }
  .camera { stroke: var(--ink); stroke-width: 1.6; stroke-linejoin: round }
</style>"""


@dataclass
class Panel:
    """One frame, seen from afar without perspective; ``eye`` is where from, in the frame's own coordinates."""

    frame: str
    eye: tuple[float, float, float]
    up: tuple[float, float, float]
    title: str
    axes: dict[str, tuple[float, float, float]]
    marks: dict[int, str]

    def project(self, points: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 2"]:
        """Return pixels in the drawing."""
        back = np.array(self.eye) / np.linalg.norm(self.eye)
        right = np.cross(self.up, back)
        right /= np.linalg.norm(right)
        flat = np.stack([points @ right, -(points @ np.cross(back, right))], axis=-1)
        return np.array([WIDTH / 2, 0.66 * HEIGHT]) + RADIUS * flat

    def arc(self, azimuths_deg: Iterable[float], elevations_deg: Iterable[float]) -> Float[np.ndarray, "steps 2"]:
        """Return pixels along directions on the dome."""
        angles = np.broadcast_arrays(np.asarray(azimuths_deg), np.asarray(elevations_deg))
        directions = [direction_from_angles(a, e, self.frame) for a, e in zip(*angles, strict=True)]  # type: ignore[arg-type]
        return self.project(np.array(directions))

    def drawn(self) -> str:
        """Return the whole picture as SVG."""
        title = f"{self.title}: azimuth {AZIMUTH_DEG:.0f}, elevation {ELEVATION_DEG:.0f} degrees"
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img">'
        parts = [head, f"<title>{title}</title>", _STYLE, *self._dome(), *self._axes(), *self._light()]
        if self.frame == "camera":
            parts += self._camera()
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _dome(self) -> list[str]:
        around, rising = np.linspace(-180.0, 180.0, 121), np.linspace(0.0, 90.0, 31)
        parts = [_path(self.arc(around, [elevation]), dashes=elevation > 0) for elevation in (0.0, 30.0, 60.0)]
        parts += [_path(self.arc([azimuth], rising), dashes=True) for azimuth in range(-180, 180, 30)]
        for azimuth, words in self.marks.items():
            place = self.project(1.25 * direction_from_angles(azimuth, 0.0, self.frame))  # type: ignore[arg-type]
            parts.append(_text(place, f"{azimuth}°".replace("-", "−"), "faint", dy=2))
            parts.append(_text(place, words, "faint", dy=15))
        return parts

    def _axes(self) -> list[str]:
        parts = []
        for name, axis in self.axes.items():
            start, end = self.project(np.zeros(3)), self.project(0.62 * np.array(axis))
            parts += [_arrow(start, end, "axis"), _text(end + 0.13 * (end - start), name, dy=5)]
        return parts

    def _light(self) -> list[str]:
        share = np.linspace(0.0, 1.0, 31)
        light = self.arc([AZIMUTH_DEG], [ELEVATION_DEG])[0]
        foot = self.arc([AZIMUTH_DEG], [0.0])[0]
        centre = self.project(np.zeros(3))
        beside = self.arc([AZIMUTH_DEG / 2], [0.0])[0], self.arc([AZIMUTH_DEG], [ELEVATION_DEG / 2])[0]
        away = (beside[0] - centre) / np.linalg.norm(beside[0] - centre)
        return [
            _path(np.stack([centre, foot]), dashes=True),
            _path(self.arc(AZIMUTH_DEG * share, [0.0]), "azimuth"),
            _path(self.arc([AZIMUTH_DEG], ELEVATION_DEG * share), "elevation"),
            _arrow(centre, centre + 0.94 * (light - centre), "light"),
            f'<circle class="light" cx="{light[0]:.1f}" cy="{light[1]:.1f}" r="10"/>',
            _text(light, "light", "light", dy=-16),
            _text(beside[0] + 16 * away, "azimuth", "azimuth", dy=8),
            _text(beside[1] - [38, 0], "elevation", "elevation", dy=5),
        ]

    def _camera(self) -> list[str]:
        corners = 0.34 * np.array([[-0.8, -0.6, -1.0], [0.8, -0.6, -1.0], [0.8, 0.6, -1.0], [-0.8, 0.6, -1.0]])
        corners = self.project(corners)
        centre = self.project(np.zeros(3))
        sides = [_path(np.stack([centre, corner]), "camera") for corner in corners]
        return [_path(np.concatenate([corners, corners[:1]]), "camera"), *sides]


PANELS = {
    "light_world.svg": Panel(
        "world",
        eye=(1.0, -0.25, 0.42),
        up=(0.0, 0.0, 1.0),
        title="A light in the world's frame",
        axes={"x": (1, 0, 0), "y": (0, 1, 0), "z, up": (0, 0, 1)},
        marks={0: "+x", 90: "+y", 180: "−x", -90: "−y"},
    ),
    "light_camera.svg": Panel(
        "camera",
        eye=(-0.5, 0.42, 1.0),
        up=(0.0, 1.0, 0.0),
        title="A light in a camera's frame",
        axes={"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)},
        marks={0: "behind the camera", 90: "right", 180: "where it looks", -90: "left"},
    ),
}
"""File name and what is in it."""


def _path(points: Float[np.ndarray, "steps 2"], kind: str = "", dashes: bool = False) -> str:
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<path{_class(kind)}{" stroke-dasharray=" + chr(34) + "3 4" + chr(34) if dashes else ""} d="M{line}"/>'


def _arrow(start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"], kind: str) -> str:
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
    aside = np.array([-along[1], along[0]])
    barbs = [end - 9 * along + 4.5 * aside, end, end - 9 * along - 4.5 * aside]
    return _path(np.stack([start, end]), kind) + _path(np.stack(barbs), kind)


def _text(place: Float[np.ndarray, "2"], words: str, kind: str = "", dy: float = 0.0) -> str:
    return f'<text{_class(kind)} x="{place[0]:.1f}" y="{place[1] + dy:.1f}">{words}</text>'


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


@dataclass
class DrawLightAngles:
    """Parsed flags."""

    output: Path = Path(__file__).parents[1] / "docs"
    """Folder to write to."""

    def run(self) -> None:
        for name, panel in PANELS.items():
            with atomic_path(self.output / name) as temporary:
                temporary.write_text(panel.drawn())


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(DrawLightAngles, description=__doc__)))
