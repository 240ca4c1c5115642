"""Planes of a capture, level and upright, found by sweeping them through its photos.

Grounds, table-tops and walls are often plain: inside of them nothing can be matched. Their edges, shadows and marks
can, and all of these fit together at once where a plane is tried at the right place (plane sweeping along known
directions, Gallup et al., CVPR 2007). Only windows vote that face the plane's way, as far as their photo alone tells.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, Int
from scipy.signal import find_peaks

from relightnerf.depth_prior._swept_view import Plane, PlaneSettings, SweptView
from relightnerf.geometry.stereo import StereoView, neighbours

_SETTINGS = PlaneSettings()
_AZIMUTHS = 36
"""Classes of 10 degrees that normals are counted in."""


def find_planes(
    views: Sequence[StereoView],
    normals: Sequence[Float[np.ndarray, "height width 3"]],
    world_up: Float[np.ndarray, "3"],
    focus_world: Float[np.ndarray, "3"],
    settings: PlaneSettings = _SETTINGS,
) -> list[Plane]:
    """Find the level planes of a capture, those with most votes first, and after them its walls.

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
    coarse = _swept([_coarse(*view, settings) for view in zip(views, normals, strict=True)], near, settings)
    some = dict([*near.items()][:: settings.refine_every])
    fine = _swept([*zip(views, normals, strict=True)], some, settings)
    heights = np.arange(*settings.heights, settings.height_step) * distance
    level = [Plane(world_up, float(focus_world @ world_up + height)) for height in heights]
    along = distance * (1.0 - np.exp(np.arange(*settings.depths, settings.depth_step)))
    with ThreadPoolExecutor() as pool:
        fewer = coarse[:: settings.refine_every]
        found = [plane for _, plane in _best(level, coarse, settings.prominence, pool, settings)]
        for direction in _wall_normals(views, normals, world_up, settings):
            walls = []
            for turn in np.deg2rad(settings.azimuths_deg):
                normal = np.cos(turn) * direction + np.sin(turn) * np.cross(world_up, direction)
                planes = [Plane(normal, float(focus_world @ normal + offset)) for offset in along]
                walls += _best(planes, fewer, settings.wall_prominence, pool, settings)[:1]
            found += [plane for _, plane in sorted(walls, key=lambda wall: wall[0])[-1:]]
        refined = pool.map(lambda plane: _refined(plane, fine, distance, world_up, settings), found)
        return [plane for plane in refined if plane is not None]


def _best(
    planes: Sequence[Plane], views: Sequence[SweptView], prominence: float, pool: Executor, settings: PlaneSettings
) -> list[tuple[float, Plane]]:
    """Return which of parallel planes have many more votes than those around them, and their votes, best first."""
    cast = pool.map(lambda view: view.votes_for(planes), views)
    votes = np.sum([np.bincount(best.ravel(), worth.ravel(), len(planes)) for best, worth in cast], axis=0)
    return [(float(votes[peak]), planes[peak]) for peak in _peaks(votes, prominence, settings)]


def _wall_normals(
    views: Sequence[StereoView], normals: Sequence[np.ndarray], up: Float[np.ndarray, "3"], settings: PlaneSettings
) -> list[Float[np.ndarray, "3"]]:
    """Return the horizontal directions that most upright normals have."""
    first, second = Plane(up, 0.0).axes
    pairs = zip(views, normals, strict=True)
    world = np.concatenate([normal.reshape(-1, 3) @ v.camera.camera_to_world[:3, :3].T for v, normal in pairs])
    upright = world[np.abs(world @ up) < settings.upright]
    turns = np.arctan2(upright @ second, upright @ first) / (2.0 * np.pi) % 1.0
    counts = np.bincount((turns * _AZIMUTHS).astype(int) % _AZIMUTHS, minlength=_AZIMUTHS) / len(world)
    around = np.convolve(np.r_[counts[-1], counts, counts[0]], [0.5, 1.0, 0.5], "valid")
    found, _ = find_peaks(np.r_[around[-1], around, around[0]], settings.least_wall, distance=4)
    angles = (found - 0.5) * 2.0 * np.pi / _AZIMUTHS
    return [np.cos(angle) * first + np.sin(angle) * second for angle in angles]


