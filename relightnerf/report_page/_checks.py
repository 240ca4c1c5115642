"""The page's warnings: each check has a measured value, its limit, and what helps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from relightnerf.cameras import Cameras
from relightnerf.io.files import read_json
from relightnerf.io.images import read_array, read_image
from relightnerf.report_page._views import shared_surface
from relightnerf.scene import MUCH_UNSURE, Scene, place_of_help

FEWEST_PHOTOS = 20
"""All around at two heights, 36 degrees apart; with fewer, surfaces are seen from too few sides."""
LEAST_SHARED = 0.5
"""Part of each view's surface that two others see; 0.6 and more in captures of 30 photos, a third of them has 0.25."""
MOST_DISAGREEMENT = 0.08
"""In brightness, after the views are reconciled: twice what the relighters that come with this package leave."""
MOST_CLIPPED = 0.05
"""Part of a photo that is white in all channels, whose colour is lost."""
MOST_UNKNOWN = 0.25
"""Part of all pixels without depth: neither shading nor shadow can be computed there."""
LEAST_PSNR_DB = 20.0
"""Of held-out pictures after the best brightness; below it, the demo's photo left as it is would do as well."""

_CLIPPED = 254
"""8-bit value from which on a channel counts as clipped: JPEG makes 255 a 254 here and there."""
_NAMED = 4
"""Photos that a message names at most."""


@dataclass(frozen=True)
class Check:
    """One thing that decides how good a scene can become.

    Attributes:
        title: what is looked at.
        found: what was measured, or why nothing could be.
        limit: what it should be.
        passed: None where it could not be measured.
        advice: what helps if it is not passed.
    """

    title: str
    found: str
    limit: str
    passed: bool | None
    advice: str


def all_checks(
    scene: Scene, cameras: Cameras, consistency: Mapping[str, Any], metrics: Mapping[str, Any]
) -> list[Check]:
    """Return every check, those that failed first.

    Args:
        scene: a prepared scene.
        cameras: its cameras.
        consistency: content of ``consistency.json``, empty if there is none.
        metrics: content of ``metrics.json``, empty if there is none.
    """
    checks = [_photos(len(cameras)), _clipped(scene, cameras), *_geometry(scene, cameras), _agreement(consistency)]
    checks += _quality(metrics.get("rows", {}))
    return sorted(checks, key=lambda check: {False: 0, None: 1, True: 2}[check.passed])


def _photos(count: int) -> Check:
    limit = f"at least {FEWEST_PHOTOS}; 30 to 100 are best"
    advice = "Photograph the scene from more sides and heights, each step no wider than 25 degrees."
    return Check("Number of photos", f"{count} photos", limit, count >= FEWEST_PHOTOS, advice)


def _clipped(scene: Scene, cameras: Cameras) -> Check:
    shares = [float((read_image(scene.image_path(n)) >= _CLIPPED).all(axis=-1).mean()) for n in cameras.names]
    bright = [name for name, share in zip(cameras.names, shares, strict=True) if share > MOST_CLIPPED]
    found = f"{np.mean(shares):.1%} of all pixels are white" + (f"; too much in {_named(bright)}" if bright else "")
    advice = "Expose for the brightest part: what is white in the photos has no colour that a new light could show."
    return Check("Exposure", found, f"at most {MOST_CLIPPED:.0%} white in every photo", not bright, advice)


def _geometry(scene: Scene, cameras: Cameras) -> list[Check]:
    overlap, surface = "Overlap of the photos", "Known surface"
    least, most = f"every photo shares at least {LEAST_SHARED:.0%}", f"at most {MOST_UNKNOWN:.0%} unknown"
    helps = "Add photos between those that share little, so that every surface is seen at least three times."
    texture = "Shiny, clear and featureless surfaces have no depth: more photos, or some texture nearby, help."
    if not all(scene.depth_path(name).is_file() for name in cameras.names):
        absent = "not measured: there is no depth yet"
        return [Check(overlap, absent, least, None, helps), Check(surface, absent, most, None, texture)]
    depths = [read_array(scene.depth_path(name)) for name in cameras.names]
    shares = shared_surface(cameras, depths)
    weak = [name for name, share in zip(cameras.names, shares, strict=True) if share < LEAST_SHARED]
    found = f"a photo shares {np.median(shares):.0%} of its surface with two others, the least {shares.min():.0%}"
    found += f"; too little in {_named(weak)}" if weak else ""
    unknown = float(np.mean([(depth <= 0).mean() for depth in depths]))
    sure = [_sure(scene)] if scene.unsure_path.is_file() else []
    return [
        *sure,
        Check(overlap, found, least, not weak, helps),
        Check(surface, f"{unknown:.0%} of the pixels have no depth", most, unknown <= MOST_UNKNOWN, texture),
    ]


def _sure(scene: Scene) -> Check:
    found = read_json(scene.unsure_path)
    advice = "Where geometry is unsure, shadows and shading are, too. "
    if place := place_of_help(found):
        advice += f"Take photos from {place}."
    told = f"geometry is unsure at {found['share']:.0%} of the pixels"
    return Check("Sure geometry", told, f"at most {MUCH_UNSURE:.0%} unsure", found["share"] <= MUCH_UNSURE, advice)


def _agreement(consistency: Mapping[str, Any]) -> Check:
    title, limit = "Agreement of the relit views", f"they differ by at most {MOST_DISAGREEMENT:.0%} in brightness"
    advice = "Where views disagree the field becomes a blur of them: another relighter or better geometry helps."
    after = consistency.get("log_ratio", {}).get("after")
    if after is None:
        return Check(title, "not measured: `match` ran without consistency, or not at all", limit, None, advice)
    before, now = (float(np.expm1(consistency["log_ratio"][when])) for when in ("before", "after"))
    found = f"neighbours differ by {now:.1%} in brightness on what both see ({before:.1%} before they were reconciled)"
    return Check(title, found, limit, now <= MOST_DISAGREEMENT, advice)


def _quality(rows: Mapping[str, Any]) -> list[Check]:
    if not rows:
        return []
    scores = {name: row["mean"]["psnr_scaled"] for name, row in rows.items()}
    name, own = next(iter(scores.items()))
    limit = f"at least {LEAST_PSNR_DB:.0f} dB PSNR"
    advice = "The full preset, sharper photos and a closer capture raise it."
    checks = [Check("Held-out pictures", f"{own:.1f} dB ({name})", limit, own >= LEAST_PSNR_DB, advice)]
    if "identity" in scores:
        found = f"{own - scores['identity']:+.1f} dB against the photo left as it is"
        advice = "Relighting gains nothing here: look whether the relit pictures of `synthesize` follow the light."
        checks.append(Check("Gain of relighting", found, "more than 0 dB", own > scores["identity"], advice))
    return checks


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
