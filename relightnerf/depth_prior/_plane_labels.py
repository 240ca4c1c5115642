"""Which pixels show a plane: those that face its way, and that other views see in the same colour there."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int

from relightnerf.cameras import Camera
from relightnerf.depth_prior._costs import costs_at
from relightnerf.depth_prior._estimate_types import ViewEstimate
from relightnerf.depth_prior._swept_view import Plane, PlaneSettings, SweptView
from relightnerf.geometry.stereo import StereoView, neighbours


@dataclass(frozen=True)
class LabelSettings:
    """What tunes which pixels are taken to show a plane."""

    ahead: float = 0.1
    """A plane's cost may exceed that of the best other explanation by so much."""
    elsewhere: float = 2.0
    """A window that fits so many times better at the network's depth than on any plane shows none."""
    same_colour: float = 0.05
    """Other views see a place of a plane in the same colour, up to this difference of sRGB values in [0, 1]."""
    least_facing: float = 0.5
    """Mean over all views' normals at a place of a plane of how far they speak for it, in [0, 1]."""
    least_part: float = 0.02
    """Share of the picture that a connected part of a plane needs: grounds and table-tops are large."""
    sure_scale: float = 0.008
    """Where the network expects no larger error of log depth, it knows better than a plane that it contradicts."""
    contradicted: float = 8.0
    """It does if the plane is off by so many expected errors."""
    least_off: float = 0.02
    """And by so much of log depth: no more is asked of the network's depth, or of a plane's."""
    extent: float = 2.5
    """A plane above the lowest ends at so many standard deviations of where windows matched on it: an even rectangle's
    corners lie at 2.45."""
    raised_off: float = 0.05
    """A level plane above the lowest is off by less than this from the log depth that the search has found: it is near
    what the photos look at, where the search is about right. Fronts of boxes are taken for their tops by photos alone
    that look down at them."""
    spread: float = 10.0
    """Weight of a pixel's neighbours of the same colour, next to a window that matches."""
    edge: float = 0.03
    """Difference of neighbours' colours at which they tell one another little."""
    nothing: float = 1e-4
    """Weight of not knowing which plane it is."""


_SWEEP = PlaneSettings()
_LABELS = LabelSettings()
_LEAST_POINTS = 3
"""Points that span a plane."""


@dataclass(frozen=True)
class _Evidence:
    """What a view tells of planes.

    Attributes:
        fits: how much windows that match speak for each plane, 0 or more.
        possible: that a pixel shows the plane: it faces its way, other views see the same colour there, and no window
            about it matches elsewhere.
    """

    fits: Float[np.ndarray, "planes height width"]
    possible: Bool[np.ndarray, "planes height width"]


def with_planes(
    estimates: Sequence[ViewEstimate],
    views: Sequence[StereoView],
    normals: Sequence[Float[np.ndarray, "height width 3"]],
    planes: Sequence[Plane],
    world_up: Float[np.ndarray, "3"],
    scale: float,
    settings: LabelSettings = _LABELS,
) -> list[ViewEstimate]:
    """Return the estimates with the planes' depth where a view shows one of them.

    Inside of plain surfaces nothing matches. A pixel is taken to show a plane if its photo alone says that it faces
    that way, other views see the same colour at that place, and the network is not sure of something else. Which of
    several planes it shows is told by windows that match on one of them, through pixels of the same colour (random
    walks, Grady, PAMI 2006).

    Args:
        estimates: of one capture.
        views: the same, at the same size.
        normals: of the views, unit, camera frame, as each photo alone tells them.
        planes: that may be seen.
        world_up: unit, against gravity.
        scale: expected error of log depth that is set there.
        settings: what counts.
    """
    if not planes:
        return [*estimates]
    near = [neighbours(views, index)[: _SWEEP.others] for index in range(len(views))]

    def told(index: int) -> _Evidence:
        beside = [(views[other], normals[other]) for other in near[index]]
        swept = SweptView(views[index], normals[index], beside, _SWEEP)
        return _evidence(swept, estimates[index], views[index], [view for view, _ in beside], planes, settings)

    with ThreadPoolExecutor() as pool:
        known = [index for index, beside in enumerate(near) if beside]
        evidence = dict(zip(known, pool.map(told, known), strict=True))
        ends = _extents(planes, [(views[index].camera, evidence[index]) for index in known], world_up, settings)

        def labelled(index: int) -> ViewEstimate:
            return _labelled(estimates[index], views[index], evidence[index], planes, ends, scale, settings)

        found = dict(zip(known, pool.map(labelled, known), strict=True))
    return [found.get(index, estimate) for index, estimate in enumerate(estimates)]


