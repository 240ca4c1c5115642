"""What training samples say of the photo's light: the best that ray-cast shading can say, with errors thrown in.

A relighter is told an estimate of the light that a photo was taken in. Were it always right in training, the network
would rely on it; so it gets errors, sized until it was as wrong as estimates from single photos are (median difference
of log ratios 0.20 and 0.21 with true geometry, 0.34 and 0.30 with a field's).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from relightnerf.lights import AMBIENT_RADIANCE, SHADINGS


@dataclass(frozen=True)
class EstimateErrors:
    """How wrong estimates are. Larger errors teach the network to look at the photo instead, smaller ones to trust."""

    absent: float = 0.03
    """How often nothing is said of the light: rare, but a network that never saw it would fail there."""
    wrong_light: float = 0.18
    """How often another disc of the scene is taken for the photo's: estimates from single photos take a wrong light
    altogether now and then, most of all in photos without a disc."""
    spurious: float = 0.3
    """A wrong disc's strength, over the ambient light's, is at least drawn from [0, this]. The best fit of a disc that
    does not shine is 0, and would give away that it is wrong."""
    spurious_ambient: float = 3.0
    """Factor from the mean of the six ambient lobes to the ambient light: opposite lobes add up to 1 at every normal
    (``lights.ambient_terms``), so six equal amounts give three times as much."""
    direction: float = 0.05
    """Standard deviation of the size of what is added to each component of the unit direction: across it, that is
    0.05 sqrt(2) radians or 4 degrees in the root of the mean square."""
    amount: float = 0.3
    """Standard deviation of the errors' size in the log of the terms' amounts: a factor of 1.35. How much of the light
    is disc and how much ambient is what estimates find hardest."""
    tint: float = 0.05
    """The same for each channel by itself: colours of light are off by 5 %, as albedo takes the rest."""


@dataclass(frozen=True)
class AmountSettings:
    """How the true amounts of the shading's terms are found."""

    pixels: int = 400
    """Pixels that are fitted to, evenly spread. Time grows with them, in every sample; eight amounts need no more."""
    least_albedo: float = 0.03
    """Least channel of a pixel's albedo, which the picture is divided by: 8-bit albedo is too coarse below."""
    damping: float = 0.1
    """Part of the mean shading that is added to a pixel's before errors are taken relative to it: with less, the
    darkest pixels decide, whose light is all bounces; with more, the brightest."""
    even: float = 0.05
    """Weight of the prior that the six ambient lobes are equal, against the root of the number of pixels. Lobes that
    no surface faces are told by nothing else; a larger one evens out true differences between sky and ground."""
    reweightings: int = 3
    """Solutions in all, the first without knowledge of outliers. Each is a non-negative least squares a channel."""
    outlier: float = 0.3
    """Relative error at which a pixel's weight has fallen to a quarter: highlights are no part of the terms, nor are
    differences between bounces. Half of it would leave out pixels whose albedo is a little off."""


_ERRORS, _AMOUNTS = EstimateErrors(), AmountSettings()


@dataclass(frozen=True)
class Estimate:
    """What is said of a photo's light: the index of its disc, the disc's direction, and the amounts of its terms."""

    light: int
    direction: Float[np.ndarray, "3"]
    amounts: Float[np.ndarray, "8 3"]


def with_errors(
    estimate: Estimate, is_wrong_light: bool, rng: np.random.Generator, settings: EstimateErrors = _ERRORS
) -> Estimate:
    """Return an estimate that is off.

    Args:
        estimate: the best one with its disc.
        is_wrong_light: the disc is another than the photo's.
        rng: draws the errors.
        settings: how large they are.
    """
    amounts = estimate.amounts.copy()
    if is_wrong_light:
        ambient = settings.spurious_ambient * amounts[1:7].mean(axis=0) / AMBIENT_RADIANCE
        amounts[0] = np.maximum(amounts[0], rng.uniform(0.0, settings.spurious) * ambient)
    # a normal error whose deviation is drawn, too, has long tails: most estimates are good and a few are far off
    errors = settings.amount * abs(rng.normal()) * rng.normal(size=(SHADINGS, 1))
    amounts *= np.exp(errors + settings.tint * rng.normal(size=(SHADINGS, 3)))
    direction = estimate.direction + np.abs(rng.normal(0.0, settings.direction)) * rng.normal(size=3)
    return Estimate(estimate.light, direction / np.linalg.norm(direction), amounts)


def fitted_amounts(
    terms: Float[np.ndarray, "pixels 8"], lit: Float[np.ndarray, "pixels 3"], settings: AmountSettings = _AMOUNTS
) -> Float[np.ndarray, "8 3"]:
    """Return the amounts, not negative, that explain a shading best: least squares, reweighted (Geman, McClure).

    Args:
        terms: ``lights.shading_terms`` of the pixels.
        lit: their shading: linear photo over albedo.
        settings: numbers of the fit.
    """
    scale = max(float(lit.mean()), 1e-6) if len(lit) else 1.0
    # Rows of the prior: each lobe's amount less the mean of the six should be 0. Divided by the scale, as errors are.
    differences = np.eye(SHADINGS)[1:7] - np.pad(np.full((6, 6), 1 / 6), ((0, 0), (1, 1)))
    prior = settings.even / scale * np.sqrt(len(lit)) * differences
    amounts = np.zeros((SHADINGS, 3))
    for channel in range(3):
        wanted = lit[:, channel]
        # Albedo and exposure are factors, so errors are taken relative to the shading. Geman and McClure's loss of
        # relative errors r / c, (r / c)^2 / (1 + (r / c)^2), has the slope 2 r / c^2 / (1 + (r / c)^2)^2: least squares
        # with the weight 1 / (1 + (r / c)^2)^2, and rows are multiplied by its root.
        relative = weight = 1.0 / (wanted + settings.damping * scale)
        for _ in range(settings.reweightings):
            rows = np.concatenate([terms * weight[:, None], prior])
            amounts[:, channel] = nnls(rows, np.concatenate([wanted * weight, np.zeros(6)]))[0]
            residual = (terms @ amounts[:, channel] - wanted) * relative
            weight = relative / (1.0 + (residual / settings.outlier) ** 2)
    return amounts
