"""How far the views disagree about the light on the surfaces that they share."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse

from relightnerf.consistency._maps import OFFSET, RatioMaps
from relightnerf.consistency._reconcile import light_angles_deg
from relightnerf.imaging.color import linear_to_srgb

SAME_LIGHT_DEG = 5.0
"""Lights of two views that differ by no more count as one when their pictures are compared. It is half the radius of
the canonical disc: shadows lie nearly alike. Fewer degrees leave few pairs of views whose camera lights coincide."""


@dataclass
class Disagreement:
    """Sums over pairs of views, of lights within 5 degrees, and over cells that both views see.

    What the photos themselves differ by (highlights, exposure) is not in it: each view's ratio is applied to one photo.
    """

    weight: float = 0.0
    log_ratio_sum: float = 0.0
    square_sum: float = 0.0

    def add(
        self,
        own: RatioMaps,
        other: RatioMaps,
        cells: np.ndarray,
        weights: sparse.csr_matrix,
        photo: Float[np.ndarray, "cells 3"],
        directions: tuple[Float[np.ndarray, "lights 3"], Float[np.ndarray, "lights 3"]],
    ) -> None:
        """Compare two views.

        Args:
            own: maps of one view.
            other: maps of the other.
            cells: flat indices of the cells of the one.
            weights: of the other's cells for these (``warp``).
            photo: of these cells, linear.
            directions: of the lights of both, unit, world frame.
        """
        lights = len(own.log_ratio)
        ratios, confidence = (
            own.log_ratio.reshape(lights, -1, 3)[:, cells],
            own.confidence.reshape(lights, -1)[:, cells],
        )
        # Only pairs of lights that lie within ``SAME_LIGHT_DEG``: (own light, other light).
        for a, b in zip(*np.nonzero(light_angles_deg(*directions) < SAME_LIGHT_DEG), strict=True):
            # what the other view says of these cells, weighted by its confidence
            theirs = other.confidence[b].reshape(-1)
            weight = weights @ theirs
            # The weighted mean of their ratios, and a weight that counts how far both sides are to be believed.
            warped = weights @ (other.log_ratio[b].reshape(-1, 3) * theirs[:, None])
            warped /= np.maximum(weight, 1e-6)[:, None]
            weight = weight * confidence[a]
            # r = log((t + o) / (s + o)), solved for the relit value t = (s + o) e^r - o, with one photo s for both.
            colours = [linear_to_srgb((photo + OFFSET) * np.exp(r) - OFFSET) for r in (ratios[a], warped)]
            self.weight += float(weight.sum())
            self.log_ratio_sum += float(weight @ np.abs(ratios[a] - warped).mean(axis=-1))
            self.square_sum += float(weight @ ((colours[0] - colours[1]) ** 2).mean(axis=-1))

    @property
    def log_ratio(self) -> float:
        """Mean absolute difference of the natural logarithm of relit over photo."""
        return self.log_ratio_sum / self.weight

    @property
    def srgb_rms(self) -> float:
        """Root mean square of the difference in sRGB, in [0, 1]."""
        return float(np.sqrt(self.square_sum / self.weight))
