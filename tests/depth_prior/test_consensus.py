"""A mean over views leaves right depth as it is, takes off what views differ by, and does not reach over edges."""

from dataclasses import replace

import numpy as np
import pytest
from posed_ball import ball_normals, ball_views, waves

from relightnerf.depth_prior import ViewEstimate, consensus


@pytest.fixture(scope="module")
def estimates() -> list[ViewEstimate]:
    views = ball_views(waves)
    ones = np.ones((96, 96), np.float32)
    return [ViewEstimate(v.camera, v.depth, ball_normals(v.camera), 0.01 * ones, ones) for v in views]


def test_right_depth_stays(estimates: list[ViewEstimate]) -> None:
    found = consensus(estimates[2], [estimates[i] for i in (0, 1, 3, 4)], 0.05)
    # Points fall beside the pixels' middles, where the depth is another by up to half a pixel's slope.
    assert np.quantile(np.abs(found / estimates[2].depth - 1.0), 0.95) < 0.006


def test_errors_of_single_views_are_averaged_out(estimates: list[ViewEstimate]) -> None:
    random = np.random.default_rng(0)
    noisy = [replace(e, depth=e.depth * np.exp(random.normal(0.0, 0.01))) for e in estimates]
    noisy[2] = replace(estimates[2], depth=1.02 * estimates[2].depth)
    found = consensus(noisy[2], [noisy[i] for i in (0, 1, 3, 4)], 0.1)
    assert np.median(np.abs(found / estimates[2].depth - 1.0)) < 0.012


def test_the_unsure_follow_the_sure(estimates: list[ViewEstimate]) -> None:
    wrong = replace(estimates[2], depth=1.03 * estimates[2].depth, scale=np.full((96, 96), 0.5))
    found = consensus(wrong, [estimates[i] for i in (0, 1, 3, 4)], 0.1)
    assert np.median(np.abs(found / estimates[2].depth - 1.0)) < 0.004


def test_what_lies_further_away_is_another_surface(estimates: list[ViewEstimate]) -> None:
    far = [replace(e, depth=1.5 * e.depth) for e in estimates]
    found = consensus(estimates[2], [far[1], far[3]], 0.1)
    np.testing.assert_allclose(found, estimates[2].depth, rtol=1e-5)
