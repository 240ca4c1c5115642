"""Scores of held-out pictures, as a table and as a chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from relightnerf.evaluation.metrics import WAYS
from relightnerf.lights import CAPTURE_LIGHT

_MEASURES = {"psnr": ("PSNR", "dB", 2), "ssim": ("SSIM", "", 3), "lpips": ("LPIPS", "", 3)}
"""Title, unit and decimals of each measure."""
_LESS_IS_BETTER = "lpips"
_NAMES = {"this run": "This field", "identity": "The photo as it is", "capture": "photo's light"}
"""What rows of ``metrics.json`` are called on the page."""
_STEP_DB = 2.0
"""Between marks of the chart's scale."""


@dataclass(frozen=True)
class Cell:
    """A number of the table, and whether it is the best of its column."""

    text: str
    best: bool


@dataclass(frozen=True)
class Table:
    """Means over all held-out pictures: for each measure its ways, then a line of cells for each row."""

    measures: list[str]
    ways: tuple[str, ...]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Chart:
    """PSNR of every light, or every camera where there is one light: a line each, with a mark for each row.

    Attributes:
        title: what the lines are.
        low: left end, dB.
        high: right end, dB.
        ticks: where the scale has marks, dB.
        series: names of the rows.
        lines: name, then a value in dB for each row.
    """

    title: str
    low: float
    high: float
    ticks: list[float]
    series: list[str]
    lines: list[tuple[str, list[float]]]

    def place(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1."""
        return (value - self.low) / (self.high - self.low)


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Return the table of a ``metrics.json``."""
    rows = metrics["rows"]
    found = [m for m in _MEASURES if f"{m}_raw" in next(iter(rows.values()))["mean"]]
    columns = [(measure, f"{measure}_{way}") for measure in found for way in WAYS]
    best = {
        key: (min if measure == _LESS_IS_BETTER else max)(row["mean"][key] for row in rows.values())
        for measure, key in columns
    }
    lines = []
    for name, row in rows.items():
        values = [(measure, row["mean"][key], best[key]) for measure, key in columns]
        cells = [Cell(f"{value:.{_MEASURES[m][2]}f}", len(rows) > 1 and value == top) for m, value, top in values]
        lines.append((row_name(name), cells))
    titles = [f"{_MEASURES[m][0]}, {_MEASURES[m][1]}" if _MEASURES[m][1] else _MEASURES[m][0] for m in found]
    return Table(titles, WAYS, lines)


def psnr_chart(metrics: Mapping[str, Any]) -> Chart:
    """Return the chart of a ``metrics.json``: PSNR after the best exposure, the means over the other of the two."""
    rows, lights, cameras = metrics["rows"], metrics["lights"], metrics["cameras"]
    by_camera = lights == [CAPTURE_LIGHT]
    lines = []
    for name in cameras if by_camera else lights:
        pairs = [f"{name}__{light}" for light in lights] if by_camera else [f"{camera}__{name}" for camera in cameras]
        means = [sum(row["pairs"][pair]["psnr_scaled"] for pair in pairs) / len(pairs) for row in rows.values()]
        lines.append((name, means))
    values = [value for _, means in lines for value in means]
    low, high = _STEP_DB * (min(values) // _STEP_DB), _STEP_DB * (max(values) // _STEP_DB + 1)
    ticks = [low + _STEP_DB * i for i in range(round((high - low) / _STEP_DB) + 1)]
    every = -(-len(ticks) // 8)
    what = "held-out view" if by_camera else "light"
    return Chart(f"PSNR by {what}", low, high, ticks[::every], [row_name(name) for name in rows], lines)


def row_name(name: str) -> str:
    """Return what a row of ``metrics.json`` is called on the page."""
    return _NAMES.get(name, f"Photos relit in 2D ({name})")
