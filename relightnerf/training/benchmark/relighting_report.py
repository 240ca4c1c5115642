"""Tables and sheets of how well photos were relit."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.images import read_image
from relightnerf.lights import gray_ball

IDENTITY, TRUTH, SOURCE = "identity", "truth", "photo"
"""Rows that are no relighters: the photo as it is in place of a relit one, the true pictures, the photos."""

_DIRECTION_ERROR = "direction_error_deg"
_MEASURES = {
    "psnr_raw": ("PSNR raw", 2),
    "psnr_scaled": ("PSNR scaled", 2),
    "psnr_lab": ("PSNR lab", 2),
    "ssim_scaled": ("SSIM", 3),
    "lpips_scaled": ("LPIPS", 3),
    _DIRECTION_ERROR: ("light, mean °", 1),
    f"{_DIRECTION_ERROR}_median": ("light, median °", 1),
    "direction_error_told_deg": ("light told, mean °", 1),
    "shadow_iou": ("shadow IoU", 3),
    "pictures_per_second": ("pictures/s", 1),
    "fit_seconds": ("fit s", 2),
}
"""Titles of the table's columns, and decimals; in this order."""
_SHEET_PAIRS = 6
"""Lines of a sheet of pictures."""
_TYPICAL = (0.35, 0.65)
"""Ranks, by PSNR, that typical pairs are between: a third of all around the median."""
_BALL = 0.22
"""Diameter of the gray ball over the picture's shorter side."""
_LEAST_WIDTH = 160
"""Pixels of a picture on a sheet, so that its label fits above it."""
_LEGEND = """\
PSNR in dB of sRGB pictures: as they are, after the best factor per channel in linear light, and with mean and deviation
of each LAB channel made the truth's. SSIM (higher is better) and LPIPS (lower is better) of the scaled pictures. Light:
angle between the light asked for and the one that the picture's shading tells; the row "truth" has what this measure
makes of the true pictures, and "light told" is over those whose truth tells its light within 10°: where a light comes
from behind what is seen, no picture tells it. Shadow IoU: overlap of cast shadows with the true ones. Fit: seconds a
photo before the first picture, reading of weights included.
"""


@dataclass(frozen=True)
class SummarySettings:
    """What means are taken over."""

    told_deg: float = 10.0
    """Error of the true picture's own direction up to which its light counts as told, degrees. Where a light comes from
    behind what is seen no picture tells it, and errors there say nothing of a relighter; a smaller bound would leave
    few lights from the side."""


_SUMMARY = SummarySettings()


@dataclass(frozen=True)
class PairScores:
    """Scores of one picture.

    Attributes:
        groups: sets of pairs that means are taken over; the first one has sheets.
        row: what made the picture.
        case: the photo.
        light: the light's name.
        direction: towards the light, camera frame.
        scores: by measure.
    """

    groups: tuple[str, ...]
    row: str
    case: str
    light: str
    direction: tuple[float, float, float]
    scores: Mapping[str, float]

    def picture(self, pictures: Path, row: str | None = None) -> Path:
        """Return where this picture lies, or that of another row for the same photo and light."""
        row = row or self.row
        name = self.case if row == SOURCE else f"{self.case}__{self.light}"
        return pictures / row / f"{name}.png"


def summary(results: Sequence[PairScores]) -> dict[str, Any]:
    """Return ``{group: {row: {"pairs": number, measure: mean, ...}}}``.

    The error of the light's direction has its median, too, and its mean over the pairs whose truth tells the light.
    """
    groups = {group: None for result in results for group in result.groups}
    rows = {result.row: None for result in results}
    told = {(r.case, r.light) for r in results if r.row == TRUTH and r.scores[_DIRECTION_ERROR] <= _SUMMARY.told_deg}
    return {
        group: {row: _means([r for r in results if r.row == row and group in r.groups], told) for row in rows}
        for group in groups
    }


