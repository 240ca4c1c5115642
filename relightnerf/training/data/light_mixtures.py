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

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.optimize import nnls
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
from relightnerf.lights import (
    AMBIENT_RADIANCE,
    SHADINGS,
    TYPICAL_SHADING,
    canonical_shading,
    shading_ratio,
    shading_terms,
)
from relightnerf.training.data.light_folders import InexactPart, LightFolder
from relightnerf.training.data.light_pairs import (
    LightPairs,
    PairChoice,
    nearest_pixels,
    resized_normals,
    resized_picture,
)

_MEAN_EXPOSURE = (0.09, 0.3)
_DEGRADED, _INEXACT = 0.2, 0.3
_NOISY, _COMPRESSED, _BLACK_BEHIND = 0.5, 0.3, 0.5
_LONE = 0.2
_DIMMEST = 0.05
_UNKNOWN_WEIGHT = 0.1
_NO_ESTIMATE, _WRONG_LIGHT, _DIRECTION_ERROR = 0.03, 0.18, 0.05
_AMOUNT_ERROR, _TINT_ERROR, _SPURIOUS = 0.3, 0.05, 0.3
_FITTED, _LEAST_ALBEDO, _LEAST_SHADING, _EVEN = 400, 0.03, 0.1, 0.05
_REWEIGHTINGS, _SPREAD = 3, 0.3


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
    mixture = _random_mixture(_means(stack, mask), len(scene), rng)
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
        surface = self._surface(choice, light_of_photo, inexact=kind < _INEXACT)
        if _INEXACT <= kind < _INEXACT + _DEGRADED:
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
            "weight": torch.from_numpy(np.maximum(mask, _UNKNOWN_WEIGHT))[None],
        }

    def _mixture(self, choice: PairChoice, rng: np.random.Generator) -> "_Mixture":
        lights = len(self.scenes[choice.scene])
        return _random_mixture(self._light_means(choice.scene), lights, rng, _LONE if self.augment else 0.0)

    def _light_means(self, scene: int) -> np.ndarray:
        stack, whole = self._stored(scene, "layers", _stack), self._stored(scene, "mask", LightFolder.mask)
        return self._stored(scene, "means", lambda _: _means(stack, whole))

    def _estimate(self, choice: PairChoice, mixture: "_Mixture", rng: np.random.Generator) -> "_Estimate | None":
        """What is said of the photo's light; in training never quite right, and now and then quite wrong."""
        light, lights = mixture.strongest, len(self.scenes[choice.scene])
        if not self.augment:
            return _Estimate(
                light, self.scenes[choice.scene].lights.directions[light], self._amounts(choice, mixture, light)
            )
        if rng.random() < _NO_ESTIMATE:
            return None
        wrong = rng.random() < _WRONG_LIGHT
        light = int(rng.integers(lights)) if wrong else light
        amounts = self._amounts(choice, mixture, light)
        if wrong:
            ambient = 3.0 * amounts[1:7].mean(axis=0) / AMBIENT_RADIANCE
            amounts[0] = np.maximum(amounts[0], rng.uniform(0.0, _SPURIOUS) * ambient)
        errors = _AMOUNT_ERROR * abs(rng.normal()) * rng.normal(size=(SHADINGS, 1))
        amounts *= np.exp(errors + _TINT_ERROR * rng.normal(size=(SHADINGS, 3)))
        direction = self.scenes[choice.scene].lights.directions[light]
        direction = direction + np.abs(rng.normal(0.0, _DIRECTION_ERROR)) * rng.normal(size=3)
        return _Estimate(light, direction / np.linalg.norm(direction), amounts)

    def _amounts(self, choice: PairChoice, mixture: "_Mixture", light: int) -> Float[np.ndarray, "8 3"]:
        """Return what of each term of the shading, with this disc, explains best how the photo is lit."""
        scene = choice.scene
        stack = self._stored(scene, "layers", _stack)
        normal, ambient_visibility = self._normal(scene), self._ambient_visibility(scene)
        albedo = self._stored(scene, "albedo", lambda folder: folder.albedo().astype(np.float16))
        usable = np.flatnonzero(normal.any(axis=-1) & (albedo.min(axis=-1) > _LEAST_ALBEDO))
        some = np.unravel_index(usable[:: -(-max(len(usable), 1) // _FITTED)], ambient_visibility.shape)
        lit = np.einsum("lpc,lc->pc", stack[:, some[0], some[1]], mixture.weights) / albedo[some].astype(np.float32)
        cosine = np.maximum(normal[some].astype(np.float32) @ self.scenes[scene].lights.directions[light], 0.0)
        disc = cosine * to_float(self._visibility(scene, light)[some])
        return _fitted_amounts(
            shading_terms(disc, normal[some].astype(np.float32), to_float(ambient_visibility[some])), lit
        )

    def _capture(
        self, choice: PairChoice, surface: "Surface", light: Float[np.ndarray, "3"], estimate: "_Estimate | None"
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
        without_bounces = terms[..., :-1] @ estimate.amounts[:-1] @ LUMINANCE
        return {
            "capture": capture_cue(_plane(without_bounces), torch.from_numpy(known)[None]),
            "disc": _plane(disc),
            "shaded": _planes(np.log(shading_ratio(target, exposed, known))),
        }

    def _photos(
        self, choice: PairChoice, mixture: "_Mixture", rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Source and target (height, width, 3), sRGB in [0, 1], and the mask (height, width)."""
        lights = len(self.scenes[choice.scene])
        stack = self._stored(choice.scene, "layers", _stack)
        whole = self._stored(choice.scene, "mask", LightFolder.mask)
        photo, target = mixture.photo(stack), mixture.gain * (stack[choice.target] + stack[lights])
        behind = np.zeros(3) if rng.random() < _BLACK_BEHIND or not self.augment else rng.random(3) ** 2
        images = []
        for linear in (photo, target):
            filled = linear * whole[..., None] + behind * (1.0 - whole[..., None])
            images.append(linear_to_srgb(resized_picture(filled.astype(np.float32), choice, self.size)))
        mask = resized_picture(whole, choice, self.size)
        if self.augment:
            images[0] = _camera_faults(images[0], rng)
        return images[0].astype(np.float32), images[1].astype(np.float32), mask

    def _surface(self, choice: PairChoice, source: int, inexact: bool) -> "Surface":
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
        mixture = _random_mixture(self._light_means(scene), lights, np.random.default_rng([self.seed, scene, 3]))
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


@dataclass(frozen=True)
class Surface:
    """What a picture's pixels see.

    Attributes:
        depth: along the camera's -z, 0 where unknown.
        normal: unit, camera frame, 0 where unknown.
        visibility: part of the target light's disc that is seen, in [0, 1].
        ambient_visibility: ambient visibility in [0, 1].
        source_visibility: the same as ``visibility``, of the light that the photo is said to be taken under.
    """

    depth: Float[np.ndarray, "height width"]
    normal: Float[np.ndarray, "height width 3"]
    visibility: Float[np.ndarray, "height width"]
    ambient_visibility: Float[np.ndarray, "height width"]
    source_visibility: Float[np.ndarray, "height width"]


def degraded(surface: Surface, rng: np.random.Generator) -> Surface:
    """Return geometry as fitted fields give it: edges shifted, depth and normals bumpy, shadows blurred and stained."""
    shape, strength = surface.depth.shape, rng.random()
    across, down = (smooth_noise(shape, rng, (3, 9)) for _ in range(2))
    rows, columns = np.indices(shape, np.float32)
    reach = strength * rng.uniform(0.0, 2.0)
    maps = (columns + reach * across).astype(np.float32), (rows + reach * down).astype(np.float32)

    def bent(values: np.ndarray, mode: int = cv2.INTER_LINEAR) -> np.ndarray:
        return cv2.remap(values.astype(np.float32), *maps, mode, borderMode=cv2.BORDER_REPLICATE)

    depth = bent(surface.depth, cv2.INTER_NEAREST)
    depth = depth * (1.0 + 0.03 * strength * smooth_noise(shape, rng, (2, 12)))
    normal = bent(surface.normal)
    if rng.random() < 0.5:
        normal = cv2.GaussianBlur(normal, (0, 0), 0.1 + 2.0 * strength * rng.random())
    for cells in ((3, 8), (10, 30)):
        bumps = np.stack([smooth_noise(shape, rng, cells) for _ in range(3)], axis=-1)
        normal = normal + 0.3 * strength * rng.random() * bumps * (depth > 0)[..., None]
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    shadows = []
    for visibility in (surface.visibility, surface.source_visibility):
        visible = bent(visibility)
        if rng.random() < 0.5:
            visible = cv2.GaussianBlur(visible, (0, 0), 0.1 + 1.5 * strength * rng.random())
        stains = np.abs(smooth_noise(shape, rng, (4, 16))) > 3.2 - 1.4 * strength
        shadows.append(np.where(stains, rng.random(), visible))
    ambient_visibility = bent(surface.ambient_visibility) + 0.15 * strength * smooth_noise(shape, rng, (3, 10))
    holes = smooth_noise(shape, rng, (3, 8)) > 3.5 - 1.5 * strength * rng.random()
    known = (depth > 0) & ~holes
    return Surface(
        np.where(known, depth, 0.0).astype(np.float32),
        np.where(known[..., None] & np.any(surface.normal != 0, axis=-1, keepdims=True), normal, 0.0).astype(
            np.float32
        ),
        *(
            np.where(known, np.clip(grey, 0.0, 1.0), 0.0).astype(np.float32)
            for grey in (shadows[0], ambient_visibility, shadows[1])
        ),
    )


def _stack(scene: LightFolder) -> Float[np.ndarray, "layers height width 3"]:
    """Discs, the ambient part, environments; linear."""
    return np.stack([scene.layer(name) for name in _layer_names(scene)])


def _layer_names(scene: LightFolder) -> tuple[str, ...]:
    if scene.layers is None:
        raise InputError(f"{scene.folder}: its lights are not kept by themselves", "render layers, or remove it")
    return (*scene.lights.names, "ambient", *scene.layers)


def _means(stack: Float[np.ndarray, "layers height width 3"], mask: np.ndarray) -> Float[np.ndarray, "layers 3"]:
    return np.einsum("lhwc,hw->lc", stack, mask) / max(float(mask.sum()), 1.0)


@dataclass(frozen=True)
class _Mixture:
    """A photo's light.

    Attributes:
        weights: of the layers.
        gain: of the canonical pictures that fit it.
        strongest: index of the disc that counts most.
    """

    weights: Float[np.ndarray, "layers 3"]
    gain: Float[np.ndarray, "3"]
    strongest: int

    def photo(self, stack: Float[np.ndarray, "layers height width 3"]) -> Float[np.ndarray, "height width 3"]:
        """Return the linear photo, which may be brighter than 1."""
        used = np.flatnonzero(self.weights.any(axis=-1))
        return sum((stack[i] * self.weights[i] for i in used), np.zeros(stack.shape[1:], np.float32))


@dataclass(frozen=True)
class _Estimate:
    """What is said of a photo's light: the index of its disc, the disc's direction, and the amounts of its terms."""

    light: int
    direction: Float[np.ndarray, "3"]
    amounts: Float[np.ndarray, "8 3"]


def _fitted_amounts(
    terms: Float[np.ndarray, "pixels 8"], lit: Float[np.ndarray, "pixels 3"]
) -> Float[np.ndarray, "8 3"]:
    """Return the amounts, not negative, that explain a shading best: least squares, reweighted (Geman, McClure)."""
    scale = max(float(lit.mean()), 1e-6) if len(lit) else 1.0
    prior = (
        _EVEN / scale * np.sqrt(len(lit)) * (np.eye(SHADINGS)[1:7] - np.pad(np.full((6, 6), 1 / 6), ((0, 0), (1, 1))))
    )
    amounts = np.zeros((SHADINGS, 3))
    for channel in range(3):
        wanted = lit[:, channel]
        relative = weight = 1.0 / (wanted + _LEAST_SHADING * scale)
        for _ in range(_REWEIGHTINGS):
            rows = np.concatenate([terms * weight[:, None], prior])
            amounts[:, channel] = nnls(rows, np.concatenate([wanted * weight, np.zeros(6)]))[0]
            residual = (terms @ amounts[:, channel] - wanted) * relative
            weight = relative / (1.0 + (residual / _SPREAD) ** 2)
    return amounts


def _random_mixture(
    means: Float[np.ndarray, "layers 3"], lights: int, rng: np.random.Generator, lone: float = 0.0
) -> _Mixture:
    """Draw a photo's light; ``lone`` is how often discs have no other light beside them, over and above chance."""
    weights = np.zeros_like(means)
    environments = len(means) - lights - 1
    kind = rng.random()
    count = 0 if kind < 0.2 and environments else 1 if kind < 0.75 else int(rng.integers(2, 4))
    for index in rng.choice(lights, min(count, lights), replace=False):
        weights[index] = rng.uniform(0.3, 1.0) * _tint(rng)
    weights[lights] = rng.choice([0.0, 0.3, 1.0, 1.0]) * rng.uniform(0.3, 2.0) * _tint(rng)
    if environments and (count == 0 or rng.random() < 0.4):
        weights[lights + 1 + rng.integers(environments)] = np.exp(rng.uniform(np.log(0.1), 0.0)) * _tint(rng)
    if lone and count and rng.random() < lone:
        weights[lights:] = 0.0
    canonical = means[:lights].mean(axis=0) + means[lights]
    if (weights * means).sum(axis=0) @ LUMINANCE < _DIMMEST * (canonical @ LUMINANCE):
        weights[lights] = 1.0  # where discs reach next to nothing, a photo would show the renderer's noise
    mean = (weights * means).sum(axis=0)
    exposure = np.exp(rng.uniform(*np.log(_MEAN_EXPOSURE))) / max(float(mean @ LUMINANCE), 1e-6)
    gain = exposure * mean / np.maximum(canonical, 1e-6)
    strongest = int(np.argmax((weights * means)[:lights] @ LUMINANCE))
    return _Mixture((exposure * weights).astype(np.float32), gain.astype(np.float32), strongest)


def _tint(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    colour = np.exp(rng.normal(0.0, 0.2, 3) * [1.0, 0.4, 1.0])
    return colour / colour.mean()


def _camera_faults(image: Float[np.ndarray, "height width 3"], rng: np.random.Generator) -> np.ndarray:
    """Sensor noise, and blocks of a JPEG file; sRGB in [0, 1]."""
    if rng.random() < _NOISY:
        image = image + rng.uniform(0.0, 0.03) * rng.standard_normal(image.shape)
    image = np.clip(image, 0.0, 1.0)
    if rng.random() < _COMPRESSED:
        options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))]
        image = to_float(cv2.imdecode(cv2.imencode(".jpg", to_uint8(image), options)[1], cv2.IMREAD_COLOR))
    return image


def smooth_noise(
    shape: tuple[int, ...], rng: np.random.Generator, cells: tuple[int, int]
) -> Float[np.ndarray, "height width"]:
    """Smooth noise of about unit spread, with at least and less than so many cells to a side."""
    side = int(rng.integers(*cells))
    lattice = rng.standard_normal((side, side)).astype(np.float32)
    return 1.4 * cv2.resize(lattice, shape[::-1], interpolation=cv2.INTER_CUBIC)


def _plane(values: Float[np.ndarray, "height width"]) -> Float[Tensor, "1 height width"]:
    return torch.from_numpy(values.astype(np.float32))[None]


def _planes(image: Float[np.ndarray, "height width 3"]) -> Float[Tensor, "3 height width"]:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, -1, 0), np.float32))
