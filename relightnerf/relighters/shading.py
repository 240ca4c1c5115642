"""Relighting without learning: the capture's own light is divided out, the new one's ray-cast shading multiplied in."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import LUMINANCE, linear_to_srgb, srgb_to_linear
from relightnerf.lights import TYPICAL_SHADING, canonical_shading, shading_ratio
from relightnerf.relighters.capture_light import CaptureLight, capture_shading, estimate_capture_light

_EXPOSURE_VIEWS = 12
"""About how many views, evenly chosen, tell the exposure that all share: a mean over all pixels of some changes little
with more of them, and each costs its ambient visibility and shadows once more."""


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
        # Every n-th view with n rounded up: ``_EXPOSURE_VIEWS`` at most.
        some = [view for view in views[:: -(-len(views) // _EXPOSURE_VIEWS)] if view.known.any()]
        means = [self._capture_shading(ViewCues(view, rays), view)[view.known] @ LUMINANCE for view in some]
        # only ratios of the light's amounts are known, so a level has to be set: a typical photo's
        self._exposure = TYPICAL_SHADING / max(float(np.concatenate(means).mean()), 1e-6) if means else 1.0

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the view under each canonical light: float32 sRGB in [0, 1]."""
        cues = ViewCues(view, rays)
        linear = srgb_to_linear(view.image)
        result = np.empty((len(directions_world), *linear.shape), np.float32)
        capture = self._capture_shading(cues, view)
        ratios = self.ratios(capture, cues.direct(directions_world), cues.ambient, cues.known)
        # I_new = rho S_new = I_old S_new / S_old: the albedo rho need not be known. As S_old has the colour of the
        # capture's light and S_new is white, the photo's colour cast goes, too.
        for index, ratio in enumerate(ratios):
            result[index] = linear_to_srgb(linear * ratio)
        return result

    def ratios(
        self,
        capture: Float[np.ndarray, "height width 3"],
        discs: Float[np.ndarray, "lights height width"],
        ambient: Float[np.ndarray, "height width"],
        known: Bool[np.ndarray, "height width"],
    ) -> Iterator[Float[np.ndarray, "height width 3"]]:
        """Yield what each light multiplies a view's linear values by.

        Args:
            capture: what ``capture_shading`` makes of the relighter's light and the view.
            discs: cosine times visibility of each canonical light.
            ambient: ambient visibility.
            known: where there is geometry.
        """
        exposed = self._exposure * capture
        for disc in discs:
            yield shading_ratio(canonical_shading(disc, ambient, known), exposed, known)

    def _capture_shading(self, cues: ViewCues, view: View) -> Float[np.ndarray, "height width 3"]:
        assert self.light is not None, "fit comes first"
        return capture_shading(self.light, view, cues)