def markdown(groups: Mapping[str, Any]) -> str:
    """Return the means of ``summary`` as a table, a section a group."""
    measures = [m for m in _MEASURES if any(m in row for rows in groups.values() for row in rows.values())]
    lines = [("pictures", "pairs", "relighter", *(_MEASURES[m][0] for m in measures))]
    lines.append(("---", "---:", "---", *("---:" for _ in measures)))
    for group, rows in groups.items():
        for row, means in rows.items():
            cells = (f"{means[m]:.{_MEASURES[m][1]}f}" if m in means else "" for m in measures)
            lines.append((group, str(means["pairs"]), row, *cells))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + "\n" + _LEGEND


def sheets(results: Sequence[PairScores], pictures: Path) -> Iterator[tuple[str, UInt8[np.ndarray, "height width 3"]]]:
    """Yield names and contact sheets: typical and worst pairs of each group, by the scaled PSNR of the last row.

    A line is the photo with a ball under the light asked for, the picture of each row, and the truth, with PSNR in dB.

    Args:
        results: of all rows: identity, others, truth.
        pictures: folder of the pictures.
    """
    rows = [row for row in {result.row: None for result in results} if row not in (TRUTH, IDENTITY)]
    scores = {(r.row, r.case, r.light): r.scores for r in results}
    for group in {result.groups[-1]: None for result in results}:
        ranked = sorted(
            (r for r in results if r.row == rows[-1] and r.groups[-1] == group), key=lambda r: r.scores["psnr_scaled"]
        )
        low, high = (round(part * (len(ranked) - 1)) for part in _TYPICAL)
        typical = np.unique(np.linspace(low, high, _SHEET_PAIRS).round().astype(int))
        for kind, pairs in (("typical", [ranked[i] for i in typical]), ("worst", ranked[:_SHEET_PAIRS])):
            yield f"{group}_{kind}", _sheet(pairs, rows, scores, pictures)


def _means(results: Sequence[PairScores], told: Container[tuple[str, str]]) -> dict[str, float]:
    """Return the mean of each measure over the pictures that have it; ``told`` holds photos and lights."""
    scores = [result.scores for result in results]
    measures = {measure: None for score in scores for measure in score}
    means = {measure: float(np.mean([s[measure] for s in scores if measure in s])) for measure in measures}
    if "seconds" in means:
        means["pictures_per_second"] = 1.0 / max(means.pop("seconds"), 1e-9)
    means[f"{_DIRECTION_ERROR}_median"] = float(np.median([score[_DIRECTION_ERROR] for score in scores]))
    clear = [result.scores[_DIRECTION_ERROR] for result in results if (result.case, result.light) in told]
    if clear:
        means["direction_error_told_deg"] = float(np.mean(clear))
    return {"pairs": len(scores), **means}


def _sheet(
    pairs: Sequence[PairScores], rows: Sequence[str], scores: Mapping[tuple[str, str, str], Any], pictures: Path
) -> UInt8[np.ndarray, "height width 3"]:
    images, labels, balls = [], [], []
    for pair in pairs:
        shown = [_enlarged(read_image(pair.picture(pictures, row))) for row in (SOURCE, *rows, TRUTH)]
        size = max(1, round(_BALL * min(shown[0].shape[:2])))
        psnr = [scores[row, pair.case, pair.light]["psnr_scaled"] for row in (IDENTITY, *rows)]
        names = (f"{pair.case} to {pair.light}", *rows)
        images += shown
        labels += [*(f"{name}: {value:.1f}" for name, value in zip(names, psnr, strict=True)), TRUTH]
        balls += [gray_ball(np.array(pair.direction), size), *(None for _ in shown[1:])]
    return contact_sheet(images, labels, len(rows) + 2, balls)


def _enlarged(image: UInt8[np.ndarray, "_ _ 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    """Return a small picture a whole number of times as large, so that its label fits above it."""
    times = -(-_LEAST_WIDTH // image.shape[1])
    return image.repeat(times, axis=0).repeat(times, axis=1)
