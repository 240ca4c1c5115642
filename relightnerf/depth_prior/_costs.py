"""Matching costs of a view: how badly the photos fit together at depths around a start."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from relightnerf.geometry.stereo import StereoView

COST_STEPS = 32
"""Depths that are compared at every pixel; part of the weights' shapes."""


@dataclass(frozen=True)
class CostSettings:
    """What tunes matching costs. Trained weights are good for these numbers only.

    A cost is 1 minus a normalised cross correlation: 0 for a perfect fit, 1 for none, at most 2.
    """

    window_px: int = 5
    """Side of the windows that are correlated. The network looks at the surroundings itself, so that they may be small,
    as edges of depth need them."""
    least_variance: float = 2.5e-5
    """Least variance of a window, of grey values in [0, 1]: 1.3 steps of 8 bits, squared, which is what noise makes of
    a plain surface. It keeps such windows from correlating."""
    unseen_cost: float = 1.0
    """Cost where another view's picture ends: that of no correlation."""
    most_cost: float = 1.25
    """Higher costs are cut off: windows that are the opposite of one another tell no more than unlike ones."""


_SETTINGS = CostSettings()


def search_offsets(reach: float) -> Float[np.ndarray, " steps"]:
    """Return the offsets in log depth that are tried: even, from -reach to reach."""
    return np.linspace(-reach, reach, COST_STEPS)


def matching_costs(
    view: StereoView, others: Sequence[StereoView], start: Float[np.ndarray, "height width"], reach: float
) -> Float[np.ndarray, "steps height width"]:
    """Return the costs of the depths that the network is shown: ``costs_at`` the ``search_offsets`` of a reach."""
    return costs_at(view, others, start, search_offsets(reach))


def costs_at(
    view: StereoView,
    others: Sequence[StereoView],
    start: Float[np.ndarray, "height width"],
    offsets: Float[np.ndarray, " steps"],
    settings: CostSettings = _SETTINGS,
) -> Float[np.ndarray, "steps height width"]:
    """Return the cost of each depth ``start * exp(offset)``: the mean over the better half of the other views.

    With E the mean over a window, a and b the grey values of two views, the correlation is
    (E[ab] - E[a] E[b]) / sqrt(var a var b). A factor or an offset of the grey values changes nothing, so exposure does
    not matter.

    Args:
        view: whose pixels are searched.
        others: at least one, with cameras of any size.
        start: depth along -z, world units, known everywhere.
        offsets: natural logarithm of depth over the start's.
        settings: of the costs.

    Returns:
        Costs in [0, 1.25].
    """
    windows = Windows(view.image, settings)
    # A pixel's point is its ray times depth, so in another camera all depths lie on turned * exp(offset) + shift.
    rays = view.camera.rays_camera() * start[..., None]
    sides = []
    for other in others:
        to_other = np.linalg.inv(other.camera.camera_to_world) @ view.camera.camera_to_world
        # (3, height, width).
        turned = np.moveaxis(rays @ to_other[:3, :3].T, -1, 0).astype(np.float32)
        sides.append((turned, to_other[:3, 3].astype(np.float32), other.camera, grey(other.image)))
    costs = np.empty((len(offsets), *start.shape), np.float32)
    for number, offset in enumerate(offsets):
        each = np.empty((len(sides), *start.shape), np.float32)
        for index, (turned, shift, camera, image) in enumerate(sides):
            # Scaling depth by exp(offset) scales the turned point; only the shift between the cameras stays.
            x, y, z = turned * np.float32(math.exp(offset)) + shift[:, None, None]
            along = np.maximum(-z, np.float32(1e-6))
            fx, fy, cx, cy = camera.intrinsics.astype(np.float32)
            # ``remap`` has the first pixel's centre at 0, our pictures have it at 0.5. In the camera y goes up.
            column, row = cx - np.float32(0.5) + fx * x / along, cy - np.float32(0.5) - fy * y / along
            seen = cv2.remap(image, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            inside = (column > -0.5) & (row > -0.5) & (column < camera.width - 0.5) & (row < camera.height - 0.5)
            each[index] = np.where(inside & (z < 0), windows.cost(seen), np.float32(settings.unseen_cost))
        costs[number] = better_half(each)
    return np.clip(costs, 0.0, settings.most_cost)


class Windows:
    """The windows about a view's pixels, and how they correlate with what other views see there.

    Attributes:
        grey: values in [0, 1].
        variance: of each window, at least the settings' least one.
    """

    def __init__(self, image: UInt8[np.ndarray, "height width 3"], settings: CostSettings = _SETTINGS) -> None:
        """Take the view's 8-bit sRGB picture."""
        self._settings = settings
        self.grey = grey(image)
        self._mean, self.variance = _moments(self.grey, settings)

    def cost(self, seen: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
        """Return 1 minus the correlation with the grey values that another view sees at each pixel's place."""
        mean, variance = _moments(seen, self._settings)
        covariance = _window_mean(self.grey * seen, self._settings) - self._mean * mean
        return np.float32(1.0) - covariance / np.sqrt(self.variance * variance)


def better_half(each: Float[np.ndarray, "others height width"]) -> Float[np.ndarray, "height width"]:
    """Return the mean over the better half of the other views' costs: a place may be hidden from some of them."""
    better, lanes = (len(each) + 1) // 2, [*each]
    # The smallest values rise to the front, as in bubble sort. For six views this is several times faster than
    # np.partition, which works through each pixel on its own.
    for front in range(better):
        for i in range(len(lanes) - 1, front, -1):
            lanes[i - 1], lanes[i] = np.minimum(lanes[i - 1], lanes[i]), np.maximum(lanes[i - 1], lanes[i])
    return np.mean(lanes[:better], axis=0)


def packed_costs(costs: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Return costs as bytes, as training samples hold them."""
    return np.round(255 * np.clip(costs / _SETTINGS.most_cost, 0.0, 1.0)).astype(np.uint8)


def unpacked_costs(packed: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Undo ``packed_costs``, up to its rounding."""
    return packed.astype(np.float32) * (_SETTINGS.most_cost / 255.0)


def grey(image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    """Return grey values in [0, 1] of an 8-bit sRGB picture."""
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255.0)


def _moments(image: np.ndarray, settings: CostSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each pixel's window."""
    mean = _window_mean(image, settings)
    # E[x^2] - E[x]^2. In float32 it is off by about 1e-7 for values in [0, 1], which the least variance exceeds.
    variance = _window_mean(image * image, settings) - mean * mean
    return mean, np.maximum(variance, np.float32(settings.least_variance))


def _window_mean(image: np.ndarray, settings: CostSettings) -> np.ndarray:
    return cv2.blur(image, (settings.window_px, settings.window_px), borderType=cv2.BORDER_REFLECT)
