"""Relighting by a light-conditioned diffusion model."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.devices import peak_memory_gib
from relightnerf.diffusion.conditions import (
    CAPTURE_PARTS,
    LIGHT_PARTS,
    capture_cue,
    condition_image,
    guide_images,
    light_cue,
    normalized_depth,
    part_names,
    part_slice,
    source_shading,
)
from relightnerf.diffusion.model import RelightingModel, model_files
from relightnerf.diffusion.normals import corrected_normals
from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.diffusion.sizes import resized
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import LUMINANCE
from relightnerf.lights import shading_terms
from relightnerf.relighters.names import relighter_name
from relightnerf.relighters.shading import ShadingRelighter

_CAPTURE_SHADING, _CAPTURE_WHITE = "shading of the capture", "painted white in the capture's light"
"""Names of values that are no parts of the condition image themselves; two parts are made of them."""
_PIXELS_PER_BATCH = {"cpu": 512 * 512, "cuda": 4 * 768 * 512}
"""Pixels of all lights that are denoised together, by device: four pictures at 768x512, the size of the small official
weights, on a GPU, and a sixth of that on a CPU. Larger batches cost memory; lights beyond a batch are done in turn."""
_Values = dict[str, Float[Tensor, "1 _ height width"]]
_Shared = tuple[ViewCues | None, _Values]
"""A view's cues, if the model wants any, and the values of the parts that do not depend on the light."""


