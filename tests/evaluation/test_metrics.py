import numpy as np
import pytest

from relightnerf.evaluation.metrics import WAYS, compare, mean_scores, psnr, scaled, ssim
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear


def _picture(seed: int = 0, low: float = 0.1, high: float = 0.6) -> np.ndarray:
    coarse = np.random.default_rng(seed).uniform(low, high, (6, 8, 3))
    return np.repeat(np.repeat(coarse, 8, axis=0), 8, axis=1)


def test_equal_pictures_score_full_marks_in_every_way() -> None:
    scores = compare(_picture(), _picture())
    assert set(scores) == {f"{m}_{w}" for m in ("psnr", "ssim") for w in WAYS}
    for way in WAYS:
        assert scores[f"psnr_{way}"] > 55
        assert scores[f"ssim_{way}"] == pytest.approx(1, abs=1e-3)


def test_psnr_of_a_known_error() -> None:
    # every value off by 0.1: -10 log10(0.01) = 20 dB
    assert psnr(_picture() + 0.1, _picture()) == pytest.approx(20.0)


def test_a_factor_per_channel_in_linear_light_is_undone() -> None:
    truth = _picture()
    tinted = linear_to_srgb(srgb_to_linear(truth) * [0.5, 0.8, 1.2])
    np.testing.assert_allclose(scaled(tinted, truth), truth, atol=1e-6)
    scores = compare(tinted, truth)
    assert scores["psnr_scaled"] > 60
    assert scores["psnr_raw"] < 25


def test_the_factor_is_the_best_one_in_linear_light() -> None:
    truth, prediction = _picture(1), _picture(2)
    fitted = srgb_to_linear(scaled(prediction, truth))
    for factor in (0.98, 1.02):
        assert (
            np.square(fitted - srgb_to_linear(truth)).sum() < np.square(factor * fitted - srgb_to_linear(truth)).sum()
        )


def test_only_pixels_of_the_mask_count() -> None:
    truth = _picture()
    spoilt, mask = truth.copy(), np.ones(truth.shape[:2], bool)
    spoilt[:24], mask[:32] = 0.9, False
    scores = compare(spoilt, truth, mask)
    assert min(scores[f"psnr_{way}"] for way in WAYS) > 55
    assert scores["ssim_raw"] == pytest.approx(1, abs=1e-6)
    assert compare(spoilt, truth)["psnr_raw"] < 20


def test_ssim_falls_when_structure_goes_and_keeps_a_constant_shift() -> None:
    truth = _picture()
    blurred = np.full_like(truth, truth.mean())
    assert ssim(blurred, truth) < 0.5 < ssim(truth + 0.02, truth)


def test_black_predictions_are_scored_too() -> None:
    assert all(np.isfinite(value) for value in compare(np.zeros((32, 32, 3)), _picture()[:32, :32]).values())


def test_lpips_is_reported_where_it_is_at_hand() -> None:
    scores = compare(_picture(), _picture(1), lpips=lambda a, b: float(np.abs(a - b).max()))
    assert {f"lpips_{way}" for way in WAYS} <= scores.keys()


def test_means_are_taken_per_measure() -> None:
    assert mean_scores([{"a": 1.0, "b": 4.0}, {"a": 3.0, "b": 0.0}]) == {"a": 2.0, "b": 2.0}
