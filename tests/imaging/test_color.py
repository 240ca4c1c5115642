import numpy as np
import pytest

from relightnerf.imaging.color import LUMINANCE, linear_to_srgb, srgb_to_linear, to_float, to_uint8

CODES = np.arange(256, dtype=np.uint8)


def test_every_8_bit_value_survives_linear_light() -> None:
    np.testing.assert_array_equal(to_uint8(linear_to_srgb(srgb_to_linear(to_float(CODES)))), CODES)


@pytest.mark.parametrize(
    ("srgb", "linear"), [(0.0, 0.0), (1.0, 1.0), (0.5, 0.21404), (0.04045, 0.0031308), (0.2, 0.033105)]
)
def test_values_of_the_standard(srgb: float, linear: float) -> None:
    # IEC 61966-2-1: ((0.5 + 0.055) / 1.055)^2.4 = 0.21404; 0.04045 / 12.92 = 0.0031308
    np.testing.assert_allclose(srgb_to_linear(np.array(srgb)), linear, rtol=1e-4)
    np.testing.assert_allclose(linear_to_srgb(np.array(linear)), srgb, rtol=1e-4)


def test_both_curves_rise_without_a_jump() -> None:
    values = np.linspace(0, 1, 100_001)
    for curve in (srgb_to_linear, linear_to_srgb):
        steps = np.diff(curve(values))
        assert (steps > 0).all()
        assert steps.max() < 2e-4


def test_encoding_clips_what_cannot_be_shown() -> None:
    np.testing.assert_allclose(linear_to_srgb(np.array([-1.0, 2.0])), [0.0, 1.0], atol=1e-12)
    np.testing.assert_array_equal(to_uint8(np.array([-0.2, 1.3, 0.5])), [0, 255, 128])


def test_float32_stays_float32() -> None:
    values = np.linspace(0, 1, 7, dtype=np.float32)
    assert to_float(CODES).dtype == srgb_to_linear(values).dtype == linear_to_srgb(values).dtype == np.float32


def test_white_has_luminance_one() -> None:
    assert LUMINANCE.sum() == pytest.approx(1.0)
