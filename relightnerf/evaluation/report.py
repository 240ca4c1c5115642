"""Scores of folders of pictures against the truth, as JSON, as a table and as a picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from rich.table import Table

from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import WAYS, Distance, compare, mean_scores
from relightnerf.imaging.color import to_float
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.images import read_image, read_mask
from relightnerf.progress import track

_MOST_EXAMPLES = 4
"""Pairs on the comparison picture."""
_TITLES = {"psnr": "PSNR", "ssim": "SSIM", "lpips": "LPIPS"}


@dataclass(frozen=True)
class Pair:
    """A camera under a light, with the picture that is right for it."""

    camera: str
    light: str
    truth: Path
    mask: Path | None = None
    """Picture that is not black where pixels count; None: everywhere."""

    @property
    def name(self) -> str:
        """``<camera>__<light>``, the stem of the pair's picture in every folder."""
        return f"{self.camera}__{self.light}"


Rows = Mapping[str, Mapping[str, Path]]
"""Name of what is compared, then pair name, then picture."""


def check_rows(pairs: Sequence[Pair], rows: Rows) -> None:
    """Raise ``InputError`` for a picture that is absent, unreadable, or of another size than its truth."""
    for pair in pairs:
        size = read_image(pair.truth).shape
        for path in [row[pair.name] for row in rows.values()] + ([pair.mask] if pair.mask else []):
            if read_image(path).shape != size:
                raise InputError(f"{path}: has another size than {pair.truth}", "give pictures of the same size")


def score_rows(pairs: Sequence[Pair], rows: Rows, lpips: Distance | None = None) -> dict[str, Any]:
    """Return ``{"rows": {row: {"mean": scores, "lights": {light: scores}, "pairs": {pair: scores}}}, ...}``.

    Args:
        pairs: what to compare, at least one.
        rows: pictures to compare with the truth.
        lpips: see ``compare``.
    """
    report = {row: _score(pairs, files, row, lpips) for row, files in rows.items()}
    lights = sorted({pair.light for pair in pairs})
    return {"cameras": sorted({pair.camera for pair in pairs}), "lights": lights, "rows": report}


def score_table(report: Mapping[str, Any]) -> Table:
    """Return the means over all pairs as a table for the terminal."""
    rows = report["rows"]
    measures = [m for m in _TITLES if f"{m}_raw" in next(iter(rows.values()))["mean"]]
    count = f"{len(report['cameras'])} views, {len(report['lights'])} light(s)"
    table = Table(title=f"held-out pictures against the truth ({count})")
    table.add_column("")
    for measure in measures:
        for way in WAYS:
            table.add_column(f"{_TITLES[measure]}\n{way}", justify="right", no_wrap=True)
    for name, row in rows.items():
        values = [(m, row["mean"][f"{m}_{way}"]) for m in measures for way in WAYS]
        table.add_row(name, *(f"{value:.2f}" if m == "psnr" else f"{value:.3f}" for m, value in values))
    return table


def comparison_picture(pairs: Sequence[Pair], rows: Rows) -> UInt8[np.ndarray, "height width 3"]:
    """Return a few pairs below each other, each with its truth and what every row has for it."""
    step = max(1, -(-len(pairs) // _MOST_EXAMPLES))
    images, labels = [], []
    for pair in pairs[step // 2 :: step]:
        images += [read_image(pair.truth), *(read_image(row[pair.name]) for row in rows.values())]
        labels += [f"{pair.camera}, light {pair.light}: truth", *rows]
    return contact_sheet(images, labels, columns=1 + len(rows))


def _score(pairs: Sequence[Pair], files: Mapping[str, Path], row: str, lpips: Distance | None) -> dict[str, Any]:
    scores = {pair.name: _pair_scores(pair, files[pair.name], lpips) for pair in track(pairs, f"comparing {row}")}
    lights = {pair.light: [scores[p.name] for p in pairs if p.light == pair.light] for pair in pairs}
    means = {light: mean_scores(of_light) for light, of_light in lights.items()}
    return {"mean": mean_scores(list(scores.values())), "lights": means, "pairs": scores}


def _pair_scores(pair: Pair, path: Path, lpips: Distance | None) -> dict[str, float]:
    mask = read_mask(pair.mask) if pair.mask else None
    return compare(to_float(read_image(path)), to_float(read_image(pair.truth)), mask, lpips)
