"""Pictures of a scene's field: one pass through the field for a camera, then any light for the cost of a decoder."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.field.frame import FieldFrame
from relightnerf.field.model import RaySurface, RelightModel
from relightnerf.field.settings import RELIGHTING
from relightnerf.imaging.color_tensors import linear_from_srgb, srgb_from_linear
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE, Lighting, spread_directions

_RAYS_AT_ONCE = 8192
"""Rays of one pass through the field: about 0.3 GB of samples."""
_COLOURS_AT_ONCE = 1 << 18
"""Pixels times lights that are decoded at once: 3 MB of colours, which a core's cache holds."""
_NO_LIGHT = 1e-6
"""Ambient factors below this are rounding."""


@dataclass(frozen=True)
class FeatureBuffer:
    """What a camera sees of the field, before any light is chosen.

    Attributes:
        camera: the camera.
        logits: (pixels, 3), of the sRGB colours under the capture's own light.
        transfer: (pixels, 3, transfer), for the light's decoder; None for a field without lights.
        points: (pixels, 3), what is seen, in the field's frame.
        normals: (pixels, 3), its unit normals, in the field's frame.
        kept: what the renderer has computed from these and may need again.
    """

    camera: Camera
    logits: Tensor
    transfer: Tensor | None
    points: Tensor
    normals: Tensor
    kept: dict[str, Tensor] = field(default_factory=dict)


