"""A film-like curve from linear HDR values to linear values in [0, 1].

John Hable's curve ("Uncharted 2: HDR Lighting", GDC 2010; constants of his "Filmic Tonemapping Operators", 2010):
f(x) = (x (A x + C B) + D E) / (x (A x + B) + D F) - E / F, over f(W), W the value that becomes white.
"""

import math

import numpy as np
from numpy.typing import NDArray

A, B, C, D, E, F, W = 0.15, 0.50, 0.10, 0.20, 0.02, 0.30, 11.2
MEDIAN = 0.18
"""Linear value that a scene's median gets."""


def filmic(linear: NDArray[np.floating]) -> NDArray[np.floating]:
    """Values in [0, 1] of linear values; those from W on are 1."""
    return np.clip(_raw(np.clip(linear, 0.0, W)) / _raw(np.float64(W)), 0.0, 1.0)


def inverse_filmic(value: float) -> float:
    """The linear value that `filmic` maps to a value in [0, 1): the positive root of a quadratic."""
    target = value * float(_raw(np.float64(W))) + E / F
    square, line, constant = A * (1.0 - target), B * (C - target), D * (E - F * target)
    return (-line + math.sqrt(line * line - 4.0 * square * constant)) / (2.0 * square)


def exposure(luminance: NDArray[np.floating]) -> float:
    """The factor that brings the median of a scene's luminances to `MEDIAN` after the curve; 1 for a black scene."""
    median = float(np.median(luminance))
    return inverse_filmic(MEDIAN) / median if median > 0.0 else 1.0


def _raw(x: NDArray[np.floating]) -> NDArray[np.floating]:
    return (x * (A * x + C * B) + D * E) / (x * (A * x + B) + D * F) - E / F
