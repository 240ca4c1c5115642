"""The light of a training photo: a random mixture of a scene's lights, and what a camera makes of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from relightnerf.imaging.color import LUMINANCE, to_float, to_uint8


@dataclass(frozen=True)
class MixtureSettings:
    """Which lights photos are taken in. Probabilities are in [0, 1]; strengths are factors on canonical lights.

    They are meant to be as wide as what people photograph in: a network is of no use in light that it has never seen,
    and learns each kind worse the more kinds there are.
    """

    no_disc: float = 0.2
    """How often no disc shines, only ambient light and an environment: overcast days, lit rooms."""
    up_to_one_disc: float = 0.75
    """Probability of no disc or one; one is what relighting is mostly about, as the sun and most lamps are alone."""
    several_discs: tuple[int, int] = (2, 4)
    """At least and less than so many discs, in the rest of the photos."""
    disc_strength: tuple[float, float] = (0.3, 1.0)
    """Of a disc; how bright the whole is, the exposure decides, so only proportions matter."""
    ambient_strengths: tuple[float, ...] = (0.0, 0.3, 1.0, 1.0)
    """Of the ambient part, one of these by lot, times the next: none now and then, as in rooms with one lamp."""
    ambient_spread: tuple[float, float] = (0.3, 2.0)
    """Factor on that."""
    environment: float = 0.4
    """How often an environment shines besides discs; without discs it always does."""
    least_environment: float = 0.1
    """Strength of the weakest environment; 1 is the strongest, and logarithms are drawn evenly between them, so that it
    is a faint addition as often as the main light."""
    lone: float = 0.2
    """How often, in training, discs have no other light beside them, over and above chance (15 %). Shadows are black
    then and what is in them must be guessed: photos that are harder than others, so they get a larger part."""
    tint: float = 0.2
    """Standard deviation of a light's log red and blue: lamps are yellow, the sky is blue."""
    tint_green: float = 0.4
    """Part of that for green, by which real lights differ less."""
    dimmest: float = 0.05
    """A mixture with less luminance, as a part of the canonical lights' mean, gets ambient light: where discs reach
    next to nothing, a photo would show nothing but the renderer's noise, amplified by the exposure."""
    mean_exposure: tuple[float, float] = (0.09, 0.3)
    """Mean luminance of the photo, linear; logarithms are drawn evenly. Cameras aim at 0.18; 0.09 and 0.3 are a stop
    below and three quarters of one above. Brighter photos would be white in places and tell no colour there."""


@dataclass(frozen=True)
class CameraSettings:
    """What is wrong with photos, in training; pixels are sRGB in [0, 1]."""

    noisy: float = 0.5
    """How often there is noise; the other half keeps what clean photos can teach."""
    most_noise: float = 0.03
    """Standard deviation of the strongest noise: 8 of 255, as of a telephone in a dim room."""
    compressed: float = 0.3
    """How often the photo was a JPEG file."""
    jpeg_quality: tuple[int, int] = (40, 95)
    """At least and less than; 40 has visible blocks, 95 nearly none."""


_MIXTURES, _CAMERA = MixtureSettings(), CameraSettings()


@dataclass(frozen=True)
class Mixture:
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


def random_mixture(
    means: Float[np.ndarray, "layers 3"],
    lights: int,
    rng: np.random.Generator,
    lone: float = 0.0,
    settings: MixtureSettings = _MIXTURES,
) -> Mixture:
    """Draw a photo's light.

    Args:
        means: mean colour of each layer over the picture: discs, the ambient part, environments.
        lights: how many of them are discs.
        rng: draws it.
        lone: how often discs have no other light beside them, over and above chance.
        settings: what may be drawn.
    """
    weights = _random_weights(means, lights, rng, lone, settings)
    canonical = means[:lights].mean(axis=0) + means[lights]
    if (weights * means).sum(axis=0) @ LUMINANCE < settings.dimmest * (canonical @ LUMINANCE):
        weights[lights] = 1.0
    mean = (weights * means).sum(axis=0)
    exposure = np.exp(rng.uniform(*np.log(settings.mean_exposure))) / max(float(mean @ LUMINANCE), 1e-6)
    # The targets get one gain a channel for all lights: the one that gives their common mean the photo's mean and white
    # balance. A photo does not tell how bright its scene would be under a canonical light.
    gain = exposure * mean / np.maximum(canonical, 1e-6)
    strongest = int(np.argmax((weights * means)[:lights] @ LUMINANCE))
    return Mixture((exposure * weights).astype(np.float32), gain.astype(np.float32), strongest)


def _random_weights(
    means: Float[np.ndarray, "layers 3"], lights: int, rng: np.random.Generator, lone: float, settings: MixtureSettings
) -> Float[np.ndarray, "layers 3"]:
    """Draw the layers' strengths and colours, before exposure."""
    weights = np.zeros_like(means)
    environments = len(means) - lights - 1
    kind = rng.random()
    if kind < settings.no_disc and environments:
        count = 0
    else:
        count = 1 if kind < settings.up_to_one_disc else int(rng.integers(*settings.several_discs))
    for index in rng.choice(lights, min(count, lights), replace=False):
        weights[index] = rng.uniform(*settings.disc_strength) * _tint(rng, settings)
    ambient = rng.choice(settings.ambient_strengths) * rng.uniform(*settings.ambient_spread)
    weights[lights] = ambient * _tint(rng, settings)
    if environments and (count == 0 or rng.random() < settings.environment):
        strength = np.exp(rng.uniform(np.log(settings.least_environment), 0.0))
        weights[lights + 1 + rng.integers(environments)] = strength * _tint(rng, settings)
    if lone and count and rng.random() < lone:
        weights[lights:] = 0.0
    return weights


def _tint(rng: np.random.Generator, settings: MixtureSettings) -> Float[np.ndarray, "3"]:
    colour = np.exp(rng.normal(0.0, settings.tint, 3) * [1.0, settings.tint_green, 1.0])
    return colour / colour.mean()


def camera_faults(
    image: Float[np.ndarray, "height width 3"], rng: np.random.Generator, settings: CameraSettings = _CAMERA
) -> Float[np.ndarray, "height width 3"]:
    """Return a photo (sRGB in [0, 1]) with sensor noise, and with blocks of a JPEG file, each now and then."""
    if rng.random() < settings.noisy:
        image = image + rng.uniform(0.0, settings.most_noise) * rng.standard_normal(image.shape)
    image = np.clip(image, 0.0, 1.0)
    if rng.random() < settings.compressed:
        options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*settings.jpeg_quality))]
        image = to_float(cv2.imdecode(cv2.imencode(".jpg", to_uint8(image), options)[1], cv2.IMREAD_COLOR))
    return image
