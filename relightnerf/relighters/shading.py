"""Relighting without learning: the capture's own light is divided out, the new one's ray-cast shading multiplied in."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from relightnerf.color import LUMINANCE, linear_to_srgb, srgb_to_linear
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE
from relightnerf.relighters._capture_light import CaptureLight, capture_shading, estimate_capture_light

_TYPICAL_SHADING = 0.4
_BOUNCE_ALBEDO = 0.35
_DAMPING = 0.03
_LARGEST_RATIO = 6.0
_EXPOSURE_VIEWS = 12
_DARKEST, _BRIGHTEST = 0.01, 0.9
_DETAIL, _LARGEST_DETAIL, _FLAT = 0.02, 0.5, 1e-4
_LEAST_SHADING, _LEAST_LUMINANCE = 0.1, 0.01


class ShadingRelighter:
    """The baseline: Lambert, soft shadows and ambient occlusion on the photo's own albedo.

    Attributes:
        light: the capture's own light; None before ``fit``.
        detail_slope: by how much the photos' fine detail follows that of their ray-cast shading: about 1 where geometry
            is true, 0 where its detail is noise. ``fit`` finds it.
    """

    name = "shading"
    inputs: Sequence[Path] = ()
    report: str | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """Nothing can be chosen."""
        return {}

    def __init__(self) -> None:
        """Make a relighter that knows no scene yet."""
        self.light: CaptureLight | None = None
        self.detail_slope = 1.0
        self._exposure = 1.0

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Estimate the capture's light and, from it, the exposure that all relit views share."""
        self.light = estimate_capture_light(views, rays)
        some = [view for view in views[:: -(-len(views) // _EXPOSURE_VIEWS)] if view.known.any()]
        shadings = [self._capture_shading(ViewCues(view, rays), view) @ LUMINANCE for view in some]
        if some:
            means = np.concatenate([shading[view.known] for view, shading in zip(some, shadings, strict=True)])
            self._exposure = _TYPICAL_SHADING / max(float(means.mean()), 1e-6)
            slopes = [detail_slope(view, shading) for view, shading in zip(some, shadings, strict=True)]
            self.detail_slope = float(np.median(slopes))

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the view under each canonical light: float32 sRGB in [0, 1]."""
        cues = ViewCues(view, rays)
        linear = srgb_to_linear(view.image)
        result = np.empty((len(directions_world), *linear.shape), np.float32)
        ratios = self.ratios(self._capture_shading(cues, view), cues, cues.direct(directions_world))
        for index, ratio in enumerate(ratios):
            result[index] = linear_to_srgb(linear * ratio)
        return result

    def ratios(
        self,
        capture: Float[np.ndarray, "height width 3"],
        cues: ViewCues,
        discs: Float[np.ndarray, "lights height width"],
    ) -> Iterator[Float[np.ndarray, "height width 3"]]:
        """Yield what each light multiplies the photo's linear values by.

        Args:
            capture: what ``capture_shading`` makes of the relighter's light and a view of the scene.
            cues: of this view.
            discs: cosine times visibility of each canonical light.
        """
        exposed = self._exposure * capture
        for disc in discs:
            yield _damped_ratio(_canonical_shading(disc, cues), exposed, cues.known)

    def _capture_shading(self, cues: ViewCues, view: View) -> Float[np.ndarray, "height width 3"]:
        assert self.light is not None, "fit comes first"
        return capture_shading(self.light, view, cues)


def detail_slope(view: View, shading: Float[np.ndarray, "height width"]) -> float:
    """Return the slope of a regression of a photo's fine detail on that of its shading, both in logarithms.

    It is 1 where the photo shows all of the shading's detail, or the shading has none, and less where part of that is
    noise.

    Args:
        view: the photo.
        shading: radiance of the view painted white under the photo's own light, in any unit.
    """
    luminance = srgb_to_linear(view.image) @ LUMINANCE
    usable = view.known & (luminance > _DARKEST) & (luminance < _BRIGHTEST)
    if not usable.any():
        return 1.0
    spread = _DETAIL * shading.shape[1]
    weight = np.maximum(ndimage.gaussian_filter(usable.astype(np.float32), spread), 1e-6)
    relative = shading / max(float(shading[usable].mean()), 1e-6)
    details = []
    for values in (np.log(relative + _LEAST_SHADING), np.log(luminance + _LEAST_LUMINANCE)):
        coarse = ndimage.gaussian_filter(np.where(usable, values, 0.0), spread) / weight
        details.append((values - coarse)[usable].clip(-_LARGEST_DETAIL, _LARGEST_DETAIL))
    of_shading, of_photo = details
    return float(((of_shading * of_photo).mean() + _FLAT) / ((of_shading**2).mean() + _FLAT))


def _canonical_shading(disc: Float[np.ndarray, "height width"], cues: ViewCues) -> Float[np.ndarray, "height width"]:
    """Radiance of a white surface under the canonical light, with what its surroundings throw back."""
    direct = IRRADIANCE / np.pi * disc + AMBIENT_RADIANCE * cues.ambient
    mean = direct[cues.known].mean() if cues.known.any() else 0.0
    return direct + _BOUNCE_ALBEDO * mean * (1.0 - cues.ambient)


def _damped_ratio(target: np.ndarray, capture: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Target over capture shading (height, width, 3); their means' ratio where the geometry is unknown."""
    if not known.any():
        return np.ones_like(capture)
    ratio = (target[..., None] + _DAMPING) / (capture + _DAMPING)
    overall = target[known].mean() / capture[known].mean(axis=0)
    return np.clip(np.where(known[..., None], ratio, overall), 1.0 / _LARGEST_RATIO**2, _LARGEST_RATIO)
