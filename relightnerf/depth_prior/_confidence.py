"""How sure the geometry of a view is: how many of the photos that see a place have found it at that depth."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.depth_prior._lookup import looked_up
from relightnerf.geometry.stereo import StereoView, neighbours
from relightnerf.geometry.views import View
from relightnerf.lights import spread_directions


@dataclass(frozen=True)
class ConfidenceSettings:
    """What counts as seen, and as found; parts of the depth."""

    seen: float = 0.03
    """A view sees a place if its own surface lies within this part of it; else something is in front."""
    found: float = 0.015
    """A photo has found a place if the depth that photos agree on lies within this part of it."""
    unsure: float = 0.3
    """Below this confidence, geometry counts as unsure: fewer than half of three photos have found it."""
    facing_deg: float = 30.0
    """A direction that no photo was taken from within this angle is worth a photo."""
    every: int = 7
    """One in so many unsure pixels says where it faces: neighbours face alike."""
    candidates: int = 200
    """Directions that are considered for a further photo, 14 degrees apart."""
    prior: float = 0.5
    """Photos that count as having seen a place and not found it: one photo alone is not sure."""


_SETTINGS = ConfidenceSettings()


@dataclass(frozen=True)
class Unsure:
    """What is unsure of a capture's geometry.

    Attributes:
        share: of all pixels with depth, in [0, 1].
        direction_world: unit vector from the scene towards where a further photo would help most; None if nothing is
            unsure.
    """

    share: float
    direction_world: Float[np.ndarray, "3"] | None


def unsure_geometry(views: Sequence[View], world_up: Float[np.ndarray, "3"]) -> Unsure:
    """Return how much of a capture's geometry is unsure, and from where it would be seen best.

    A direction is the better the more unsure surface faces it, and the further it is from those of the photos.

    Args:
        views: of one capture, with geometry and its confidence; read one at a time.
        world_up: unit vector; further photos are taken from above the horizon.
    """
    directions = spread_directions(_SETTINGS.candidates)
    directions = directions[directions @ world_up > 0]
    facing, unsure, known = np.zeros(len(directions)), 0, 0
    towards = []
    for view in views:
        sure = np.ones(view.depth.shape) if view.confidence is None else view.confidence
        doubtful = view.known & (sure < _SETTINGS.unsure)
        facing += np.clip(view.normal_world[doubtful][:: _SETTINGS.every] @ directions.T, 0.0, None).sum(axis=0)
        unsure, known = unsure + int(doubtful.sum()), known + int((view.depth > 0).sum())
        towards.append(view.camera.camera_to_world[:3, 2])
    if not unsure:
        return Unsure(0.0, None)
    nearest_deg = np.degrees(np.arccos(np.clip(directions @ np.array(towards).T, -1.0, 1.0))).min(axis=1)
    worth = facing * np.clip(nearest_deg / _SETTINGS.facing_deg, 0.0, 1.0)
    return Unsure(unsure / known, directions[worth.argmax()])


def confidence_maps(
    views: Sequence[StereoView],
    agreed: Mapping[str, Float[np.ndarray, "rows columns"]],
    settings: ConfidenceSettings = _SETTINGS,
) -> Iterator[Float[np.ndarray, "height width"]]:
    """Yield each view's confidence in [0, 1]: the share of the photos that see a place and have found it there.

    Args:
        views: of one capture, with the depth that is judged, 0 where unknown.
        agreed: by the views' names: the depth that photos agree on, of any size, 0 where they do not; views without
            any did not take part.
        settings: what counts.
    """
    for index, view in enumerate(views):
        points = view.camera.points_world(view.depth)
        seen, found = np.full(view.depth.shape, settings.prior), np.zeros(view.depth.shape)
        for other in (views[i] for i in (index, *neighbours(views, index))):
            if other.camera.name in agreed:
                along, depths, known = looked_up(other.camera, points, other.depth, agreed[other.camera.name])
                sees = np.abs(depths - along) < settings.seen * along
                seen += sees
                found += sees & (np.abs(known - along) < settings.found * along)
        yield np.where(view.depth > 0, found / seen, 0.0).clip(0.0, 1.0).astype(np.float32)