def _evidence(
    swept: SweptView,
    estimate: ViewEstimate,
    view: StereoView,
    others: Sequence[StereoView],
    planes: Sequence[Plane],
    settings: LabelSettings,
) -> _Evidence:
    possible = np.stack([swept.seen(plane) & (swept.difference(plane) < settings.same_colour) for plane in planes])
    costs = np.stack([swept.cost(plane) for plane in planes])
    every = np.concatenate([np.where(possible, costs, 2.0), costs_at(view, others, estimate.depth, np.zeros(1))])
    fits = np.maximum(_SWEEP.most_cost - every, 0.0) * (every < every.min(axis=0) + settings.ahead) * swept.votes
    elsewhere = fits[-1] > settings.elsewhere * fits[:-1].max(axis=0)
    off = np.abs(np.log(np.maximum([plane.depth(view.camera) for plane in planes], 1e-9) / estimate.depth))
    contradicted = off > np.maximum(settings.contradicted * estimate.scale, settings.least_off)
    possible &= ~elsewhere & ~((estimate.scale < settings.sure_scale) & contradicted)
    possible &= np.stack([swept.facing(plane) > _SWEEP.least_facing for plane in planes])
    possible &= np.stack([swept.facing_everywhere(plane) > settings.least_facing for plane in planes])
    return _Evidence(fits[:-1], possible)


@dataclass(frozen=True)
class _Extent:
    """An ellipse on a plane: the points X with ``|shape @ (X - middle)| < 1``.

    Attributes:
        most_off: largest difference of log depth between the plane and what the search has found.
    """

    middle: Float[np.ndarray, "3"]
    shape: Float[np.ndarray, "2 3"]
    most_off: float

    def holds(self, points: Float[np.ndarray, "height width 3"]) -> Bool[np.ndarray, "height width"]:
        return np.linalg.norm((points - self.middle) @ self.shape.T, axis=-1) < 1.0


def _extents(
    planes: Sequence[Plane],
    known: Sequence[tuple[Camera, _Evidence]],
    world_up: Float[np.ndarray, "3"],
    settings: LabelSettings,
) -> list[_Extent | None]:
    """Return where each plane ends; the lowest level one, and those nothing matches on, have no end."""
    lowest = min((plane.offset for plane in planes if plane.is_level(world_up)), default=None)
    ends: list[_Extent | None] = []
    for number, plane in enumerate(planes):
        level = plane.is_level(world_up)
        matched = [camera.points_world(plane.depth(camera))[told.fits[number] > 0] for camera, told in known]
        points = np.concatenate(matched) if matched else np.zeros((0, 3))
        if (level and plane.offset == lowest) or len(points) < _LEAST_POINTS:
            ends.append(None)
        else:
            ends.append(_extent(plane, points, settings.raised_off if level else np.inf, settings))
    return ends


def _extent(plane: Plane, points: Float[np.ndarray, "points 3"], most_off: float, settings: LabelSettings) -> _Extent:
    middle = np.median(points, axis=0)
    spread = np.cov((points - middle) @ plane.axes.T, rowvar=False)
    # Points on one line have no extent across it; the floor is far below any that matters, in any unit.
    spread += (1e-6 * np.trace(spread) + 1e-30) * np.eye(2)
    # L^-1 with L L^T the covariance makes it the unit circle.
    return _Extent(middle, np.linalg.inv(np.linalg.cholesky(spread)) @ plane.axes / settings.extent, most_off)