class FieldRenderer:
    """Renders cameras of the capture's world frame from a fitted field."""

    def __init__(self, model: RelightModel, frame: FieldFrame) -> None:
        self._model = model.eval()
        self._frame = frame

    @property
    def center_world(self) -> Float[np.ndarray, "3"]:
        """What the photos look at, in the capture's world: where near lights have the brightness asked for."""
        return self._frame.center

    @torch.no_grad()
    def features(self, camera: Camera) -> FeatureBuffer:
        """Pass through the field once.

        Args:
            camera: posed in the capture's world frame.
        """
        model = self._model
        logits, transfer, seen = [], [], []
        for origins, directions, surface, _ in self._surfaces(camera):
            colour, features = model.capture_logits(surface, directions)
            logits.append(colour)
            seen.append(model.surface_points(origins, directions, surface))
            if model.has_lights:
                transfer.append(model.encode_light(surface, features, directions))
        points, normals = (torch.cat(parts) for parts in zip(*seen, strict=True))
        return FeatureBuffer(camera, torch.cat(logits), torch.cat(transfer) if transfer else None, points, normals)

    def points_world(self, buffer: FeatureBuffer) -> Float[np.ndarray, "pixels 3"]:
        """Return the places that a camera sees, in the capture's world."""
        return self._frame.points_world(buffer.points.cpu().numpy().astype(np.float64))

    @torch.no_grad()
    def depth(self, camera: Camera) -> Float[np.ndarray, "height width"]:
        """Return the depth along the camera's -z in world units, 0 where nothing is; no colour is computed."""
        depth = torch.cat([along for *_, along in self._surfaces(camera)])
        return depth.reshape(camera.height, camera.width).cpu().numpy()

    def _surfaces(self, camera: Camera) -> Iterator[tuple[Tensor, Tensor, RaySurface, Tensor]]:
        """Yield rays' origins and directions in the field's frame, what they meet, and its depth in the world."""
        pose = self._tensor(self._frame.poses(camera.camera_to_world))
        local = self._tensor(camera.rays_camera()).reshape(-1, 3)
        for rays in local.split(_RAYS_AT_ONCE):
            # Camera rays have z = -1, so their length is the distance per depth: (rays, 1).
            lengths = rays.norm(dim=-1, keepdim=True)
            # Rows are vectors: R v is v R^T.
            directions = (rays / lengths) @ pose[:3, :3].T
            origins = pose[:3, 3].expand_as(rays)
            surface = self._model.surface(origins, directions)
            # From distance to depth along -z, and from the field's units to the world's.
            along = surface.depth[:, 0] / lengths[:, 0] / self._frame.scale
            # A ray that more than half of the light passes meets nothing.
            yield origins, directions, surface, torch.where(surface.accumulation[:, 0] > 0.5, along, 0.0)  # noqa: PLR2004

    @torch.no_grad()
    def relight(
        self, buffer: FeatureBuffer, light: "Lighting | Float[np.ndarray, '3'] | None" = None
    ) -> Float[np.ndarray, "height width 3"]:
        """Return the picture (sRGB in [0, 1], float32) under a light; only the light's decoder runs.

        Args:
            buffer: from ``features``.
            light: any lighting; or a unit vector towards one canonical light in the capture's world; None: the
                capture's own light.

        Raises:
            InputError: a light is asked of a field that was fitted without any.
        """
        if isinstance(light, Lighting):
            return _picture(buffer, srgb_from_linear(self._lit(buffer, light)))
        return _picture(buffer, self._encoded(buffer, light))

    @torch.no_grad()
    def radiance(
        self, buffer: FeatureBuffer, light: "Lighting | Float[np.ndarray, '3'] | None" = None
    ) -> Float[np.ndarray, "height width 3"]:
        """Return what ``relight`` shows as linear Rec. 709 values (float32), above 1 where there is much light."""
        if isinstance(light, Lighting):
            return _picture(buffer, self._lit(buffer, light))
        return _picture(buffer, linear_from_srgb(self._encoded(buffer, light)))

    def _encoded(self, buffer: FeatureBuffer, light: np.ndarray | None) -> Tensor:
        """Return sRGB colours (pixels, 3) under one canonical light, or the capture's own."""
        if light is None:
            return torch.sigmoid(buffer.logits)
        return torch.cat([torch.sigmoid(logits[:, 0]) for logits in self._lit_logits(buffer, light[None])])

    def _lit_logits(self, buffer: FeatureBuffer, directions_world: np.ndarray) -> Iterator[Tensor]:
        """Yield logits (pixels, lights, 3) under canonical lights, part by part."""
        lights = self._tensor(self._frame.directions(directions_world))
        encoded = self._model.light_decoder.encode_lights(lights)
        for logits, transfer, points, normals in _parts(buffer, len(lights)):
            cues = self._model.light_cues(points, normals, lights)
            # The offset of the light is added before the sigmoid: (pixels, 1, 3) + (pixels, lights, 3).
            yield logits[:, None] + self._model.light_decoder(transfer, encoded, cues)

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32, device=self._model.device)

    def _lit(self, buffer: FeatureBuffer, lighting: Lighting) -> Tensor:
        """Return linear colours (pixels, 3): light adds, and the decoder gives each light with its ambient part."""
        # A canonical light is disc + ambient A, so directional lights of the factors k bring sum(k) A with them.
        # The ambient light asked for is more or less than that: the difference is made up for with A alone.
        total = self._sum(buffer, lighting.directions, lighting.colors)
        counted = lighting.colors.sum(axis=0)
        for position, color in zip(lighting.positions, lighting.position_colors, strict=True):
            # Only the disc falls off with distance; the ambient part of the decoded picture is taken away.
            disc = self._near(buffer, position) - self._ambient(buffer)
            total += disc * self.falloff(buffer, position) * self._tensor(color)
        missing = lighting.ambient - counted
        if np.abs(missing).max() > _NO_LIGHT:
            total += self._ambient(buffer) * self._tensor(missing)
        # Differences of learned pictures can fall below 0 where there is hardly any light.
        return total.clamp_min(0.0)

    def _sum(self, buffer: FeatureBuffer, directions_world: np.ndarray, colors: np.ndarray) -> Tensor:
        if not len(directions_world):
            return torch.zeros_like(buffer.logits)
        factors = self._tensor(colors)
        # Light adds in linear radiance, so sRGB is decoded before the sum: over lights l, for each channel c.
        linear = (linear_from_srgb(torch.sigmoid(logits)) for logits in self._lit_logits(buffer, directions_world))
        return torch.cat([torch.einsum("plc,lc->pc", part, factors) for part in linear])

    def _near(self, buffer: FeatureBuffer, position: np.ndarray) -> Tensor:
        """Return linear colours (pixels, 3) under a canonical light at a place (world)."""
        model, linear = self._model, []
        for logits, transfer, points, normals in _parts(buffer, lights=1):
            # Seen from each pixel's own point, the light has another direction and distance: (pixels, 1, 3).
            towards = (self._place(position) - points)[:, None]
            lights = torch.nn.functional.normalize(towards, dim=-1)
            cues = model.light_cues(points, normals, lights, towards.norm(dim=-1))
            offset = model.light_decoder(transfer, model.light_decoder.encode_lights(lights), cues)
            linear.append(linear_from_srgb(torch.sigmoid(logits + offset[:, 0])))
        return torch.cat(linear)

    def falloff(self, buffer: FeatureBuffer, position_world: Float[np.ndarray, "3"]) -> Float[Tensor, "pixels 1"]:
        """Return what a light at a place gives to what is seen, 1 at the distance of ``center_world``."""
        place = self._place(position_world)
        distance = (place - buffer.points).norm(dim=-1, keepdim=True).clamp_min(RELIGHTING.closest)
        # Inverse square law. The field's origin is ``center_world``, so |place| is the distance from there.
        return (place.norm().clamp_min(RELIGHTING.closest) / distance).square()

    def _place(self, position_world: np.ndarray) -> Tensor:
        return self._tensor(self._frame.points(position_world))

    def _ambient(self, buffer: FeatureBuffer) -> Tensor:
        """Return the linear colours under the canonical ambient light alone.

        Discs from everywhere make an even light of radiance ``IRRADIANCE / (4 pi) ``, and those from below the horizon
        are taken to reach nothing: with L the mean over the upper half of canonical pictures, the ambient part A solves
        (L - A) / 2 / (IRRADIANCE / (4 pi)) = A / AMBIENT_RADIANCE.
        """
        if "ambient" not in buffer.kept:
            # Spread in the field's frame, where z is up; v R as rows is R^T v, back into the world.
            directions = spread_directions(RELIGHTING.ambient_directions, lowest_z=0.0) @ self._frame.rotation
            mean = self._sum(buffer, directions, np.full((len(directions), 3), 1.0 / len(directions)))
            # The docstring's equation is (L - A) r = A, so A = L r / (1 + r).
            ratio = AMBIENT_RADIANCE * 2.0 * np.pi / IRRADIANCE
            buffer.kept["ambient"] = mean * (ratio / (1.0 + ratio))
        return buffer.kept["ambient"]


def _picture(buffer: FeatureBuffer, colours: Tensor) -> Float[np.ndarray, "height width 3"]:
    return colours.reshape(buffer.camera.height, buffer.camera.width, 3).cpu().numpy()


def _parts(buffer: FeatureBuffer, lights: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield logits, transfer, points and normals of so many pixels that their colours under all lights fit a cache."""
    if buffer.transfer is None:
        raise InputError("this field knows only the capture's own light", "run `relightnerf fit`")
    values = (buffer.logits, buffer.transfer, buffer.points, buffer.normals)
    pixels = max(_COLOURS_AT_ONCE // lights, 1)
    yield from zip(*(value.split(pixels) for value in values), strict=True)
