"""Scores of relit photos: closeness to the truth, the direction that their shading tells, and their cast shadows."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from relightnerf.evaluation.metrics import Distance, compare, scaled
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import LUMINANCE, srgb_to_linear, to_float, to_uint8
from relightnerf.relighters import Relighter
from relightnerf.training.benchmark.light_direction import direction_error_deg
from relightnerf.training.benchmark.relighting_report import IDENTITY
from relightnerf.training.benchmark.relit_cases import RelitCase

Scores = dict[str, float]


@dataclass(frozen=True)
class ShadowSettings:
    """What counts as a cast shadow."""

    shadowed: float = 0.6
    """Part of the luminance without cast shadows below which a pixel is in shadow. In the canonical light's shadow the
    ambient part is left, about 0.2 of the whole with some bounces; 0.6 is about the middle between that and 1."""
    facing: float = 0.1
    """Cosine between normal and light from which on a surface can be in a cast shadow: below it (84 degrees) the light
    hardly reaches it anyway, and shadow and light look alike."""
    fully_lit: float = 0.9
    """Part of the light's disc that a place sees which exposures are compared on; penumbras would bias them."""
    least_shadow: float = 0.01
    """Part of the counted pixels that the true shadow covers at least: the overlap of a few pixels is chance."""


_SHADOWS = ShadowSettings()


class Identity:
    """The photo as it is, whatever the light."""

    name = IDENTITY
    parameters: Mapping[str, Any] = {}
    inputs: Sequence[Path] = ()
    report: str | None = None

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Do nothing."""

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the photo once for each light."""
        return np.repeat(view.image[None], len(directions_world), axis=0)


@dataclass(frozen=True)
class RelitPhoto:
    """What a relighter makes of a case.

    Attributes:
        pictures: 8-bit sRGB, one a light.
        fit_seconds: that ``fit`` took.
        relight_seconds: that ``relight`` took for all lights.
    """

    pictures: UInt8[np.ndarray, "lights height width 3"]
    fit_seconds: float
    relight_seconds: float


def relit_photo(relighter: Relighter, case: RelitCase) -> RelitPhoto:
    """Relight a case as users do: fit to the photo, then all lights at once."""
    started = time.monotonic()
    relighter.fit([case.view], case.rays)
    fitted = time.monotonic()
    relit = relighter.relight(case.view, case.rays, case.lights.directions)
    return RelitPhoto(to_uint8(relit), fitted - started, time.monotonic() - fitted)


def picture_scores(
    case: RelitCase, light: int, picture: UInt8[np.ndarray, "height width 3"], lpips: Distance | None
) -> Scores:
    """Return ``compare``'s measures and ``light_scores`` of a picture that should show the case under a light."""
    return {**compare(to_float(picture), case.truths[light], case.mask, lpips), **light_scores(case, light, picture)}


def light_scores(case: RelitCase, light: int, picture: UInt8[np.ndarray, "height width 3"]) -> Scores:
    """Return ``direction_error_deg`` of a picture and, where the truth has cast shadows, ``shadow_iou``."""
    image, direction = to_float(picture), case.lights.directions[light]
    scores = {"direction_error_deg": float(direction_error_deg(case.finder.direction(image), direction))}
    if case.unshadowed is not None:
        counted = case.mask & (case.normal @ direction > _SHADOWS.facing)
        lit = case.visibility[light] > _SHADOWS.fully_lit
        iou = shadow_iou(
            scaled(image, case.truths[light], case.mask), case.truths[light], case.unshadowed[light], counted, lit
        )
        scores |= {} if iou is None else {"shadow_iou": iou}
    return scores


def shadow_iou(
    prediction: Float[np.ndarray, "height width 3"],
    truth: Float[np.ndarray, "height width 3"],
    unshadowed: Float[np.ndarray, "height width 3"],
    counted: Bool[np.ndarray, "height width"],
    lit: Bool[np.ndarray, "height width"],
) -> float | None:
    """Return the intersection over union of a picture's and the truth's cast shadows.

    Args:
        prediction: sRGB in [0, 1], in the truth's exposure.
        truth: sRGB in [0, 1].
        unshadowed: see ``shadow_mask``.
        counted: see ``shadow_mask``.
        lit: see ``shadow_mask``.

    Returns:
        In [0, 1]; None if shadows cover less than a hundredth of the truth's counted pixels.
    """
    true = shadow_mask(truth, unshadowed, counted, lit)
    if true.sum() < max(_SHADOWS.least_shadow * counted.sum(), 1):
        return None
    found = shadow_mask(prediction, unshadowed, counted, lit)
    return float((found & true).sum() / (found | true).sum())


def shadow_mask(
    picture: Float[np.ndarray, "height width 3"],
    unshadowed: Float[np.ndarray, "height width 3"],
    counted: Bool[np.ndarray, "height width"],
    lit: Bool[np.ndarray, "height width"],
) -> Bool[np.ndarray, "height width"]:
    """Return where a picture's luminance is below 0.6 of what it would be without cast shadows.

    Args:
        picture: sRGB in [0, 1].
        unshadowed: linear; brought to the picture's exposure by the best factor a channel, over the lit pixels.
        counted: True where there may be shadows, that is where the surface faces the light.
        lit: True where the light is in full view.
    """
    linear = srgb_to_linear(picture.astype(np.float64))
    fitted = counted & lit if (counted & lit).any() else counted
    p, u = linear[fitted], unshadowed[fitted].astype(np.float64)
    # least squares of p = factor u: factor = sum p u / sum u^2
    factors = (p * u).sum(axis=0) / np.maximum((u * u).sum(axis=0), 1e-12)
    expected = np.minimum(unshadowed * factors, 1.0)
    return counted & (linear @ LUMINANCE < _SHADOWS.shadowed * (expected @ LUMINANCE))
