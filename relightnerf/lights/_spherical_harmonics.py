"""Real orthonormal spherical harmonics of degrees 0 to 3."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

SH_COEFFICIENTS = 16
"""Of degrees 0 to 3: (3 + 1)^2."""


def spherical_harmonics(directions: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 16"]:
    """Evaluate the real, orthonormal basis of degrees 0-3 on unit vectors.

    Order: degree l = 0..3, then m = -l..l. Signs: without the Condon-Shortley phase, so that the three values of
    degree 1 are positive multiples of y, z, x. nerfstudio uses the same signs; instant-ngp (and the weights of the
    reference relighter) negate the terms of odd m. Polynomial forms: Sloan, "Efficient Spherical Harmonic
    Evaluation" (JCGT 2013).

    Args:
        directions: unit vectors in any one frame.

    Returns:
        The basis values; over the sphere, the integral of the product of two of them is 1 for the same, else 0.
    """
    x, y, z = directions.unbind(-1)
    xx, yy, zz = x * x, y * y, z * z
    # Normalisation: the integral of Y^2 over the sphere is 1, e.g. that of y^2 is 4 pi / 3, so sqrt(3 / (4 pi)) y.
    root = [math.sqrt(n / math.pi) for n in (1, 3, 5, 7, 15, 35 / 2, 21 / 2, 105)]
    values = (
        torch.full_like(x, root[0] / 2),  # l = 0
        root[1] / 2 * y,  # l = 1: m = -1, 0, 1
        root[1] / 2 * z,
        root[1] / 2 * x,
        root[4] / 2 * x * y,  # l = 2: m = -2 to 2
        root[4] / 2 * y * z,
        root[2] / 4 * (3 * zz - 1),
        root[4] / 2 * x * z,
        root[4] / 4 * (xx - yy),
        root[5] / 4 * y * (3 * xx - yy),  # l = 3: m = -3 to 3
        root[7] / 2 * x * y * z,
        root[6] / 4 * y * (5 * zz - 1),
        root[3] / 4 * z * (5 * zz - 3),
        root[6] / 4 * x * (5 * zz - 1),
        root[7] / 4 * z * (xx - yy),
        root[5] / 4 * x * (xx - 3 * yy),
    )
    return torch.stack(values, dim=-1)


def instant_ngp_signs() -> Float[Tensor, " 16"]:
    """Return the factors between our basis and instant-ngp's (Mueller et al. 2022): -1 where the order m is odd."""
    return torch.tensor([(-1.0) ** abs(m) for degree in range(4) for m in range(-degree, degree + 1)])


def sh_rotation(rotation: Float[Tensor, "3 3"]) -> Float[Tensor, "16 16"]:
    """Return the matrix D with ``spherical_harmonics(rotation @ d) = D @ spherical_harmonics(d)`` for all unit d.

    Args:
        rotation: orthogonal; mirrors are allowed.
    """
    # Rotated harmonics of degree l are combinations of those of degree l, so D exists exactly. It is found from more
    # directions (64) than coefficients (16): after = D before for each, and before @ D^T = after for all as rows.
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(64, 3, generator=generator, dtype=torch.float64)
    directions /= directions.norm(dim=-1, keepdim=True)
    before = spherical_harmonics(directions)
    after = spherical_harmonics(directions @ rotation.double().T)  # d as a row: (R d)^T = d^T R^T.
    return torch.linalg.lstsq(before, after).solution.T.to(rotation.dtype)
