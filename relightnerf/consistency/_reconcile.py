"""What the views that see a surface agree on: a robust mean of their log ratios."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import sparse

from relightnerf.consistency._maps import RatioMaps


@dataclass(frozen=True)
class ReconcileSettings:
    """What tunes what views agree on."""

    light_spread_deg: float = 6.0
    """Standard deviation of the Gaussian by which lights of two views stand in for each other. The canonical disc's
    radius is 10 degrees, so shadows of such lights overlap; less leaves too few views for lights of the camera's frame,
    which differ from view to view, and more smears shadows."""
    light_limit_deg: float = 15.0
    """No light stands in for one further away: 2.5 standard deviations, where little is left of the Gaussian anyway."""
    scales: tuple[float, ...] = (1.6, 0.8, 0.8)
    """Residual, natural logarithm, at which the robust mean's weight is a quarter, iteration by iteration. Views differ
    by 0.1 to 0.2 in the mean; an outlier is one that sees a shadow where others see light (a factor of 5 and more,
    1.6). The first is wide because the mean that it starts from has outliers in it."""
    anchor: float = 0.02
    """Pull of a view's gain to 0, as a part of the weight of all pairs that it is in. Much more would leave differences
    of exposure, none would leave the sum of gains open and let small offsets add up along a chain of views."""
    most_correction: float = 1.5
    """Largest correction, natural logarithm (a factor of 4.5): views that disagree by more do not see one surface."""


_SETTINGS = ReconcileSettings()


def light_angles_deg(
    directions: Float[np.ndarray, "lights 3"], others: Float[np.ndarray, "other_lights 3"]
) -> Float[np.ndarray, "lights other_lights"]:
    """Return the angles in degrees between unit directions of two views in the world frame."""
    # A chord of the unit circle is 2 sin(angle / 2).
    # not from the cosine, which is flat at 0 degrees and would lose half of the digits there
    chord = np.linalg.norm(directions[:, None] - others, axis=-1)
    return np.degrees(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0)))


def light_closeness(
    directions: Float[np.ndarray, "lights 3"], others: Float[np.ndarray, "other_lights 3"]
) -> Float[np.ndarray, "lights other_lights"]:
    """Return how far a light of one view may stand in for one of another, in [0, 1].

    It falls as a Gaussian of 6 degrees and is 0 beyond 15.

    Args:
        directions: unit vectors of one view's lights, world frame.
        others: those of the other view.
    """
    angle = light_angles_deg(directions, others)
    fallen = np.exp(-0.5 * (angle / _SETTINGS.light_spread_deg) ** 2)
    return np.where(angle < _SETTINGS.light_limit_deg, fallen, 0.0).astype(np.float32)


def seen_by(
    other: RatioMaps, weights: sparse.csr_matrix, closeness: Float[np.ndarray, "lights other_lights"]
) -> tuple[Float[np.ndarray, "lights cells 3"], Float[np.ndarray, "lights cells"]]:
    """Return the log ratios that another view has for cells of this one under this one's lights, and their weights.

    Args:
        other: maps of the other view.
        weights: of its cells for this view's cells (``warp``).
        closeness: of its lights to this view's (``light_closeness``).

    Returns:
        Log ratios, and weights in [0, 1]: 0 where the other view does not see the cell or has no such light.
    """
    lights, cells = closeness.shape[1], weights.shape[0]
    # Shapes: weights (cells, their cells), confidence (their cells, their lights), closeness (lights, their lights).
    # The weight of a value is the product of all three, summed over their cells and lights.
    ratios, confidence = other.samples
    weight = closeness @ (weights @ confidence).T
    # ``ratios`` hold the confidence already. Their lights come first, so that one matrix product mixes them all.
    by_light = np.ascontiguousarray(np.moveaxis((weights @ ratios).reshape(cells, lights, 3), 1, 0))
    values = (closeness @ by_light.reshape(lights, -1)).reshape(-1, cells, 3)
    # A weighted mean. Its weight is cut at 1: several lights that are close may add up to more.
    return values / np.maximum(weight, 1e-6)[..., None], np.minimum(weight, 1.0)


def correction(
    own: Float[np.ndarray, "lights cells 3"],
    others: Iterable[tuple[Float[np.ndarray, "lights cells 3"], Float[np.ndarray, "lights cells"]]],
) -> Float[np.ndarray, "lights cells 3"]:
    """Return what to add to a view's log ratios: the robust mean of its own and the others', minus its own.

    The own value has weight 1, as much as any other at most, so the correction fades to 0 where others see less.

    Args:
        own: log ratios of the view.
        others: for each neighbour what ``seen_by`` returns.
    """
    others = list(others)
    result = np.zeros_like(own)
    for light, ratio in enumerate(own):
        # Differences from the own value, which is 0 itself with weight 1; their mean is what to add.
        seen = [(values[light] - ratio, weight[light]) for values, weight in others if weight[light].any()]
        if seen:
            differences, weights = zip((np.zeros_like(ratio), np.ones_like(ratio[:, 0])), *seen, strict=True)
            result[light] = robust_mean(np.stack(differences), np.stack(weights))
    return result.clip(-_SETTINGS.most_correction, _SETTINGS.most_correction)


def robust_mean(
    values: Float[np.ndarray, "values *shape 3"], weights: Float[np.ndarray, "values *shape"]
) -> Float[np.ndarray, "*shape 3"]:
    """Return the weighted mean over the first axis with the weights of Geman and McClure, first wide, then narrower.

    Outliers are judged by all three channels together. The mean minimises the sum of w rho(e^2 / s^2) with
    rho(q) = q / (1 + q), whose slope gives each value the weight w / (1 + q)^2 (iteratively reweighted least squares).
    """
    mean = _mean(values, weights)
    for scale in _SETTINGS.scales:
        off = values - mean
        # Mean square over the channels; at ``scale`` it makes the weight 1 / (1 + 1)^2 = 1/4.
        square = np.einsum("...c,...c->...", off, off) / 3.0
        mean = _mean(values, weights / (1.0 + square / scale**2) ** 2)
    return mean


def _mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    total = np.maximum(weights.sum(axis=0), 1e-12)[..., None]
    return np.einsum("n...c,n...->...c", values, weights) / total


def view_gains(
    views: int,
    pairs: Sequence[tuple[int, int]],
    offsets: Float[np.ndarray, "pairs 3"],
    weights: Float[np.ndarray, " pairs"],
) -> Float[np.ndarray, "views 3"]:
    """Return one log gain a view and channel that makes the views' overall brightness agree, least squares.

    The gains are shared by all lights of a view, so that one light stays brighter than another; a weak pull to 0 keeps
    small offsets from adding up along a chain of views.

    The gains g minimise the sum over pairs of w (g_a - g_b - o)^2 plus anchor * sum over views of W_a g_a^2, W_a the
    weight of all pairs of a. Its normal equations are (L + anchor * diag L) g = r with the Laplacian L of the graph of
    pairs: L_aa = W_a, L_ab = -w, and r_a the sum of w o over the pairs (a, b) less that over the pairs (b, a).

    Args:
        views: how many there are.
        pairs: of views (a, b) that see the same surface.
        offsets: mean log ratio of b minus that of a on what both see.
        weights: how much each offset counts.
    """
    normal, right = np.zeros((views, views)), np.zeros((views, 3))
    for (a, b), offset, weight in zip(pairs, offsets, weights, strict=True):
        # One pair adds w to L_aa and L_bb, -w to L_ab and L_ba, w o to r_a and -w o to r_b. Channels share the matrix.
        normal[[a, b], [a, b]] += weight
        normal[[a, b], [b, a]] -= weight
        right[a] += weight * offset
        right[b] -= weight * offset
    diagonal = np.diag(normal).copy()
    # L alone is singular: gains that are equal in all views of a connected part change nothing.
    # a view without pairs has a row of zeros: 1 on its diagonal makes its gain 0
    normal[np.diag_indices(views)] += _SETTINGS.anchor * diagonal + (diagonal == 0)
    return np.linalg.solve(normal, right)
