"""Pictures of a scene's field: one pass through the field for a camera, then any light for the cost of a decoder."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.cameras import Camera
from relightnerf.devices import resolve_device
from relightnerf.errors import InputError
from relightnerf.field.cpu import tune_cpu
from relightnerf.field.dataparser import scene_frame
from relightnerf.field.frame import FieldFrame
from relightnerf.field.model import RaySurface, RelightModel, RelightModelConfig
from relightnerf.field.runs import run_folder
from relightnerf.field.training import newest_checkpoint
from relightnerf.scene import Scene

_RAYS_AT_ONCE = 8192


@dataclass(frozen=True)
class FeatureBuffer:
    """What a camera sees of the field, before any light is chosen.

    Attributes:
        camera: the camera.
        logits: (height * width, 3), of the sRGB colours under the capture's own light.
        encoded: (height * width, hidden), for the light's decoder; None for a field without lights.
    """

    camera: Camera
    logits: Tensor
    encoded: Tensor | None


class FieldRenderer:
    """Renders cameras of the capture's world frame from a fitted field."""

    def __init__(self, model: RelightModel, frame: FieldFrame) -> None:
        self._model = model.eval()
        self._frame = frame

    @classmethod
    def load(cls, scene: Scene, device: str = "auto", folder: Path | None = None) -> "FieldRenderer":
        """Load a field of a scene.

        Args:
            scene: the scene.
            device: ``auto``, ``cpu`` or ``cuda``.
            folder: stage folder of the field's run; None: the scene's relightable field.

        Raises:
            InputError: there is no such field.
        """
        import yaml

        run = run_folder(folder or scene.field)
        checkpoint = newest_checkpoint(run)
        if checkpoint is None or not (run / "config.yml").is_file():
            raise InputError(f"{run}: no fitted field", f"run `relightnerf fit --scene {scene.root}` first")
        tune_cpu()
        settings: RelightModelConfig = yaml.load((run / "config.yml").read_text(), Loader=yaml.Loader).pipeline.model
        state = torch.load(checkpoint, map_location="cpu")["pipeline"]
        return cls(_model(settings, state).to(resolve_device(device)), scene_frame(scene, scene.cameras()))

    @torch.no_grad()
    def features(self, camera: Camera) -> FeatureBuffer:
        """Pass through the field once.

        Args:
            camera: posed in the capture's world frame.
        """
        model = self._model
        logits, encoded = [], []
        for directions, surface, _ in self._surfaces(camera):
            colour, features = model.capture_logits(surface, directions)
            logits.append(colour)
            if model.has_lights:
                encoded.append(model.encode_light(surface, features, model.mean_latent))
        return FeatureBuffer(camera, torch.cat(logits), torch.cat(encoded) if encoded else None)

    @torch.no_grad()
    def depth(self, camera: Camera) -> Float[np.ndarray, "height width"]:
        """Return the depth along the camera's -z in world units, 0 where nothing is; no colour is computed."""
        depth = torch.cat([along for _, _, along in self._surfaces(camera)])
        return depth.reshape(camera.height, camera.width).cpu().numpy()

    def _surfaces(self, camera: Camera) -> Iterator[tuple[Tensor, RaySurface, Tensor]]:
        """Yield rays' directions in the field's frame, what they meet, and its depth in the world, part by part."""
        device = self._model.device
        pose = torch.as_tensor(self._frame.poses(camera.camera_to_world), dtype=torch.float32, device=device)
        local = torch.as_tensor(camera.rays_camera(), dtype=torch.float32, device=device).reshape(-1, 3)
        for rays in local.split(_RAYS_AT_ONCE):
            lengths = rays.norm(dim=-1, keepdim=True)
            directions = (rays / lengths) @ pose[:3, :3].T
            surface = self._model.surface(pose[:3, 3].expand_as(rays), directions)
            along = surface.depth[:, 0] / lengths[:, 0] / self._frame.scale
            yield directions, surface, torch.where(surface.accumulation[:, 0] > 0.5, along, 0.0)  # noqa: PLR2004

    @torch.no_grad()
    def relight(
        self, buffer: FeatureBuffer, direction_world: Float[np.ndarray, "3"] | None = None
    ) -> Float[np.ndarray, "height width 3"]:
        """Return the picture (sRGB in [0, 1], float32) under a light; only the light's decoder runs.

        Args:
            buffer: from ``features``.
            direction_world: unit vector towards the light in the capture's world; None: the capture's own light.

        Raises:
            InputError: a light is asked of a field that was fitted without any.
        """
        logits = buffer.logits
        if direction_world is not None:
            if buffer.encoded is None:
                raise InputError("this field knows only the capture's own light", "run `relightnerf fit`")
            light = torch.as_tensor(self._frame.directions(direction_world), dtype=logits.dtype, device=logits.device)
            logits = logits + self._model.light_decoder(buffer.encoded, light)
        size = (buffer.camera.height, buffer.camera.width, 3)
        return torch.sigmoid(logits).reshape(size).cpu().numpy()


def _model(settings: RelightModelConfig, state: dict[str, Tensor]) -> RelightModel:
    from nerfstudio.data.scene_box import SceneBox

    weights = {key.removeprefix("_model."): value for key, value in state.items() if key.startswith("_model.")}
    has_lights = bool(weights["light_decoder.offset.3.weight"].any())
    metadata = {"light_directions": None} if has_lights else {}
    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    model = settings.setup(scene_box=box, num_train_data=len(weights["latents"]), metadata=metadata)
    model.load_state_dict(weights)
    return model
