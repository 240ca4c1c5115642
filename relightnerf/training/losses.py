"""What losses of several networks share."""

from jaxtyping import Bool, Float
from torch import Tensor


def charbonnier(square: Float[Tensor, "*shape"], small: float) -> Float[Tensor, "*shape"]:
    """Return a distance from its square: nearly squared where it is small, itself where it is large.

    sqrt(d^2 + s^2) - s is about d^2 / (2 s) for d << s, and d - s for d >> s (Charbonnier et al. 1994).

    Args:
        square: of the distance.
        small: s, where the one turns into the other.
    """
    return (square + small**2).sqrt() - small


def angles_deg(
    found: Float[Tensor, "batch 3 height width"],
    truth: Float[Tensor, "batch 3 height width"],
    known: Bool[Tensor, "batch 1 height width"],
) -> Float[Tensor, " pixels"]:
    """Return the angles between unit vectors of the known pixels, degrees."""
    return (found * truth).sum(1, keepdim=True)[known].clamp(-1.0, 1.0).arccos().rad2deg()
