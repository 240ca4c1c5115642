"""Relighting without learning: the capture's own light is divided out, the new one's ray-cast shading multiplied in."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

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


class ShadingRelighter:
    """The baseline: Lambert, soft shadows and ambient occlusion on the photo's own albedo.

    Attributes:
        light: the capture's own light; None before ``fit``.
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
        self._exposure = 1.0

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Estimate the capture's light and, from it, the exposure that all relit views share."""
        self.light = estimate_capture_light(views, rays)
        some = views[:: -(-len(views) // _EXPOSURE_VIEWS)]
        shadings = [self._capture_shading(ViewCues(v, rays), v)[v.known] @ LUMINANCE for v in some if v.known.any()]
        self._exposure = _TYPICAL_SHADING / max(float(np.mean(np.concatenate(shadings))), 1e-6) if shadings else 1.0

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the view under each canonical light: float32 sRGB in [0, 1]."""
        cues = ViewCues(view, rays)
        linear = srgb_to_linear(view.image)
        capture = self._exposure * self._capture_shading(cues, view)
        result = np.empty((len(directions_world), *linear.shape), np.float32)
        for index, disc in enumerate(cues.direct(directions_world)):
            target = _canonical_shading(disc, cues)
            ratio = _damped_ratio(target, capture, view.known)
            result[index] = linear_to_srgb(linear * ratio)
        return result

    def _capture_shading(self, cues: ViewCues, view: View) -> Float[np.ndarray, "height width 3"]:
        assert self.light is not None, "fit comes first"
        return capture_shading(self.light, view, cues)


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
