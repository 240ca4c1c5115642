"""Which pixels show a plane: those that match on it, and those of the same colour around them."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int

from relightnerf.depth_prior._costs import costs_at
from relightnerf.depth_prior._estimate_types import ViewEstimate
from relightnerf.depth_prior._swept_view import Plane, PlaneSettings, SweptView
from relightnerf.geometry.stereo import StereoView, neighbours


@dataclass(frozen=True)
class LabelSettings:
    """What tunes which pixels are taken to show a plane."""

    ahead: float = 0.1
    """A plane's cost may exceed that of the best other explanation by so much."""
    same_colour: float = 0.05
    """Other views see a place of a plane in the same colour, up to this difference of sRGB values in [0, 1]."""
    prior: float = 0.002
    """Weight of what the network says about a pixel, next to a window that matches."""
    doubt: float = 0.25
    """Probability of a plane where the network does not believe in it."""
    free: float = 0.3
    """The same of anything else; both are made to add up to 1."""
    normal_deg: float = 30.0
    """Angle between the network's normal and a plane's at which it believes in the plane by 1/e."""
    scales: float = 3.0
    """The same for depth, in expected errors."""
    least_scale: float = 0.02
    """Expected error that is taken at least, for that."""
    elsewhere: float = 0.1
    """Weight of a window that fits on no plane but at the network's depth."""
    least_facing: float = 0.25
    """Mean belief by normals, in [0, 1], that a connected part of a plane needs."""
    least_believed: float = 0.018
    """The same of each pixel: its normal is within 60 degrees of the plane's; those of walls are not."""
    least_part: float = 0.02
    """Share of the picture that a connected part of a plane needs: grounds and table-tops are large."""
    sure_scale: float = 0.008
    """Where the network expects no larger error of log depth, it knows better than a plane that it contradicts."""
    contradicted: float = 8.0
    """It does if the plane is off by so many expected errors."""
    spread: float = 10.0
    """Weight of a pixel's neighbours of the same colour."""
    edge: float = 0.03
    """Difference of neighbours' colours at which they tell one another little."""
    least: float = 0.5
    """Probability from which a plane is taken."""


_SWEEP = PlaneSettings()
_LABELS = LabelSettings()


def with_planes(
    estimates: Sequence[ViewEstimate],
    views: Sequence[StereoView],
    planes: Sequence[Plane],
    scale: float,
    settings: LabelSettings = _LABELS,
) -> list[ViewEstimate]:
    """Return the estimates with the planes' depth where a view shows one of them.

    Windows that match on a plane show it, and so do pixels of the same colour around them (random walks, Grady, PAMI
    2006), unless other views see another colour there, or the network speaks against it.

    Args:
        estimates: of one capture.
        views: the same, at the same size.
        planes: that may be seen.
        scale: expected error of log depth that is set there.
        settings: what counts.
    """
    if not planes:
        return [*estimates]

    def one(index: int) -> ViewEstimate:
        beside = [views[other] for other in neighbours(views, index)[: _SWEEP.others]]
        if not beside:
            return estimates[index]
        return _with_planes(estimates[index], views[index], beside, planes, scale, settings)

    with ThreadPoolExecutor() as pool:
        return [*pool.map(one, range(len(views)))]


def _with_planes(
    estimate: ViewEstimate,
    view: StereoView,
    others: Sequence[StereoView],
    planes: Sequence[Plane],
    scale: float,
    settings: LabelSettings,
) -> ViewEstimate:
    swept = SweptView(view, others, _SWEEP)
    depths = np.stack([plane.depth(view.camera) for plane in planes])
    costs = np.stack([swept.cost(plane) for plane in planes])
    (own,) = costs_at(view, others, estimate.depth, np.zeros(1))
    possible = np.stack([swept.seen(plane) & (swept.difference(plane) < settings.same_colour) for plane in planes])
    normals = np.stack([plane.normal_world for plane in planes]) @ view.camera.camera_to_world[:3, :3]
    # How far the network believes in each plane, in [0, 1]: by its normals, and by its depth too.
    facing = np.stack([_facing(estimate.normal @ normal, settings) for normal in normals])
    missed = np.abs(np.log(np.maximum(depths, 1e-9) / estimate.depth))
    expected = settings.scales * np.maximum(estimate.scale, settings.least_scale)
    believed = facing * np.exp(-missed / expected) * possible
    # Evidence for each plane, and last for none of them: by windows that match, else by what the network says.
    every = np.concatenate([np.where(possible, costs, 2.0), own[None]])
    fits = np.maximum(_SWEEP.most_cost - every, 0.0) * (every < every.min(axis=0) + settings.ahead) * swept.votes
    # That a window fits on a plane is no chance; that it fits elsewhere says nothing of its neighbours.
    elsewhere = fits[-1] > 2.0 * fits[:-1].max(axis=0)
    fits[-1] *= settings.elsewhere
    matched = fits.sum(axis=0)
    prior = np.concatenate(
        [believed + settings.doubt * possible, settings.free * (1.0 - believed.max(axis=0, keepdims=True))]
    )
    prior /= prior.sum(axis=0)
    weight = np.where(matched > 0, matched / _SWEEP.most_cost + settings.prior, settings.prior)
    told = np.where(matched > 0, fits / np.maximum(matched, 1e-9), prior)
    shares = _walked(told, weight, view.image, settings)
    label = shares[:-1].argmax(axis=0)
    of_label = (np.take_along_axis(of, label[None], 0)[0] for of in (shares, possible, depths, missed))
    share, allowed, depth, off = of_label
    chosen = (share > settings.least) & allowed & ~elsewhere
    chosen &= (estimate.scale > settings.sure_scale) | (off < settings.contradicted * estimate.scale)
    chosen &= _large_parts(facing, np.where(chosen, label, -1), settings)
    depth = np.where(chosen, depth, estimate.depth)
    normal = np.where(chosen[..., None], normals[label], estimate.normal)
    surface = np.where(chosen, 1.0, estimate.surface)
    return replace(estimate, depth=depth, normal=normal, scale=np.where(chosen, scale, estimate.scale), surface=surface)


def _facing(cosine: Float[np.ndarray, "height width"], settings: LabelSettings) -> Float[np.ndarray, "height width"]:
    """Return how far normals speak for a plane, in [0, 1], by the cosines of their angles to its own."""
    return np.exp(-((np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0))) / settings.normal_deg) ** 2))


def _large_parts(
    facing: Float[np.ndarray, "planes height width"], label: Int[np.ndarray, "height width"], settings: LabelSettings
) -> Bool[np.ndarray, "height width"]:
    """Return the large connected parts of each plane that the network's normals speak for, on the whole."""
    kept = np.zeros(label.shape, bool)
    for number, believed in enumerate(facing):
        count, part = cv2.connectedComponents((label == number).astype(np.uint8), connectivity=4)
        pixels = np.bincount(part.ravel(), minlength=count)
        good = pixels > settings.least_part * label.size
        good &= np.bincount(part.ravel(), believed.ravel(), count) > settings.least_facing * pixels
        kept |= (label == number) & good[part] & (believed > settings.least_believed)
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
