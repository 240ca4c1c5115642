"""sRGB and linear Rec. 709 values of tensors (IEC 61966-2-1); ``relightnerf.imaging.color`` has the same for arrays."""

from jaxtyping import Float
from torch import Tensor, where


def linear_from_srgb(srgb: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Decode sRGB values in [0, 1] to linear values in [0, 1]."""
    curve = ((srgb.clamp(min=0.04045) + 0.055) / 1.055).log().mul(2.4).exp()  # twice as fast as a power
    return where(srgb <= 0.04045, srgb / 12.92, curve)


def srgb_from_linear(linear: Float[Tensor, "*shape"], clip: bool = True) -> Float[Tensor, "*shape"]:
    """Encode linear values as sRGB; values below 0 and, if ``clip``, above 1 are clipped first."""
    linear = linear.clamp(0.0, 1.0) if clip else linear.clamp(min=0.0)
    return where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
