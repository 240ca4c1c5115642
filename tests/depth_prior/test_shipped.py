"""The network that comes with the package: it finds depth that was bent, with texture and without."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from posed_ball import angle_deg, ball_depth, ball_normals, ball_views, images_of, plain, waves

from relightnerf.cameras import Cameras
from relightnerf.depth_prior import DepthUNet, Search, ViewEstimate, agreed_depths, estimate_capture, shipped_network
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.stereo import StereoView

SIZE = (128, 96)
UP = np.array([0.0, 0.0, 1.0])
PASSES = (Search(0.1, 128 * 96), Search(0.04, 128 * 96))


@pytest.fixture(scope="module")
def network() -> DepthUNet:
    return shipped_network("cpu")


def _bent(depth: np.ndarray, seed: int) -> np.ndarray:
    """Depth with smooth bumps of 2 % (standard deviation)."""
    bumps = cv2.resize(
        np.random.default_rng(seed).normal(size=(7, 7)), depth.shape[::-1], interpolation=cv2.INTER_CUBIC
    )
    return (depth * np.exp(0.02 * bumps / bumps.std())).astype(np.float32)


def _found(network: DepthUNet, texture: Callable[[np.ndarray], np.ndarray]) -> list[ViewEstimate]:
    views = ball_views(texture, *SIZE)
    bent = [_bent(view.depth, number) for number, view in enumerate(views)]
    return estimate_capture(network, Cameras.stack([v.camera for v in views]), images_of(views), bent, PASSES, UP)


def _errors(estimate: ViewEstimate, seed: int) -> tuple[float, float]:
    """Median error of depth before and after."""
    true = ball_depth(estimate.camera)
    return tuple(float(np.median(np.abs(d / true - 1.0))) for d in (_bent(true, seed), estimate.depth))


def test_with_texture_bent_depth_comes_back(network: DepthUNet) -> None:
    for number, estimate in enumerate(_found(network, waves)):
        before, after = _errors(estimate, number)
        assert before > 0.01 and after < 0.3 * before


def test_without_texture_shape_comes_back(network: DepthUNet) -> None:
    for number, estimate in enumerate(_found(network, plain)):
        before, after = _errors(estimate, number)
        # Nothing tells how far the plain ground is, but that it is flat.
        assert after < 1.3 * before
        true = ball_normals(estimate.camera)
        bent = depth_normals(estimate.camera, _bent(ball_depth(estimate.camera), number))
        assert np.median(angle_deg(estimate.normal, true)) < 0.4 * np.median(angle_deg(bent, true))


@pytest.mark.parametrize(("texture", "least"), [(waves, 0.4), (plain, 0.0)])
def test_what_views_agree_on_is_right(
    network: DepthUNet, texture: Callable[[np.ndarray], np.ndarray], least: float
) -> None:
    estimates = _found(network, texture)
    for estimate, depth in zip(
        estimates, agreed_depths(estimates, images_of(ball_views(texture, *SIZE)), 0.004), strict=True
    ):
        known = depth > 0
        off = np.abs(depth[known] / ball_depth(estimate.camera)[known] - 1.0) > 0.02
        assert known.mean() >= least and off.sum() <= 0.05 * known.sum() + 10


def test_a_single_view_agrees_with_nobody(network: DepthUNet) -> None:
    view: StereoView = ball_views(waves, *SIZE)[2]
    cameras = Cameras.stack([replace(view.camera, name="only")])
    estimates = estimate_capture(network, cameras, [view.image], [view.depth], PASSES, UP)
    assert not agreed_depths(estimates, [view.image], 0.004)[0].any()
