"""Pictures of fitted Gaussians: splatted once for a camera, then any light for the cost of a decoder."""

import numpy as np
import torch
from jaxtyping import Float

from relightnerf.cameras import Camera
from relightnerf.field.dataparser import nerfstudio_cameras
from relightnerf.field.renderer import FeatureBuffer, FieldRenderer
from relightnerf.field.splats.model import PixelFeatures, SplatModel


class SplatRenderer(FieldRenderer):
    """Renders cameras of the capture's world frame from fitted Gaussians."""

    _model: SplatModel

    @torch.no_grad()
    def features(self, camera: Camera) -> FeatureBuffer:
        """Splat once; as ``FieldRenderer.features``, but normals, which only light cues need, face the camera."""
        model, seen = self._model, self._seen(camera)
        logits = model.capture_logits(seen.features, seen.directions)
        transfer = model.encode_light(seen.features, seen.directions) if model.has_lights else None
        depth = (seen.depth[..., 0] / self._frame.scale).cpu().numpy()
        points = self._tensor(self._frame.points(camera.points_world(depth).reshape(-1, 3)))
        return FeatureBuffer(camera, logits, transfer, points, -seen.directions)

    @torch.no_grad()
    def depth(self, camera: Camera) -> Float[np.ndarray, "height width"]:
        """Return the depth along the camera's -z in world units, 0 where nothing is; no colour is computed."""
        seen = self._seen(camera)
        depth = torch.where(seen.opacity > 0.5, seen.depth / self._frame.scale, 0.0)  # noqa: PLR2004
        return depth[..., 0].cpu().numpy()

    def _seen(self, camera: Camera) -> PixelFeatures:
        return self._model.see(nerfstudio_cameras(camera, self._frame).to(self._model.device))
