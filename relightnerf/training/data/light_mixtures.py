"""Training samples from scenes whose lights are kept by themselves: any light can be mixed, light adds linearly.

The photo is what a camera makes of a random mixture: one or more discs, ambient light and environments, each with a
colour and a strength of its own, at some exposure, now and then noisy and compressed. The target is the same scene
under one canonical light. A photo does not tell how bright that would be, so the target keeps the photo's white balance
and mean: each channel of *all* the scene's canonical pictures is scaled by the factor that makes their common mean the
photo's, so that one light's picture stays brighter than another's.

What a fitted field says about geometry is never quite right, so in training three in ten samples see what a
field would have fitted, where a scene has that (``LightFolder.inexact``), with its normals as they are or corrected by
the photo, and a fifth see geometry bent, bumpy, blurred and with holes. What is said of the photo's light is never
quite right, either: it is the best that the terms of ``lights.shading_terms`` can say of it, with errors of the size
that estimates from single photos have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relightnerf.diffusion.conditions import (
    CAPTURE_PARTS,
    capture_cue,
    condition_image,
    light_cue,
    normalized_depth,
    source_shading,
)
from relightnerf.diffusion.normals import NormalUNet, corrected_normals
from relightnerf.errors import InputError
from relightnerf.geometry.views import View
from relightnerf.imaging.color import LUMINANCE, linear_to_srgb, to_float, to_uint8
from relightnerf.lights import TYPICAL_SHADING, canonical_shading, shading_ratio, shading_terms
from relightnerf.training.data.light_estimates import (
    AmountSettings,
    Estimate,
    EstimateErrors,
    fitted_amounts,
    with_errors,
)
from relightnerf.training.data.light_folders import InexactPart, LightFolder
from relightnerf.training.data.light_pairs import (
    LightPairs,
    PairChoice,
    nearest_pixels,
    resized_normals,
    resized_picture,
)
from relightnerf.training.data.mixed_light import Mixture, MixtureSettings, camera_faults, random_mixture
from relightnerf.training.data.spoiled_geometry import Surface, degraded


@dataclass(frozen=True)
class SampleSettings:
    """What a training sample is made of. The first two leave half of the samples with true geometry."""

    inexact: float = 0.3
    """How often geometry is what a field would have fitted, where a scene has that. The shipped model sees such
    geometry on captures, and true geometry only in tests: less of it costs there, more costs where geometry is good."""
    degraded: float = 0.2
    """How often true geometry is spoiled (``spoiled_geometry``): errors of more kinds than the one stored fit has."""
    black_behind: float = 0.5
    """How often the photo is black where there is no surface, as rendered scenes are; else it has a random colour, so
    that the network does not take black for a sign of it."""
    unknown_weight: float = 0.1
    """Weight in the loss of pixels without a surface, next to 1: there is no truth there, but the network should not
    put anything wild beside outlines."""


_SAMPLES, _MIXTURES, _ERRORS, _AMOUNTS = SampleSettings(), MixtureSettings(), EstimateErrors(), AmountSettings()


@dataclass(frozen=True)
class MixedScene:
    """A scene as a relighter sees it, and what it should make of it.

    Attributes:
        source: the photo under a mixed light, sRGB in [0, 1].
        targets: the scene under each of its canonical lights, in the photo's white balance and mean, sRGB in [0, 1].
        mask: 1 where there is a surface, 0 elsewhere.
    """

    source: Float[np.ndarray, "height width 3"]
    targets: Float[np.ndarray, "lights height width 3"]
    mask: Float[np.ndarray, "height width"]


def mixed_scene(scene: LightFolder, rng: np.random.Generator) -> MixedScene:
    """Return a scene in a random mixture of its lights, without noise; black where nothing is.

    Args:
        scene: with ``layers``.
        rng: draws the mixture.

    Raises:
        InputError: the scene's lights are not kept by themselves, or a file cannot be read.
    """
    stack, mask = _stack(scene), scene.mask()
    mixture = random_mixture(_means(stack, mask), len(scene), rng)
    targets = [linear_to_srgb(mixture.gain * (disc + stack[len(scene)])) for disc in stack[: len(scene)]]
    photo = linear_to_srgb(mixture.photo(stack))
    return MixedScene(
        (photo * mask[..., None]).astype(np.float32), (np.stack(targets) * mask[..., None]).astype(np.float32), mask
    )


class LightMixtures(LightPairs):
    """``LightPairs`` of scenes with layers: a mixed light on the photo, degraded geometry, a canonical target.

    Args:
        root: folder with the scenes.
        parts: names from ``conditions.PARTS`` for the condition image of the target light.
        size: (width, height) of the samples, pixels.
        seed: together with the number, of everything random.
        length: what ``len`` says; numbers beyond it can be asked for too.
        augment: crop (50-100 % of the picture), flip, degrade photo and geometry.
        cache_bytes: how much decoded data each process keeps.
        normals: corrects the normals of inexact geometry; None: nothing does.

    Raises:
        InputError: there is no scene, or one lacks layers or what the parts need.
    """

    least_crop = 0.5
    """See ``LightPairs``; down to half: things in more sizes, with less of the surroundings that shadows come from."""

    def __init__(
        self,
        root: Path,
        parts: Sequence[str],
        size: tuple[int, int],
        seed: int = 0,
        length: int = 1000,
        augment: bool = True,
        cache_bytes: int = 6 << 30,
        normals: NormalUNet | None = None,
    ) -> None:
        super().__init__(root, parts, size, seed, length, augment=augment, cache_bytes=cache_bytes)
        self._normals = normals
        for scene in self.scenes:
            _layer_names(scene)

    def sample(self, choice: PairChoice) -> dict[str, Tensor]:
        """Return the sample (see ``LightPairs.__getitem__``) of a choice."""
        rng = np.random.default_rng([self.seed, choice.number, 1])
        mixture = self._mixture(choice, rng)
        source, target, mask = self._photos(choice, mixture, rng)
        light = self.scenes[choice.scene].lights.directions[choice.target].astype(np.float32)
        if choice.flipped:
            light = light * np.array([-1.0, 1.0, 1.0], np.float32)
        estimate = self._estimate(choice, mixture, rng) if CAPTURE_PARTS & set(self.parts) else None
        light_of_photo, kind = estimate.light if estimate else mixture.strongest, rng.random() if self.augment else 1.0
        surface = self._surface(choice, light_of_photo, inexact=kind < _SAMPLES.inexact)
        if _SAMPLES.inexact <= kind < _SAMPLES.inexact + _SAMPLES.degraded:
            surface = degraded(surface, rng)
        depth, normal = torch.from_numpy(surface.depth), torch.from_numpy(surface.normal)
        values = {
            "rgb": _planes(source),
            "depth": normalized_depth(depth)[None],
            "normal": normal.movedim(-1, 0).contiguous(),
            "shading": (normal @ torch.from_numpy(light)).clamp(min=0.0)[None],
            "shadow": torch.from_numpy(surface.visibility)[None],
            "ambient_visibility": torch.from_numpy(surface.ambient_visibility)[None],
        }
        values["cue"] = light_cue(values["shading"], values["shadow"], values["ambient_visibility"])
        values["source"] = source_shading(values["rgb"], values["normal"], values["ambient_visibility"])
        if CAPTURE_PARTS & set(self.parts):
            values |= self._capture(choice, surface, light, estimate)
        return {
            "source": values["rgb"],
            "target": _planes(target),
            "condition": condition_image(self.parts, values),
            "light": torch.from_numpy(light),
            "weight": torch.from_numpy(np.maximum(mask, _SAMPLES.unknown_weight))[None],
        }

    def _mixture(self, choice: PairChoice, rng: np.random.Generator) -> Mixture:
        lights = len(self.scenes[choice.scene])
        return random_mixture(self._light_means(choice.scene), lights, rng, _MIXTURES.lone if self.augment else 0.0)

    def _light_means(self, scene: int) -> np.ndarray:
        stack, whole = self._stored(scene, "layers", _stack), self._stored(scene, "mask", LightFolder.mask)
        return self._stored(scene, "means", lambda _: _means(stack, whole))

    def _estimate(self, choice: PairChoice, mixture: Mixture, rng: np.random.Generator) -> Estimate | None:
        """What is said of the photo's light; in training never quite right, and now and then quite wrong."""
        light, lights = mixture.strongest, len(self.scenes[choice.scene])
        if not self.augment:
            return self._best_estimate(choice, mixture, light)
        if rng.random() < _ERRORS.absent:
            return None
        is_wrong = rng.random() < _ERRORS.wrong_light
        light = int(rng.integers(lights)) if is_wrong else light
        return with_errors(self._best_estimate(choice, mixture, light), is_wrong, rng, _ERRORS)

    def _best_estimate(self, choice: PairChoice, mixture: Mixture, light: int) -> Estimate:
        direction = self.scenes[choice.scene].lights.directions[light]
        return Estimate(light, direction, self._amounts(choice, mixture, light))

    def _amounts(self, choice: PairChoice, mixture: Mixture, light: int) -> Float[np.ndarray, "8 3"]:
        """Return what of each term of the shading, with this disc, explains best how the photo is lit."""
        scene = choice.scene
        stack = self._stored(scene, "layers", _stack)
        normal, ambient_visibility = self._normal(scene), self._ambient_visibility(scene)
        albedo = self._stored(scene, "albedo", lambda folder: folder.albedo().astype(np.float16))
        usable = np.flatnonzero(normal.any(axis=-1) & (albedo.min(axis=-1) > _AMOUNTS.least_albedo))
        some = np.unravel_index(usable[:: -(-max(len(usable), 1) // _AMOUNTS.pixels)], ambient_visibility.shape)
        lit = np.einsum("lpc,lc->pc", stack[:, some[0], some[1]], mixture.weights) / albedo[some].astype(np.float32)
        cosine = np.maximum(normal[some].astype(np.float32) @ self.scenes[scene].lights.directions[light], 0.0)
        disc = cosine * to_float(self._visibility(scene, light)[some])
        terms = shading_terms(disc, normal[some].astype(np.float32), to_float(ambient_visibility[some]))
        return fitted_amounts(terms, lit, _AMOUNTS)

    def _capture(
        self, choice: PairChoice, surface: Surface, light: Float[np.ndarray, "3"], estimate: Estimate | None
    ) -> dict[str, Float[Tensor, "_ height width"]]:
        """What the estimate of the photo's light says; everything is 0 without one."""
        known = surface.depth > 0
        if estimate is None:
            nothing = torch.zeros((1, *known.shape))
            return {"capture": nothing, "disc": nothing, "shaded": nothing.expand(3, -1, -1)}
        direction = estimate.direction * [1 - 2 * choice.flipped, 1, 1]
        disc = np.maximum(surface.normal @ direction, 0.0) * surface.source_visibility
        terms = shading_terms(disc, surface.normal * [1 - 2 * choice.flipped, 1, 1], surface.ambient_visibility)
        shading = terms @ estimate.amounts
        mean = float((shading @ LUMINANCE)[known].mean()) if known.any() else 1.0
        exposed = TYPICAL_SHADING / max(mean, 1e-6) * shading
        target = canonical_shading(
            np.maximum(surface.normal @ light, 0.0) * surface.visibility, surface.ambient_visibility, known
        )
        # what surroundings throw back, the last term, ``capture_cue`` adds as one constant
        without_bounces = terms[..., :-1] @ estimate.amounts[:-1] @ LUMINANCE
        return {
            "capture": capture_cue(_plane(without_bounces), torch.from_numpy(known)[None]),
            "disc": _plane(disc),
            "shaded": _planes(np.log(shading_ratio(target, exposed, known))),
        }

    def _photos(
        self, choice: PairChoice, mixture: Mixture, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source and target (height, width, 3), sRGB in [0, 1], and the mask (height, width)."""
        lights = len(self.scenes[choice.scene])
        stack = self._stored(choice.scene, "layers", _stack)
        whole = self._stored(choice.scene, "mask", LightFolder.mask)
        photo, target = mixture.photo(stack), mixture.gain * (stack[choice.target] + stack[lights])
        behind = np.zeros(3) if rng.random() < _SAMPLES.black_behind or not self.augment else rng.random(3) ** 2
        images = []
        for linear in (photo, target):
            filled = linear * whole[..., None] + behind * (1.0 - whole[..., None])
            images.append(linear_to_srgb(resized_picture(filled.astype(np.float32), choice, self.size)))
        mask = resized_picture(whole, choice, self.size)
        if self.augment:
            images[0] = camera_faults(images[0], rng)
        return images[0].astype(np.float32), images[1].astype(np.float32), mask

    def _surface(self, choice: PairChoice, source: int, inexact: bool) -> Surface:
        scene, target = choice.scene, choice.target
        visibility: Mapping[int, np.ndarray] | np.ndarray
        if inexact and self.scenes[scene].has_inexact:
            depth, normal, ambient_visibility, visibility = (
                self._inexact(scene, part) for part in get_args(InexactPart)
            )
            if self._normals is not None:
                normal = self._stored(scene, "corrected normal", lambda _: self._corrected(scene))
        else:
            depth = self._depth(scene)
            normal, ambient_visibility = self._normal(scene), self._ambient_visibility(scene)
            visibility = {light: self._visibility(scene, light) for light in (target, source)}
        return Surface(
            np.ascontiguousarray(nearest_pixels(depth, choice, self.size)),
            resized_normals(normal, choice, self.size),
            to_float(resized_picture(visibility[target], choice, self.size)),
            to_float(resized_picture(ambient_visibility, choice, self.size)),
            to_float(resized_picture(visibility[source], choice, self.size)),
        )

    def _inexact(self, scene: int, part: InexactPart) -> np.ndarray:
        return self._stored(scene, f"inexact {part}", lambda folder: folder.inexact(part))

    def _corrected(self, scene: int) -> np.ndarray:
        """Correct the normals of inexact geometry, the same way for all samples of a scene: from one photo of it."""
        assert self._normals is not None
        lights = len(self.scenes[scene])
        mixture = random_mixture(self._light_means(scene), lights, np.random.default_rng([self.seed, scene, 3]))
        photo = linear_to_srgb(mixture.photo(self._stored(scene, "layers", _stack))).astype(np.float32)
        depth, normal = (self._inexact(scene, part).astype(np.float32) for part in ("depth", "normal"))
        view = View(self.scenes[scene].camera, photo, depth, normal)
        return corrected_normals(self._normals, view).astype(np.float16)

    def _depth(self, scene: int) -> np.ndarray:
        return self._stored(scene, "depth", LightFolder.depth)

    def _normal(self, scene: int) -> np.ndarray:
        return self._stored(scene, "normal", lambda folder: folder.normal().astype(np.float16))

    def _ambient_visibility(self, scene: int) -> UInt8[np.ndarray, "height width"]:
        return self._stored(scene, "ambient_visibility", lambda folder: to_uint8(folder.ambient_visibility()))

    def _visibility(self, scene: int, light: int) -> UInt8[np.ndarray, "height width"]:
        return self._stored(scene, f"visibility {light}", lambda folder: to_uint8(folder.visibility(light)))


def _stack(scene: LightFolder) -> Float[np.ndarray, "layers height width 3"]:
    """Discs, the ambient part, environments; linear."""
    return np.stack([scene.layer(name) for name in _layer_names(scene)])


def _layer_names(scene: LightFolder) -> tuple[str, ...]:
    if scene.layers is None:
        raise InputError(f"{scene.folder}: its lights are not kept by themselves", "render layers, or remove it")
    return (*scene.lights.names, "ambient", *scene.layers)


def _means(stack: Float[np.ndarray, "layers height width 3"], mask: np.ndarray) -> Float[np.ndarray, "layers 3"]:
    return np.einsum("lhwc,hw->lc", stack, mask) / max(float(mask.sum()), 1.0)


def _plane(values: Float[np.ndarray, "height width"]) -> Float[Tensor, "1 height width"]:
    return torch.from_numpy(values.astype(np.float32))[None]


def _planes(image: Float[np.ndarray, "height width 3"]) -> Float[Tensor, "3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32))
