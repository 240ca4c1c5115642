"""The direction of a light, fitted to a photo of a gray ball."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relightnerf.imaging.color import LUMINANCE


@dataclass(frozen=True)
class BallFitSettings:
    """What tunes the fit; values are linear, the brightest one 1."""

    blocks: int = 48
    """Blocks across the ball that pixels are averaged over: some 1700 samples for 9 parameters. More take time and
    leave noise in."""
    edge: float = 0.96
    """Samples further from the middle are left out, in radii: there, normals turn by 16 degrees within 4 % of the
    radius, and pixels mix ball and background."""
    clipped: float = 0.985
    """Values from this part of the largest one are left out: they may be clipped. A ball that is not clipped loses a
    few samples about its brightest place, which say little of where that is."""
    starts: int = 9
    """Directions that the fit starts from: the loss has a minimum on either side where a highlight is an outlier. One
    from behind the camera and two rings of four lie about 45 degrees apart, all on the half that can light what is
    seen."""
    first_spread: float = 0.2
    """Spread of the robust loss for the first fits: wide, as from a wrong direction most residuals are large, and a
    narrow loss would take them all for outliers."""
    first_steps: int = 12
    """Steps of L-BFGS from each start, enough to tell which one is best."""
    rounds: int = 3
    """How often the spread is adapted to the residuals, and the fit goes on."""
    steps: int = 40
    """Largest number of steps in each round."""
    spread_medians: float = 3.0
    """The spread in medians of the absolute residuals (2 standard deviations of noise): highlights are further out."""
    least_spread: float = 0.05
    """Least spread: on a clean ball the median is next to 0, and every small fault of the model would be an outlier."""
    gradient_prior: float = 1.0
    """Weight of the square of the gradient over the light's strength, beside a loss of at most 1. Light from behind the
    camera and a gradient explain the same, so without it the direction is open; a true gradient of a tenth costs
    0.01."""
    fewest: int = 16
    """Samples below which there is no fit: about twice the parameters."""


_SETTINGS = BallFitSettings()


def fit_ball_direction(
    image_linear: Float[np.ndarray, "height width *channels"],
    mask: Bool[np.ndarray, "height width"] | None = None,
    settings: BallFitSettings = _SETTINGS,
) -> Float[np.ndarray, "3"]:
    """Fit the direction towards the light that a gray ball, e.g. a light probe, is photographed under.

    The model is a Lambertian ball (Lambert, "Photometria", 1760) seen without perspective: at the unit normal n,

        ambient + gradient . n + strength * s((n . l)),

    where l is the unit vector towards the light and s is max(0, cosine) with a terminator as soft as a disc's at
    infinity, of any radius: flashes that light a scene by a bounce off a wall, as those of the gray probes of Murmann
    et al. ("A Dataset of Multi-Illumination Images in the Wild", ICCV 2019), are wide. The gradient stands for
    surroundings that are brighter on one side, and is kept small where the light alone explains as much. All is fitted
    to the pixels by L-BFGS from several directions, with the loss of Geman and McClure, whose spread follows the
    residuals: highlights count little. The brightest pixels, which may be clipped, do not count.

    A gradient of the surroundings across a light that comes from behind the camera cannot be told from a turn of the
    light: the error is then about the ratio of the two, in radians.

    Args:
        image_linear: linear values of any exposure; channels are weighted as luminance, a single one is taken as it is.
        mask: true on the ball, whose disc it gives; without it the ball is the largest circle in the picture.
        settings: of the fit.

    Returns:
        The unit vector towards the light in the camera frame (x right, y up, z towards the viewer).

    Raises:
        ValueError: too few pixels show the ball, or all are equal.
    """
    normal, value = _samples(_gray(image_linear), mask, settings)
    wide, prior = settings.first_spread, settings.gradient_prior
    coarse = [
        _minimized(_parameters(start, value), normal, value, wide, prior, settings.first_steps)
        for start in _starts(settings.starts)
    ]
    # The outcomes of all starts are compared under the same wide spread.
    best = min(coarse, key=lambda parameters: float(_loss(parameters, normal, value, wide, prior)))
    # The spread is the scale of the inliers: 3 medians of |r| are 2 sigma for Gaussian noise (median |r| = 0.67 sigma).
    for _ in range(settings.rounds):
        residual = (_ball(best, normal) - value).abs()
        spread = max(settings.spread_medians * float(residual.median()), settings.least_spread)
        best = _minimized(best, normal, value, spread, prior, settings.steps)
    return torch.nn.functional.normalize(best[:3], dim=0).numpy()


def _gray(image: np.ndarray) -> Float[np.ndarray, "height width"]:
    flat = np.asarray(image, np.float64)
    if flat.ndim == 2:
        return flat
    return flat @ LUMINANCE if flat.shape[-1] == 3 else flat.mean(-1)


def _samples(
    gray: Float[np.ndarray, "height width"],
    mask: Bool[np.ndarray, "height width"] | None,
    settings: BallFitSettings,
) -> tuple[Float[Tensor, "samples 3"], Float[Tensor, " samples"]]:
    """Return normals and values (the largest 1) of pixels on the ball, averaged over blocks of a large picture."""
    height, width = gray.shape
    if mask is None:
        centre, radius = (height / 2, width / 2), min(height, width) / 2
        mask = np.ones_like(gray, dtype=bool)
    else:
        # Moments of a filled circle: its centre is the mean of its pixels' centres, its area pi r^2 their number.
        rows, columns = np.nonzero(mask)
        centre = (rows.mean() + 0.5, columns.mean() + 0.5) if len(rows) else (0.0, 0.0)
        radius = max(math.sqrt(len(rows) / math.pi), 1e-6)
    # Blocks are means of whole pixels; rows and columns that do not fill a block are cut off.
    block = max(1, int(2 * radius / settings.blocks))
    trimmed = (slice(0, height // block * block), slice(0, width // block * block))
    blocks = (height // block, block, width // block, block)
    value = gray[trimmed].reshape(blocks).mean((1, 3))
    whole = mask[trimmed].reshape(blocks).all((1, 3))
    # Pixel coordinates of the blocks' middles, the picture's corner at 0; then radii, with x right and y up.
    down, across = np.meshgrid(*(block * (np.arange(n) + 0.5) for n in value.shape), indexing="ij")
    x, y = (across - centre[1]) / radius, (centre[0] - down) / radius
    used = whole & (x**2 + y**2 < settings.edge**2) & np.isfinite(value)
    used &= value < settings.clipped * np.max(value[used], initial=0.0)
    if used.sum() < settings.fewest or np.ptp(value[used]) <= 0:
        raise ValueError(f"{int(used.sum())} pixels of a gray ball, or all of one value: no direction can be fitted")
    x, y, value = x[used], y[used], value[used] / value[used].max()
    # Seen without perspective, the normal of the unit ball at (x, y) is (x, y, sqrt(1 - x^2 - y^2)).
    normal = np.stack([x, y, np.sqrt(1.0 - x**2 - y**2)], axis=-1)
    return torch.from_numpy(normal), torch.from_numpy(value)


def _starts(count: int) -> Float[Tensor, "starts 3"]:
    """Return directions all over the half that faces the camera: one from behind it, rings of elevation 60 and 15."""
    # 45 degrees of azimuth apart, from one ring to the other and back. Even places have 15 degrees, odd ones 60.
    ring = 2.0 * np.pi * np.arange(count - 1) / (count - 1)
    z = np.where(np.arange(count - 1) % 2, math.sin(math.radians(60)), math.sin(math.radians(15)))
    around = np.stack([np.sqrt(1 - z**2) * np.cos(ring), np.sqrt(1 - z**2) * np.sin(ring), z], axis=-1)
    return torch.from_numpy(np.concatenate([[[0.0, 0.0, 1.0]], around]))


def _parameters(start: Float[Tensor, "3"], value: Float[Tensor, " samples"]) -> Float[Tensor, "9"]:
    """Return direction, ambient, gradient, log strength and logit of the softness to start from."""
    # Layout: 0-2 direction of any length, 3 ambient, 4-6 gradient, 7 log strength, 8 logit of the softness. Strength
    # exp(-0.3) = 0.74 and softness sigmoid(-1.5) = 0.18, about sin 10 degrees, the canonical disc's.
    return torch.cat([start, value.min()[None], torch.tensor([0.0, 0.0, 0.0, -0.3, -1.5], dtype=torch.float64)])


def _minimized(
    parameters: Float[Tensor, "9"],
    normal: Float[Tensor, "samples 3"],
    value: Float[Tensor, " samples"],
    spread: float,
    gradient_prior: float,
    steps: int,
) -> Float[Tensor, "9"]:
    free = parameters.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([free], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(free, normal, value, spread, gradient_prior)
        loss.backward()
        return loss

    # A single call runs all iterations: the problem is small, and all samples are used, so curvature is not noisy.
    optimizer.step(closure)
    return free.detach()


def _loss(parameters: Tensor, normal: Tensor, value: Tensor, spread: float, gradient_prior: float) -> Tensor:
    # Geman and McClure's loss, in [0, 1): an outlier costs 1 at most, and pulls less the further out it is.
    square = ((_ball(parameters, normal) - value) / spread) ** 2
    # Relative to the strength, so that the exposure does not change how much the prior counts.
    relative = parameters[4:7] / parameters[7].exp()
    return (square / (1.0 + square)).mean() + gradient_prior * (relative**2).sum()


def _ball(parameters: Float[Tensor, "9"], normal: Float[Tensor, "samples 3"]) -> Float[Tensor, " samples"]:
    """Return the model's values.

    s is the mean of max(0, cosine + softness t) over a disc whose points lie at t in [-1, 1] with the density
    2/pi sqrt(1 - t^2); with x = cosine / softness, clipped to [-1, 1], the integral from t = -x to 1 is

        softness 2/pi (x (pi/4 + (x sqrt(1 - x^2) + arcsin x) / 2) + (1 - x^2)^(3/2) / 3),

    which is the cosine itself at x = 1 and 0 at x = -1. Strength and softness are positive by their parametrisation.
    """
    direction = torch.nn.functional.normalize(parameters[:3], dim=0)
    softness = torch.sigmoid(parameters[8])
    # not quite to -1 and 1, where the root has no derivative
    x = (normal @ direction / softness).clamp(-1 + 1e-9, 1 - 1e-9)
    root = (1.0 - x**2).sqrt()
    partly = 2.0 / math.pi * (x * (math.pi / 4 + (x * root + x.asin()) / 2) + root**3 / 3)
    # Above the terminator all of the disc is over the horizon, and t has the mean 0: the cosine as it is.
    cosine = torch.where(normal @ direction >= softness, normal @ direction, softness * partly)
    return parameters[3] + normal @ parameters[4:7] + parameters[7].exp() * cosine
