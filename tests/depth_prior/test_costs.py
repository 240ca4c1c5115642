"""Matching costs are least where the surface is, whatever the exposure, and say nothing where nothing is textured."""

from dataclasses import replace

import numpy as np
import pytest
from posed_ball import ball_views, waves

from relightnerf.depth_prior import COST_STEPS, matching_costs, search_offsets
from relightnerf.geometry.stereo import StereoView


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    return ball_views(waves)


def test_offsets_are_even_and_symmetric() -> None:
    offsets = search_offsets(0.3)
    assert len(offsets) == COST_STEPS
    np.testing.assert_allclose(offsets, -offsets[::-1])
    np.testing.assert_allclose(np.diff(offsets), 0.6 / (COST_STEPS - 1))


def test_the_best_depth_is_the_true_one(views: list[StereoView]) -> None:
    own, shift = views[2], 0.04
    costs = matching_costs(own, [views[i] for i in (0, 1, 3, 4)], own.depth * np.exp(shift), 0.12)
    found = search_offsets(0.12)[costs.argmin(axis=0)]
    error = np.abs(found + shift)[8:-8, 8:-8]
    assert np.median(error) <= 0.12 / (COST_STEPS - 1) and (error < 0.02).mean() > 0.85


def test_exposure_does_not_matter(views: list[StereoView]) -> None:
    own, other = views[2], views[1]
    darker = replace(other, image=(0.5 * other.image + 20).astype(np.uint8))
    same, dark = (matching_costs(own, [side], own.depth, 0.1) for side in (other, darker))
    # What is left is the rounding to 8 bits.
    assert np.quantile(np.abs(same - dark), 0.9) < 0.02


def test_a_view_that_sees_elsewhere_fits_nowhere(views: list[StereoView]) -> None:
    own = views[2]
    away = views[1].camera.camera_to_world.copy()
    away[:3, :3] = away[:3, :3] @ np.diag([-1.0, 1.0, -1.0])
    turned = replace(views[1], camera=replace(views[1].camera, camera_to_world=away))
    np.testing.assert_allclose(matching_costs(own, [turned], own.depth, 0.1), 1.0)


def test_noise_on_plain_surfaces_does_not_correlate() -> None:
    random = np.random.default_rng(0)
    noisy = [
        replace(view, image=random.integers(127, 130, view.image.shape, dtype=np.uint8))
        for view in ball_views(lambda points: np.full(points.shape[:-1], 0.5))
    ]
    costs = matching_costs(noisy[2], [noisy[1]], noisy[2].depth, 0.1)
    assert abs(np.median(costs) - 1.0) < 0.05 and np.quantile(costs, 0.01) > 0.6
