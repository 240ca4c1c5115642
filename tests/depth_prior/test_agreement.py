"""Depth is kept where views agree, and given up where they do not."""

from dataclasses import replace

import numpy as np
import pytest
from posed_ball import ball_normals, ball_views, images_of, waves

from relightnerf.depth_prior import ViewEstimate, agreed_depths, completed
from relightnerf.geometry.stereo import StereoView


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    return ball_views(waves)


def _estimate(view: StereoView, scale: float = 0.002) -> ViewEstimate:
    shape = view.depth.shape
    ones = np.ones(shape, np.float32)
    return ViewEstimate(view.camera, view.depth, ball_normals(view.camera), scale * ones, ones)


def test_true_depth_is_agreed_on(views: list[StereoView]) -> None:
    for view, depth in zip(views, agreed_depths([_estimate(v) for v in views], images_of(views), 0.01), strict=True):
        known = depth > 0
        assert known.mean() > 0.7
        assert np.quantile(np.abs(depth[known] / view.depth[known] - 1.0), 0.95) < 0.01


def test_a_lump_in_one_view_is_given_up(views: list[StereoView]) -> None:
    estimates = [_estimate(view) for view in views]
    lump = estimates[2].depth.copy()
    lump[40:56, 40:56] *= 0.85
    estimates[2] = replace(estimates[2], depth=lump)
    depth = agreed_depths(estimates, images_of(views), 0.01)[2][42:54, 42:54]
    true = views[2].depth[42:54, 42:54]
    assert (np.abs(depth / true - 1.0)[depth > 0] < 0.02).all()


def test_what_the_network_is_unsure_of_is_given_up(views: list[StereoView]) -> None:
    for depth in agreed_depths([_estimate(view, scale=0.2) for view in views], images_of(views), 0.01):
        assert not depth.any()


def test_the_sky_has_no_depth(views: list[StereoView]) -> None:
    estimates = [_estimate(view) for view in views]
    sky = np.ones_like(estimates[0].surface)
    sky[:20] = 0.1
    depths = agreed_depths([replace(e, surface=sky) for e in estimates], images_of(views), 0.01)
    assert not any(depth[:20].any() for depth in depths)
    assert all(depth[30:].any() for depth in depths)


def test_an_earlier_search_completes_a_finer_one_and_its_planes_stay_planes() -> None:
    def slanted(height: int, width: int) -> np.ndarray:
        row, column = np.mgrid[:height, :width] + 0.5
        return (1.0 / (0.2 + 0.5 * row / height + 0.1 * column / width)).astype(np.float32)

    earlier, finer = slanted(24, 32), slanted(36, 48)
    earlier[:, 20:] = 0.0
    own = np.zeros_like(finer)
    own[:6] = 7.0
    found = completed(own, earlier)
    np.testing.assert_array_equal(found[:6], 7.0)
    np.testing.assert_allclose(found[6:35, 1:28], finer[6:35, 1:28], rtol=1e-5)
    assert not found[6:, 30:].any()