def _coarse(view: StereoView, normal: np.ndarray, settings: PlaneSettings) -> tuple[StereoView, np.ndarray]:
    height, width = view.depth.shape
    scale = min(1.0, float(np.sqrt(settings.coarse_pixels / (height * width))))
    size = max(round(scale * width), 1), max(round(scale * height), 1)
    image, depth, small = (cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (view.image, view.depth, normal))
    return StereoView(view.camera.resampled(*size), image, depth), small


def _swept(
    views: Sequence[tuple[StereoView, np.ndarray]], near: Mapping[int, Sequence[int]], settings: PlaneSettings
) -> list[SweptView]:
    return [SweptView(*views[i], [views[other] for other in beside], settings) for i, beside in near.items()]


def _peaks(
    votes: Float[np.ndarray, " planes"], prominence: float, settings: PlaneSettings
) -> Int[np.ndarray, " peaks"]:
    """Return where much more is voted for than around, best first."""
    together = np.convolve(votes, np.ones(3), mode="same")
    found, _ = find_peaks(np.pad(votes, 1), distance=3)
    found -= 1
    around = [np.median(votes[max(p - settings.around, 0) : p + settings.around + 1]) for p in found]
    worth = together[found] > settings.least_share * votes.sum()
    worth &= votes[found] > prominence * np.array(around)
    return found[worth][np.argsort(-votes[found[worth]])][: settings.most]


def _refined(
    plane: Plane,
    views: Sequence[SweptView],
    distance: float,
    world_up: Float[np.ndarray, "3"],
    settings: PlaneSettings,
) -> Plane | None:
    """Move and tilt a plane by ever smaller steps as far as the windows that may show it fit better.

    Returns:
        The plane; None if planes beside it fit nearly as well.
    """

    def fit(candidate: Plane, step: float) -> float:
        return float(sum(view.fits(candidate, step).sum() for view in views))

    angles_deg = settings.tilts_deg if plane.is_level(world_up) else settings.turns_deg
    height = settings.height_step * distance
    first = 0.5 * height * angles_deg[0]
    # About the middle of what fits on it, a tilt needs no change of height.
    fits = np.concatenate([view.fits(plane, first).ravel() for view in views])
    pivot = fits @ np.concatenate([view.points(plane).reshape(-1, 3) for view in views]) / max(fits.sum(), 1e-9)
    for angle_deg in angles_deg:
        step = first * angle_deg / angles_deg[0]
        now = fit(plane, step)
        for _ in range(settings.most_moves):
            moved = [*_moved(plane, pivot, step, np.deg2rad(angle_deg))]
            values = [fit(candidate, step) for candidate in moved]
            if max(values) < settings.gain * now:
                break
            now, plane = max(values), moved[int(np.argmax(values))]
    beside = [replace(plane, offset=plane.offset + steps * height) for steps in settings.beside]
    around = float(np.median([fit(other, step) for other in beside]))
    return plane if fit(plane, step) > settings.sharpness * around else None


def _moved(plane: Plane, pivot: Float[np.ndarray, "3"], step: float, angle_rad: float) -> Iterator[Plane]:
    """Yield the plane moved to both sides, and tilted to four about its point that is next to the pivot."""
    yield from (replace(plane, offset=plane.offset + sign * step) for sign in (-1.0, 1.0))
    middle = pivot + (plane.offset - pivot @ plane.normal_world) * plane.normal_world
    for side in plane.axes:
        for sign in (-1.0, 1.0):
            normal = plane.normal_world + np.tan(sign * angle_rad) * side
            normal /= np.linalg.norm(normal)
            yield Plane(normal, float(normal @ middle))
