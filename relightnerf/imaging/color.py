"""sRGB and linear Rec. 709 values (IEC 61966-2-1)."""

import numpy as np
from jaxtyping import Float, UInt8

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Weights of linear Rec. 709 red, green and blue in the luminance Y (ITU-R BT.709)."""


def srgb_to_linear(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Decode sRGB values in [0, 1] to linear values in [0, 1]."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Encode linear values as sRGB; values outside [0, 1] are clipped first."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0031308) ** (1 / 2.4) - 0.055)


def to_uint8(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """Round values in [0, 1] to 8 bits; values outside are clipped."""
    return np.round(np.clip(values, 0.0, 1.0) * 255.0).astype(np.uint8)


def to_float(values: UInt8[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Scale 8-bit values to float32 in [0, 1]."""
    return values.astype(np.float32) / np.float32(255.0)
