"""Depth that is a mean over what all views near a view say about its surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.depth_prior._estimate_types import ViewEstimate


@dataclass(frozen=True)
class ConsensusSettings:
    """What tunes the mean."""

    gate: float = 0.5
    """Part of the reach of a search up to which another view's depth is taken for the same surface."""
    least_scale: float = 0.1
    """Part of the reach below which all estimates count alike."""


_SETTINGS = ConsensusSettings()


def consensus(
    estimate: ViewEstimate, others: Sequence[ViewEstimate], reach: float, settings: ConsensusSettings = _SETTINGS
) -> Float[np.ndarray, "height width"]:
    """Return the mean of a view's depth and of that of others, brought to its pixels: world units.

    Each pixel of another view is a point that falls into one pixel of this view. Where its log depth differs by less
    than half of the reach, it is taken for the same surface, and counts in proportion to the inverse of its expected
    error: what is unsure in one view takes the depth that others are sure of.

    Args:
        estimate: of the view.
        others: of views that see the same.
        reach: of the search that the estimates come from, natural logarithm of depth.
        settings: what counts.
    """
    height, width = estimate.depth.shape
    own = np.log(estimate.depth).ravel()
    floor = settings.least_scale * reach
    total = 1.0 / np.maximum(estimate.scale.ravel(), floor)
    summed = total * own
    for other in others:
        places, along = estimate.camera.project(other.camera.points_world(other.depth).reshape(-1, 3))
        column, row = np.floor(np.where(along[:, None] > 0, places, -1.0)).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        pixel, logs = (row * width + column)[inside], np.log(along[inside])
        near = np.abs(logs - own[pixel]) < settings.gate * reach
        weight = near / np.maximum(other.scale.ravel()[inside], floor)
        total += np.bincount(pixel, weight, height * width)
        summed += np.bincount(pixel, weight * logs, height * width)
    return np.exp(summed / total).reshape(height, width).astype(np.float32)