class DiffusionRelighter:
    """A ``RelightingModel`` behind the interface of relighters; nothing about the scene is learned."""

    def __init__(self, model: str, device: str, options: DiffusionOptions) -> None:
        """Check the model's folder; the weights are read by ``fit``.

        Args:
            model: folder or hub id.
            device: cpu or cuda.
            options: how to compute.

        Raises:
            InputError: the folder is absent or holds something else.
        """
        self.name = relighter_name(model)
        self.inputs: Sequence[Path] = model_files(model)
        self._source, self._device, self._options = model, device, options
        self._hidden = frozenset(part_names(options.without))
        self._model: RelightingModel | None = None
        self._shading = ShadingRelighter()
        self._last: tuple[View, RayScene, _Shared] | None = None
        self._pictures, self._seconds = 0, 0.0

    @property
    def parameters(self) -> dict[str, Any]:
        """The options; where it computes is none of them, nor how many lights at once."""
        return self._options.parameters()

    @property
    def report(self) -> str | None:
        """Pictures per second and the most memory that was in use."""
        if not self._pictures:
            return None
        speed, peak = self._pictures / self._seconds, peak_memory_gib(self._device)
        return f"{speed:.3g} pictures/s, at most {peak:.2f} GiB on {self._device}"

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Read the weights, and estimate the capture's light if the model wants to know it."""
        model = RelightingModel.load(self._source, self._options.base, _dtype(self._options.precision, self._device))
        if self._options.tiling:
            model.codec.enable_tiling()
        self._model, self._last = model.to(self._device), None
        if CAPTURE_PARTS & (set(model.denoiser.condition_parts) - self._hidden):
            self._shading.fit(_Seen(views, self._seen), rays)
        if self._options.compile:
            model.denoiser.compile()

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the view under each canonical light: float32 sRGB in [0, 1]."""
        assert self._model is not None, "fit comes first"
        started = time.monotonic()
        parts = self._model.denoiser.condition_parts
        size = self._model.working_size(view.camera.height, view.camera.width, self._options.size)
        cues, shared = self._shared(view, rays, parts)
        batch = self._options.lights_per_batch or max(1, _PIXELS_PER_BATCH[self._device] // (size[0] * size[1]))
        chunks = [directions_world[i : i + batch] for i in range(0, len(directions_world), batch)]
        pictures = []
        for chunk in chunks:
            values = {**shared, **(_light_values(cues, chunk, shared["ambient_visibility"]) if cues else {})}
            directions_camera = chunk @ view.camera.camera_to_world[:3, :3]
            images = self._relit(self._model, values, size, directions_camera)
            pictures.append(images.movedim(1, -1).numpy())
        relit = np.concatenate(pictures)
        self._pictures += len(relit)
        self._seconds += time.monotonic() - started
        return relit

    def _shared(self, view: View, rays: RayScene, parts: tuple[str, ...]) -> _Shared:
        """Return what all lights of a view share; that of the last view is kept, as its lights may come in parts."""
        if self._last is None or self._last[0] is not view or self._last[1] is not rays:
            seen = self._seen(view)
            needs_cues = (LIGHT_PARTS | CAPTURE_PARTS | {"ambient_visibility", "source"}) & set(parts)
            cues = ViewCues(seen, rays) if needs_cues else None
            values = _shared_values(seen, cues)
            if cues and (light := self._shading.light):
                disc = cues.direct(light.direction_world[None])[0]
                terms = shading_terms(disc, seen.normal_world, cues.ambient)
                white, shading = terms @ light.amounts, terms @ light.without_bounces().amounts @ LUMINANCE
                values |= {
                    "disc": _tensor(disc[None, None]),
                    _CAPTURE_SHADING: _tensor(shading[None, None]),
                    _CAPTURE_WHITE: _tensor(np.moveaxis(white, -1, 0)[None]),
                }
            self._last = view, rays, (cues, values)
        return self._last[2]

    def _seen(self, view: View) -> View:
        """Return the view with normals as the model corrects them."""
        assert self._model is not None
        if self._model.normals is None:
            return view
        return replace(view, normal_camera=corrected_normals(self._model.normals, view))

    def _relit(
        self,
        model: RelightingModel,
        values: Mapping[str, Float[Tensor, "_ _ height width"]],
        size: tuple[int, int],
        directions_camera: Float[np.ndarray, "lights 3"],
    ) -> Float[Tensor, "lights 3 height width"]:
        values = {name: value.to(self._device) for name, value in values.items()}
        lights = len(directions_camera)
        parts = model.denoiser.condition_parts
        small = {part: resized(value, size) for part, value in values.items()}
        if "source" in parts:
            small["source"] = source_shading(small["rgb"], small["normal"], small["ambient_visibility"])
        if "shaded" in parts and _CAPTURE_WHITE in small:
            small["shaded"] = self._shaded(small)
        small = {"disc": torch.zeros_like(small["rgb"][:, :1]), "shaded": torch.zeros_like(small["rgb"]), **small}
        if "capture" in parts:
            known = small["normal"].any(dim=1, keepdim=True)
            shading = small.get(_CAPTURE_SHADING)
            small["capture"] = torch.zeros_like(small["rgb"][:, :1]) if shading is None else capture_cue(shading, known)
        small = {part: small[part].expand(lights, -1, -1, -1) for part in parts}
        condition = condition_image(parts, small)
        for part in set(parts) & self._hidden:
            condition[:, part_slice(parts, part)] = 0.0
        guides = guide_images({part: value for part, value in values.items() if part not in self._hidden})
        directions = torch.as_tensor(directions_camera, device=self._device)
        options = self._options
        image = model.relight(
            values["rgb"], condition, directions, guides, options.sampler, options.steps, options.seed, options.eta
        )
        return image.cpu()

    def _shaded(self, small: _Values) -> Float[Tensor, "lights 3 tall wide"]:
        """Return the part ``shaded`` of each light, by the other parts at the same size."""
        capture, discs, ambient, known = (
            value.cpu().numpy()
            for value in (
                small[_CAPTURE_WHITE][0].movedim(0, -1),
                (small["shading"] * small["shadow"])[:, 0],
                small["ambient_visibility"][0, 0],
                small["normal"][0].any(dim=0),
            )
        )
        ratios = [np.moveaxis(ratio, -1, 0) for ratio in self._shading.ratios(capture, discs, ambient, known)]
        return _tensor(np.stack(ratios)).log().to(self._device)


class _Seen(Sequence[View]):
    """Views as the model sees them, made each time one is asked for."""

    def __init__(self, views: Sequence[View], seen: Callable[[View], View]) -> None:
        self._views, self._make = views, seen

    def __len__(self) -> int:
        return len(self._views)

    @overload
    def __getitem__(self, index: int) -> View: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[View]: ...
    def __getitem__(self, index: int | slice) -> View | Sequence[View]:
        return _Seen(self._views[index], self._make) if isinstance(index, slice) else self._make(self._views[index])


def _shared_values(view: View, cues: ViewCues | None) -> _Values:
    """Return the values of the parts of a condition image that do not depend on the light, at the photo's size."""
    values = {
        "rgb": _tensor(np.moveaxis(view.image, -1, 0)[None]),
        "depth": normalized_depth(torch.from_numpy(view.depth))[None, None],
        "normal": _tensor(np.moveaxis(view.normal_camera, -1, 0)[None]),
    }
    return {**values, "ambient_visibility": _tensor(cues.ambient[None, None])} if cues else values


def _light_values(
    cues: ViewCues,
    directions_world: Float[np.ndarray, "lights 3"],
    ambient_visibility: Float[Tensor, "1 1 height width"],
) -> dict[str, Float[Tensor, "lights 1 height width"]]:
    """Return the values of the parts that differ from light to light."""
    shading = _tensor(cues.cosine(directions_world)[:, None])
    shadow = _tensor(cues.visibility(directions_world)[:, None])
    return {"shading": shading, "shadow": shadow, "cue": light_cue(shading, shadow, ambient_visibility)}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, np.float32))


def _dtype(precision: str, device: str) -> torch.dtype:
    if precision != "auto":
        return getattr(torch, precision)
    if device == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
