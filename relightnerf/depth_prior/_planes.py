"""Level planes of a capture, found by sweeping them through its photos.

Grounds and table-tops are often plain: inside of them nothing can be matched. Their edges, shadows and marks can, and
all of these fit together at once where a plane is tried at the right height (plane sweeping along a known direction,
Gallup et al., CVPR 2007). Only windows vote that face up, as far as their photo alone tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy.signal import find_peaks

from relightnerf.depth_prior._swept_view import Plane, PlaneSettings, SweptView
from relightnerf.geometry.stereo import StereoView, neighbours

_SETTINGS = PlaneSettings()


def find_level_planes(
    views: Sequence[StereoView],
    normals: Sequence[Float[np.ndarray, "height width 3"]],
    world_up: Float[np.ndarray, "3"],
    focus_world: Float[np.ndarray, "3"],
    settings: PlaneSettings = _SETTINGS,
) -> list[Plane]:
    """Find the level planes of a capture, those with most votes first.

    Args:
        views: of one capture; their depth says how far they are from what they look at.
        normals: of the views, unit, camera frame, as each photo alone tells them.
        world_up: unit, against gravity, a few degrees off at most.
        focus_world: the place that the photos look at.
        settings: of the sweep.
    """
    chosen = np.unique(np.linspace(0, len(views) - 1, settings.most_views).round().astype(int))
    near = {int(index): neighbours(views, index)[: settings.others] for index in chosen}
    near = {index: beside for index, beside in near.items() if beside}
    if not near:
        return []
    distance = float(np.median([np.median(view.depth) for view in views]))
    heights = np.arange(*settings.heights, settings.height_step) * distance
    level = [Plane(world_up, float(focus_world @ world_up + height)) for height in heights]
    coarse = [_coarse(*view, settings) for view in zip(views, normals, strict=True)]
    with ThreadPoolExecutor() as pool:
        cast = [*pool.map(lambda view: view.votes_for(level), _swept(coarse, near, settings))]
        votes = np.sum([np.bincount(best.ravel(), worth.ravel(), len(level)) for best, worth in cast], axis=0)
        some = dict([*near.items()][:: settings.refine_every])
        fine = _swept([*zip(views, normals, strict=True)], some, settings)
        peaks = [level[peak] for peak in _peaks(votes, settings)]
        refined = pool.map(lambda plane: _refined(plane, fine, distance, settings), peaks)
        return [plane for plane in refined if plane is not None]


def _coarse(view: StereoView, normal: np.ndarray, settings: PlaneSettings) -> tuple[StereoView, np.ndarray]:
    height, width = view.depth.shape
    scale = min(1.0, float(np.sqrt(settings.coarse_pixels / (height * width))))
    size = max(round(scale * width), 1), max(round(scale * height), 1)
    image, depth, small = (cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (view.image, view.depth, normal))
    return StereoView(view.camera.resampled(*size), image, depth), small


def _swept(
    views: Sequence[tuple[StereoView, np.ndarray]], near: Mapping[int, Sequence[int]], settings: PlaneSettings
) -> list[SweptView]:
    return [SweptView(*views[i], [views[other][0] for other in beside], settings) for i, beside in near.items()]


def _peaks(votes: Float[np.ndarray, " planes"], settings: PlaneSettings) -> Int[np.ndarray, " peaks"]:
    """Return where much more is voted for than around, best first."""
    together = np.convolve(votes, np.ones(3), mode="same")
    found, _ = find_peaks(np.pad(votes, 1), distance=3)
    found -= 1
    around = [np.median(votes[max(p - settings.around, 0) : p + settings.around + 1]) for p in found]
    worth = together[found] > settings.least_share * votes.sum()
    worth &= votes[found] > settings.prominence * np.array(around)
    return found[worth][np.argsort(-votes[found[worth]])][: settings.most]


def _refined(plane: Plane, views: Sequence[SweptView], distance: float, settings: PlaneSettings) -> Plane | None:
    """Move and tilt a plane by ever smaller steps as far as the windows that may show it fit better.

    Returns:
        The plane; None if planes beside it fit nearly as well.
    """

    def fit(candidate: Plane, step: float) -> float:
        return float(sum(view.fits(candidate, step).sum() for view in views))

    # About the middle of what fits on it, a tilt needs no change of height.
    first = settings.height_step * distance / 2.0
    fits = np.concatenate([view.fits(plane, first).ravel() for view in views])
    pivot = fits @ np.concatenate([view.points(plane).reshape(-1, 3) for view in views]) / max(fits.sum(), 1e-9)
    for angle_deg in settings.tilts_deg:
        step = first * angle_deg / settings.tilts_deg[0]
        now = fit(plane, step)
        for _ in range(settings.most_moves):
            moved = [*_moved(plane, pivot, step, np.deg2rad(angle_deg))]
            values = [fit(candidate, step) for candidate in moved]
            if max(values) < settings.gain * now:
                break
            now, plane = max(values), moved[int(np.argmax(values))]
    height = settings.height_step * distance
    beside = [replace(plane, offset=plane.offset + steps * height) for steps in settings.beside]
    around = float(np.median([fit(other, step) for other in beside]))
    return plane if fit(plane, step) > settings.sharpness * around else None


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
