"""Feature buffers of recent cameras, so that another light costs only a pass through its decoder."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float
from torch import Tensor

from relightnerf.cameras import Camera
from relightnerf.field.frame import FieldFrame
from relightnerf.field.renderer import FeatureBuffer, FieldRenderer
from relightnerf.lights import Lighting


@dataclass(frozen=True)
class BufferSettings:
    """How much is kept, and how soon a picture under a new light is there."""

    most_bytes: int = 1 << 30
    """Memory of all views together. The latest stays even if it is larger; more memory saves passes through the field
    when people go back to where they were."""
    slowest_seconds: float = 0.12
    """Time that a picture under a moving light may take: longer, and the light seems to lag behind the hand; shorter,
    and the picture is coarser than it needs to be."""
    band_pixels: int = 1 << 15
    """Pixels that are relit at once. Between bands it is asked whether a newer light has come: larger bands make that
    answer late, smaller ones have the decoder's fixed costs more often."""
    ambient_lights: int = 48
    """Lights that the ambient part of a picture is made of, once for each view: what that first picture costs more."""
    aspect_tolerance: float = 0.05
    """Relative difference of width over height at which views still count as the same: sizes that nerfstudio rounds to
    whole pixels for small pictures differ by as much."""
    field_tolerance: float = 1e-5
    """The same for the vertical field of view, which is not rounded but by single precision: a zoom is another view."""


_SETTINGS = BufferSettings()


@dataclass(eq=False)
class SeenView:
    """What one camera sees, before any light is chosen.

    Attributes:
        buffer: of the camera.
        depth: along the rays, in the field's units.
        depth_z: along the camera's -z, in the field's units.
        version: of the field.
        parts: buffers of bands of rows, of every so many pixels.
        settings: how large the bands are.
    """

    buffer: FeatureBuffer
    depth: Float[np.ndarray, "height width"]
    depth_z: Float[np.ndarray, "height width"]
    version: int
    parts: dict[int, list[FeatureBuffer]] = field(default_factory=dict)
    settings: BufferSettings = _SETTINGS

    @property
    def camera(self) -> Camera:
        """The camera, in the capture's world."""
        return self.buffer.camera

    def every(self, stride: int) -> list[FeatureBuffer]:
        """Return the buffers of every so many pixels per row and column, in bands from top to bottom."""
        if stride not in self.parts:
            self.parts[stride] = _bands(self.buffer, stride, self.settings.band_pixels)
        return self.parts[stride]

    def bytes(self) -> int:
        """Return how much memory this takes, about."""
        parts = [part for part in (self.buffer.logits, self.buffer.transfer) if part is not None]
        return sum(part.numel() * part.element_size() for part in parts)


