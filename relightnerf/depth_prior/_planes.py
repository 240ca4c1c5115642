"""Level planes of a capture, found by sweeping them through its photos.

Grounds and table-tops are often plain: inside of them nothing can be matched. Their edges, shadows and marks can, and
all of these fit together at once where a plane is tried at the right height (plane sweeping along a known direction,
Gallup et al., CVPR 2007).
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.signal import find_peaks

from relightnerf.depth_prior._swept_view import Plane, PlaneSettings, SweptView
from relightnerf.geometry.stereo import StereoView, neighbours

_SETTINGS = PlaneSettings()


def find_level_planes(
    views: Sequence[StereoView],
    world_up: Float[np.ndarray, "3"],
    focus_world: Float[np.ndarray, "3"],
    settings: PlaneSettings = _SETTINGS,
) -> list[Plane]:
    """Find the level planes of a capture, those with most votes first.

    Args:
        views: of one capture; their depth says how far they are from what they look at.
        world_up: unit, against gravity, a few degrees off at most.
        focus_world: the place that the photos look at.
        settings: of the sweep.
    """
    chosen = np.unique(np.linspace(0, len(views) - 1, settings.most_views).round().astype(int))
    near = {int(index): neighbours(views, index)[: settings.others] for index in chosen}
    swept = [SweptView(views[i], [views[other] for other in beside], settings) for i, beside in near.items() if beside]
    if not swept:
        return []
    distance = float(np.median([np.median(view.depth) for view in views]))
    heights = np.arange(*settings.heights, settings.height_step) * distance
    level = [Plane(world_up, float(focus_world @ world_up + height)) for height in heights]
    with ThreadPoolExecutor() as pool:
        cast = [*pool.map(lambda view: view.votes_for(level), swept)]
        votes = np.sum([np.bincount(best.ravel(), worth.ravel(), len(level)) for best, worth in cast], axis=0)

        def refined(peak: int) -> Plane:
            voters = [
                (view, (np.abs(best - peak) <= 1) & (worth > 0))
                for view, (best, worth) in zip(swept, cast, strict=True)
            ]
            return _refined(level[peak], voters, focus_world, distance, settings)

        return [*pool.map(refined, _peaks(votes, settings))]


def _peaks(votes: Float[np.ndarray, " planes"], settings: PlaneSettings) -> Int[np.ndarray, " peaks"]:
    """Return where much more is voted for than around, best first."""
    together = np.convolve(votes, np.ones(3), mode="same")
    found, _ = find_peaks(np.pad(votes, 1), distance=3)
    found -= 1
    around = [np.median(votes[max(p - settings.around, 0) : p + settings.around + 1]) for p in found]
    worth = together[found] > settings.least_share * votes.sum()
    worth &= votes[found] > settings.prominence * np.array(around)
    return found[worth][np.argsort(-votes[found[worth]])][: settings.most]


def _refined(
    plane: Plane,
    voters: Sequence[tuple[SweptView, Bool[np.ndarray, "height width"]]],
    pivot: Float[np.ndarray, "3"],
    distance: float,
    settings: PlaneSettings,
) -> Plane:
    """Move and tilt a plane by ever smaller steps as far as the windows that voted for it fit better."""
    best = sum(view.fit(plane, those) for view, those in voters)
    for angle_deg in settings.tilts_deg:
        step = settings.height_step * distance * angle_deg / (2.0 * settings.tilts_deg[0])
        for candidate in _moved(plane, pivot, step, np.deg2rad(angle_deg)):
            value = sum(view.fit(candidate, those) for view, those in voters)
            if value > best:
                plane, best = candidate, value
    return plane


def _moved(plane: Plane, pivot: Float[np.ndarray, "3"], step: float, angle_rad: float) -> Iterator[Plane]:
    """Yield the plane moved to both sides, and tilted to four about its point that is next to the pivot."""
    yield from (replace(plane, offset=plane.offset + sign * step) for sign in (-1.0, 1.0))
    middle = pivot + (plane.offset - pivot @ plane.normal_world) * plane.normal_world
    first = np.cross(plane.normal_world, np.eye(3)[np.abs(plane.normal_world).argmin()])
    first /= np.linalg.norm(first)
    for side in (first, np.cross(plane.normal_world, first)):
        for sign in (-1.0, 1.0):
            normal = plane.normal_world + np.tan(sign * angle_rad) * side
            normal /= np.linalg.norm(normal)
            yield Plane(normal, float(normal @ middle))