def _labelled(
    estimate: ViewEstimate,
    view: StereoView,
    evidence: _Evidence,
    planes: Sequence[Plane],
    ends: Sequence[_Extent | None],
    scale: float,
    settings: LabelSettings,
) -> ViewEstimate:
    depths = np.stack([plane.depth(view.camera) for plane in planes])
    possible = evidence.possible.copy()
    for number, (depth, end) in enumerate(zip(depths, ends, strict=True)):
        if end is not None:
            possible[number] &= end.holds(view.camera.points_world(depth))
            possible[number] &= np.abs(np.log(np.maximum(depth, 1e-9) / estimate.depth)) < end.most_off
    fits = evidence.fits * possible
    shares = fits
    if (possible.sum(axis=0) > 1).any():  # else there is nothing to choose
        matched = fits.sum(axis=0)
        told = np.where(matched > 0, fits / np.maximum(matched, 1e-9), 1.0 / len(planes))
        shares = _walked(told, matched / _SWEEP.most_cost + settings.nothing, view.image, settings)
    label = np.where(possible.any(axis=0), np.where(possible, shares, -1.0).argmax(axis=0), -1)
    label = _large_parts(label, len(planes), settings)
    chosen = label >= 0
    depth = np.where(chosen, np.take_along_axis(depths, label.clip(0)[None], 0)[0], estimate.depth)
    normals = np.stack([plane.normal_world for plane in planes]) @ view.camera.camera_to_world[:3, :3]
    normal = np.where(chosen[..., None], normals[label], estimate.normal)
    surface = np.where(chosen, 1.0, estimate.surface)
    return replace(estimate, depth=depth, normal=normal, scale=np.where(chosen, scale, estimate.scale), surface=surface)


def _large_parts(
    label: Int[np.ndarray, "height width"], planes: int, settings: LabelSettings
) -> Int[np.ndarray, "height width"]:
    """Return the labels of large connected parts; -1 elsewhere."""
    kept = np.full(label.shape, -1)
    for number in range(planes):
        count, part = cv2.connectedComponents((label == number).astype(np.uint8), connectivity=4)
        large = np.bincount(part.ravel(), minlength=count) > settings.least_part * label.size
        kept[(label == number) & large[part]] = number
    return kept


def _walked(
    told: Float[np.ndarray, "labels height width"],
    weight: Float[np.ndarray, "height width"],
    image: np.ndarray,
    settings: LabelSettings,
) -> Float[np.ndarray, "labels height width"]:
    """Return what pixels and their neighbours tell: the least of S w (p - told)^2 + S spread e (p - p')^2.

    The second sum is over neighbours, e falls with the difference of their colours.
    """
    height, width = weight.shape
    number = np.arange(height * width).reshape(height, width)
    colours = image.astype(np.float64) / 255.0
    first, second, likeness = [], [], []
    for here, there in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        difference = np.abs(colours[here] - colours[there]).max(axis=-1)
        first.append(number[here].ravel())
        second.append(number[there].ravel())
        likeness.append(settings.spread * np.exp(-0.5 * (difference / settings.edge) ** 2).ravel())
    i, j, e = map(np.concatenate, (first, second, likeness))
    adjacent = scipy.sparse.coo_array((np.r_[e, e], (np.r_[i, j], np.r_[j, i])), shape=(height * width,) * 2)
    degree = np.bincount(np.r_[i, j], np.r_[e, e], height * width)
    matrix = scipy.sparse.diags_array(weight.ravel() + degree) - adjacent
    solved = scipy.sparse.linalg.splu(matrix.tocsc()).solve((weight * told).reshape(len(told), -1).T)
    return solved.T.reshape(told.shape)
