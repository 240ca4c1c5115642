"""Scores of a picture against the truth: as it is, with fitted exposure, and with matched colours.

Before the comparison, a prediction can be adjusted to the truth in three ways, always in sRGB in [0, 1]:

- ``raw``: as it is.
- ``scaled``: every channel times the factor that is best in linear light, sum(p t) / sum(p p) over the counted pixels,
  since a light's strength and tint cannot be known from photos (as for single-image relighting in general).
- ``lab``: mean and standard deviation of each LAB channel moved to the truth's (Reinhard et al. 2001).
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear
from relightnerf.imaging.lab_transfer import match_images

WAYS = ("raw", "scaled", "lab")
"""Ways to bring a prediction to the truth."""

_SSIM_SIGMA = 1.5
"""Standard deviation of the window in pixels, as Wang et al. define the measure: 11x11 pixels count."""
_LEAST_ERROR = 1e-10
"""Mean square below which pictures count as equal: 100 dB. It keeps means over pictures finite."""

Image = Float[np.ndarray, "height width 3"]
Mask = Bool[np.ndarray, "height width"]
Distance = Callable[[Image, Image], float]


def compare(
    prediction: Image, truth: Image, mask: Mask | None = None, lpips: Distance | None = None
) -> dict[str, float]:
    """Return every measure as ``<measure>_<way>``, e.g. ``psnr_scaled``.

    Args:
        prediction: sRGB in [0, 1].
        truth: sRGB in [0, 1].
        mask: True where pixels count; None: everywhere. LPIPS always takes the whole picture.
        lpips: distance of two sRGB pictures, where its weights are at hand.
    """
    ways: Mapping[str, Image] = {
        "raw": np.clip(prediction, 0.0, 1.0),
        "scaled": scaled(prediction, truth, mask),
        "lab": match_images(prediction[None], truth, "image", mask)[0],
    }
    scores = {}
    for way, image in ways.items():
        scores[f"psnr_{way}"] = psnr(image, truth, mask)
        scores[f"ssim_{way}"] = ssim(image, truth, mask)
        if lpips is not None:
            scores[f"lpips_{way}"] = lpips(image, truth)
    return scores


def psnr(prediction: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the peak signal-to-noise ratio in dB for a peak of 1; 100 for equal pictures."""
    squares = np.square(prediction.astype(np.float64) - truth)
    error = squares.mean() if mask is None else squares[mask].mean()
    return float(-10.0 * np.log10(max(error, _LEAST_ERROR)))


def ssim(prediction: Image, truth: Image, mask: Mask | None = None) -> float:
    """Return the mean structural similarity (Wang et al. 2004), with a Gaussian window of sigma 1.5."""
    from skimage.metrics import structural_similarity

    _, values = structural_similarity(
        prediction.astype(np.float64),
        truth.astype(np.float64),
        gaussian_weights=True,
        sigma=_SSIM_SIGMA,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1,
        full=True,
    )
    return float(values.mean() if mask is None else values[mask].mean())


def scaled(prediction: Image, truth: Image, mask: Mask | None = None) -> Image:
    """Return the prediction in sRGB with each channel times its best factor in linear light, clipped at white."""
    linear, target = srgb_to_linear(prediction.astype(np.float64)), srgb_to_linear(truth.astype(np.float64))
    counted = slice(None) if mask is None else mask
    p, t = (values[counted].reshape(-1, 3) for values in (linear, target))
    # minimum of sum (factor p - t)^2 for each channel
    factors = (p * t).sum(0) / np.maximum((p * p).sum(0), _LEAST_ERROR)
    return linear_to_srgb(linear * factors)


def mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each measure over pictures."""
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]}
