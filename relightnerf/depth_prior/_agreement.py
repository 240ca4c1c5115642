"""Depth that views agree on: each view's estimate, kept where others confirm it, and their common surface."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from relightnerf.cameras import Cameras
from relightnerf.depth_prior._estimate_types import ViewEstimate
from relightnerf.depth_prior._lookup import looked_up
from relightnerf.errors import InputError
from relightnerf.geometry.mesh import fuse_mesh
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.stereo import StereoView, neighbours


@dataclass(frozen=True)
class AgreementSettings:
    """What counts as agreement; parts of the depth."""

    confirmed: float = 0.015
    """Another view confirms a depth if its own differs by less than this part."""
    seen_through: float = 0.03
    """Another view contradicts a depth if it sees through that place, to something further off by this part."""
    least_surface: float = 0.5
    """Estimates with a smaller probability that there is a surface are dropped."""
    on_surface: float = 0.02
    """The common surface is taken where it lies within this part of a view's own depth."""


_SETTINGS = AgreementSettings()
_WHOLLY = 0.999
"""Weight of the known pixels of the earlier depth about a finer pixel: all of them, up to rounding."""


def agreed_depths(
    estimates: Sequence[ViewEstimate],
    images: Sequence[UInt8[np.ndarray, "height width 3"]],
    most_scale: float,
    settings: AgreementSettings = _SETTINGS,
) -> list[Float[np.ndarray, "height width"]]:
    """Return each view's depth where others confirm it, taken from the surface that is common to all where it is near.

    Args:
        estimates: of one capture, at one size.
        images: 8-bit sRGB at that size.
        most_scale: estimates that expect a larger error of log depth are dropped.
        settings: what counts as agreement.

    Returns:
        Depth along each camera's -z, world units, 0 where views do not agree.
    """
    views = [
        StereoView(e.camera, image, _sure(e, most_scale, settings)) for e, image in zip(estimates, images, strict=True)
    ]
    kept = []
    for index, view in enumerate(views):
        others = [views[other] for other in neighbours(views, index)]
        kept.append(np.where(_confirmed(view, others, settings), view.depth, np.float32(0.0)))
    try:
        rays = RayScene(fuse_mesh(Cameras.stack([view.camera for view in views]), kept, images))
    except InputError:  # nothing that two views agree on
        return kept
    return [_on_surface(replace(view, depth=depth), rays, settings) for view, depth in zip(views, kept, strict=True)]


def completed(
    depth: Float[np.ndarray, "height width"], earlier: Float[np.ndarray, "rows columns"]
) -> Float[np.ndarray, "height width"]:
    """Return depth, and where it is unknown the one of an earlier, coarser search: 0 where neither is known.

    A plane's inverse depth is linear in the picture, so that it stays a plane at the finer size.
    """
    size = depth.shape[1], depth.shape[0]
    known = earlier > 0
    inverse = np.where(known, 1.0 / np.where(known, earlier, 1.0), 0.0)
    inside = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > _WHOLLY
    finer = cv2.resize(inverse.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.where((depth > 0) | ~inside, depth, 1.0 / np.where(inside, finer, 1.0)).astype(np.float32)


def _sure(estimate: ViewEstimate, most_scale: float, settings: AgreementSettings) -> Float[np.ndarray, "height width"]:
    sure = (estimate.scale < most_scale) & (estimate.surface > settings.least_surface)
    return np.where(sure, estimate.depth, 0.0).astype(np.float32)


def _confirmed(
    view: StereoView, others: Sequence[StereoView], settings: AgreementSettings
) -> Bool[np.ndarray, "height width"]:
    """Return where more of the other views confirm a depth than contradict it, and at least one does."""
    points = view.camera.points_world(view.depth)
    votes, confirmed = np.zeros(view.depth.shape, int), np.zeros(view.depth.shape, bool)
    for other in others:
        along, seen = looked_up(other.camera, points, other.depth)
        agrees = np.abs(seen - along) < settings.confirmed * along
        confirmed |= agrees
        votes += agrees.astype(int) - (seen > (1.0 + settings.seen_through) * along)
    return confirmed & (votes > 0) & (view.depth > 0)


def _on_surface(view: StereoView, rays: RayScene, settings: AgreementSettings) -> Float[np.ndarray, "height width"]:
    surface = rays.camera_hits(view.camera).depth
    close = (surface > 0) & (np.abs(surface - view.depth) < settings.on_surface * view.depth)
    return np.where(close, surface, view.depth).astype(np.float32)
