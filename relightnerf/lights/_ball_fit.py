"""The direction of a light, fitted to a photo of a gray ball."""

import math

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relightnerf.imaging.color import LUMINANCE

_GRID = 48
_EDGE = 0.96
_CLIPPED = 0.985
_STARTS = 9
_FIRST_SPREAD = 0.2
_FIRST_STEPS = 12
_ROUNDS = 3
_STEPS = 40
_LEAST_SPREAD = 0.05
_GRADIENT_PRIOR = 1.0
_FEWEST = 16


def fit_ball_direction(
    image_linear: Float[np.ndarray, "height width *channels"], mask: Bool[np.ndarray, "height width"] | None = None
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

    Returns:
        The unit vector towards the light in the camera frame (x right, y up, z towards the viewer).

    Raises:
        ValueError: too few pixels show the ball, or all are equal.
    """
    normal, value = _samples(_gray(image_linear), mask)
    coarse = [_minimized(_parameters(start, value), normal, value, _FIRST_SPREAD, _FIRST_STEPS) for start in _starts()]
    best = min(coarse, key=lambda parameters: float(_loss(parameters, normal, value, _FIRST_SPREAD)))
    for _ in range(_ROUNDS):
        residual = (_ball(best, normal) - value).abs()
        spread = max(3.0 * float(residual.median()), _LEAST_SPREAD)
        best = _minimized(best, normal, value, spread, _STEPS)
    return torch.nn.functional.normalize(best[:3], dim=0).numpy()


def _gray(image: np.ndarray) -> Float[np.ndarray, "height width"]:
    flat = np.asarray(image, np.float64)
    if flat.ndim == 2:
        return flat
    return flat @ LUMINANCE if flat.shape[-1] == 3 else flat.mean(-1)


def _samples(
    gray: Float[np.ndarray, "height width"], mask: Bool[np.ndarray, "height width"] | None
) -> tuple[Float[Tensor, "samples 3"], Float[Tensor, " samples"]]:
    """Return normals and values (the largest 1) of pixels on the ball, averaged over blocks of a large picture."""
    height, width = gray.shape
    if mask is None:
        centre, radius = (height / 2, width / 2), min(height, width) / 2
        mask = np.ones_like(gray, dtype=bool)
    else:
        rows, columns = np.nonzero(mask)
        centre = (rows.mean() + 0.5, columns.mean() + 0.5) if len(rows) else (0.0, 0.0)
        radius = max(math.sqrt(len(rows) / math.pi), 1e-6)
    block = max(1, int(2 * radius / _GRID))
    trimmed = (slice(0, height // block * block), slice(0, width // block * block))
    blocks = (height // block, block, width // block, block)
    value = gray[trimmed].reshape(blocks).mean((1, 3))
    whole = mask[trimmed].reshape(blocks).all((1, 3))
    down, across = np.meshgrid(*(block * (np.arange(n) + 0.5) for n in value.shape), indexing="ij")
    x, y = (across - centre[1]) / radius, (centre[0] - down) / radius
    used = whole & (x**2 + y**2 < _EDGE**2) & np.isfinite(value)
    used &= value < _CLIPPED * np.max(value[used], initial=0.0)
    if used.sum() < _FEWEST or np.ptp(value[used]) <= 0:
        raise ValueError(f"{int(used.sum())} pixels of a gray ball, or all of one value: no direction can be fitted")
    x, y, value = x[used], y[used], value[used] / value[used].max()
    normal = np.stack([x, y, np.sqrt(1.0 - x**2 - y**2)], axis=-1)
    return torch.from_numpy(normal), torch.from_numpy(value)


def _starts() -> Float[Tensor, "starts 3"]:
    """Return directions all over the half that faces the camera: one from behind it, rings of elevation 60 and 15."""
    ring = 2.0 * np.pi * np.arange(_STARTS - 1) / (_STARTS - 1)
    z = np.where(np.arange(_STARTS - 1) % 2, math.sin(math.radians(60)), math.sin(math.radians(15)))
    around = np.stack([np.sqrt(1 - z**2) * np.cos(ring), np.sqrt(1 - z**2) * np.sin(ring), z], axis=-1)
    return torch.from_numpy(np.concatenate([[[0.0, 0.0, 1.0]], around]))


def _parameters(start: Float[Tensor, "3"], value: Float[Tensor, " samples"]) -> Float[Tensor, "9"]:
    """Return direction, ambient, gradient, log strength and logit of the softness to start from."""
    return torch.cat([start, value.min()[None], torch.tensor([0.0, 0.0, 0.0, -0.3, -1.5], dtype=torch.float64)])


def _minimized(
    parameters: Float[Tensor, "9"],
    normal: Float[Tensor, "samples 3"],
    value: Float[Tensor, " samples"],
    spread: float,
    steps: int,
) -> Float[Tensor, "9"]:
    free = parameters.clone().requires_grad_()
    optimizer = torch.optim.LBFGS([free], max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _loss(free, normal, value, spread)
        loss.backward()
        return loss

    optimizer.step(closure)
    return free.detach()


def _loss(parameters: Tensor, normal: Tensor, value: Tensor, spread: float) -> Tensor:
    square = ((_ball(parameters, normal) - value) / spread) ** 2
    relative = parameters[4:7] / parameters[7].exp()
    return (square / (1.0 + square)).mean() + _GRADIENT_PRIOR * (relative**2).sum()


def _ball(parameters: Float[Tensor, "9"], normal: Float[Tensor, "samples 3"]) -> Float[Tensor, " samples"]:
    direction = torch.nn.functional.normalize(parameters[:3], dim=0)
    softness = torch.sigmoid(parameters[8])
    x = (normal @ direction / softness).clamp(-1 + 1e-9, 1 - 1e-9)
    root = (1.0 - x**2).sqrt()
    partly = 2.0 / math.pi * (x * (math.pi / 4 + (x * root + x.asin()) / 2) + root**3 / 3)
    cosine = torch.where(normal @ direction >= softness, normal @ direction, softness * partly)
    return parameters[3] + normal @ parameters[4:7] + parameters[7].exp() * cosine