class SeenViews:
    """Passes through the field for new cameras, keeps what they see, and relights it.

    Args:
        renderer: of the field.
        frame: the field's.
        settings: how much is kept, and how soon pictures are there.
    """

    def __init__(self, renderer: FieldRenderer, frame: FieldFrame, settings: BufferSettings = _SETTINGS) -> None:
        self._renderer, self._frame, self._settings = renderer, frame, settings
        self._seen: list[SeenView] = []
        self._lock = threading.Lock()
        self._seconds_per_term = 0.0

    def see(self, camera: Camera, version: int) -> SeenView:
        """Return what a camera sees: kept, or by a pass through the field.

        Args:
            camera: in the capture's world.
            version: of the field; what another version has shown is forgotten.
        """
        with self._lock:
            self._seen = [seen for seen in self._seen if seen.version == version]
            kept = [seen for seen in self._seen if self._is_same_view(seen.camera, camera)]
            kept = [seen for seen in kept if _same_size(seen.camera, camera)]
        if kept:
            return kept[0]
        buffer = self._renderer.features(camera)
        eye = self._frame.poses(camera.camera_to_world)[:3, 3]
        distance = (buffer.points - buffer.points.new_tensor(eye)).norm(dim=-1)
        depth = distance.reshape(camera.height, camera.width).cpu().numpy()
        depth_z = (depth / np.linalg.norm(camera.rays_camera(), axis=-1)).astype(np.float32)
        seen = SeenView(buffer, depth, depth_z, version, settings=self._settings)
        with self._lock:
            self._seen.insert(0, seen)
            while len(self._seen) > 1 and sum(kept.bytes() for kept in self._seen) > self._settings.most_bytes:
                self._seen.pop()
        return seen

    def largest(self, camera: Camera) -> SeenView | None:
        """Return the largest of what is kept of a camera's view, whatever the size of its picture; None: nothing."""
        with self._lock:
            kept = [seen for seen in self._seen if self._is_same_view(seen.camera, camera)]
        return max(kept, key=lambda seen: seen.camera.width * seen.camera.height, default=None)

    def relight(
        self,
        seen: SeenView,
        light: Lighting | None,
        stride: int = 1,
        is_stale: Callable[[], bool] = lambda: False,
    ) -> Float[np.ndarray, "height width 3"] | None:
        """Return the picture (sRGB in [0, 1]) under a light; only the light's decoder runs.

        Args:
            seen: what to relight.
            light: in the capture's world; None: the capture's own.
            stride: of the pixels to take per row and column.
            is_stale: asked now and then; once it says so, there is no picture.
        """
        simplest = light if light is None or not _is_canonical(light) else light.directions[0]
        bands, start, terms = [], time.perf_counter(), self._terms(seen, light, stride)
        for buffer in seen.every(stride):
            if is_stale():
                return None
            bands.append(self._renderer.relight(buffer, simplest))
        if terms:
            self._seconds_per_term = (time.perf_counter() - start) / terms
        return np.concatenate(bands)

    def stride(self, seen: SeenView, light: Lighting | None) -> int:
        """Return a stride with which relighting is quick enough to follow a hand, by how long the last picture took."""
        for stride in (1, 2, 4):
            if self._terms(seen, light, stride) * self._seconds_per_term < self._settings.slowest_seconds:
                return stride
        return 8

    def _terms(self, seen: SeenView, light: Lighting | None, stride: int) -> int:
        """Count pixels times lights that the decoder has to do."""
        if light is None:
            return 0
        lights = len(light.directions)
        if not np.allclose(light.ambient, light.colors.sum(axis=0)):
            lights += 0 if "ambient" in seen.every(stride)[-1].kept else self._settings.ambient_lights
        return lights * sum(len(buffer.logits) for buffer in seen.every(stride))

    def _is_same_view(self, first: Camera, second: Camera) -> bool:
        aspects = first.width / first.height * second.height / second.width
        fields = first.intrinsics[1] / first.height * second.height / second.intrinsics[1]
        return (
            abs(aspects - 1.0) < self._settings.aspect_tolerance
            and abs(fields - 1.0) < self._settings.field_tolerance
            and np.array_equal(first.camera_to_world, second.camera_to_world)
        )


def _is_canonical(light: Lighting) -> bool:
    factors = np.concatenate([light.colors, light.ambient[None]])
    return len(light.directions) == 1 and not len(light.positions) and bool((factors == 1.0).all())


def _same_size(first: Camera, second: Camera) -> bool:
    return (first.width, first.height) == (second.width, second.height)


def _bands(buffer: FeatureBuffer, stride: int, pixels: int) -> list[FeatureBuffer]:
    height, width = buffer.camera.height, buffer.camera.width
    grids = {
        name: value.unflatten(0, (height, width))[::stride, ::stride]
        for name, value in vars(buffer).items()
        if isinstance(value, Tensor)
    }
    rows, columns = grids["logits"].shape[:2]
    step, bands = pixels // columns + 1, []
    for top in range(0, rows, step):
        camera = buffer.camera.resampled(columns, min(step, rows - top))
        parts = {name: grid[top : top + step].flatten(0, 1) for name, grid in grids.items()}
        bands.append(replace(buffer, camera=camera, kept={}, **parts))
    return bands
