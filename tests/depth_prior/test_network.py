"""The depth network: untrained it follows the costs; scale does not matter; what is saved is what is loaded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from posed_ball import ball_views, waves

from relightnerf.depth_prior import (
    COST_STEPS,
    DepthUNet,
    estimate_view,
    load_depth_network,
    matching_costs,
    search_offsets,
)
from relightnerf.errors import InputError
from relightnerf.geometry.stereo import StereoView

UP = np.array([0.0, 0.0, 1.0])


@pytest.fixture
def network() -> DepthUNet:
    torch.manual_seed(0)
    return DepthUNet.of_levels((16, 16), groups=4).eval()


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    return ball_views(waves)


def _random_weights(network: DepthUNet) -> DepthUNet:
    torch.manual_seed(1)
    torch.nn.init.normal_(network.conv_out.weight, std=0.02)
    return network


def test_untrained_it_is_the_mean_over_the_costs(network: DepthUNet, views: list[StereoView]) -> None:
    own = views[2]
    costs = matching_costs(own, [views[1], views[3]], own.depth, 0.1)
    found = estimate_view(network, own, 0.1, costs, UP)
    shares = torch.from_numpy(4.0 * (1.0 - costs)).softmax(dim=0).numpy()
    expected = np.einsum("shw,s->hw", shares, search_offsets(0.1))
    np.testing.assert_allclose(np.log(found.depth / own.depth), expected, atol=1e-5)
    np.testing.assert_allclose(found.normal, np.broadcast_to([0.0, 0.0, 1.0], found.normal.shape), atol=1e-6)


def test_depth_stays_within_reach_and_normals_have_unit_length(network: DepthUNet, views: list[StereoView]) -> None:
    own = views[0]
    found = estimate_view(_random_weights(network), own, 0.3, matching_costs(own, views[1:3], own.depth, 0.3), UP)
    assert np.abs(np.log(found.depth / own.depth)).max() <= 0.3 + 1e-5
    np.testing.assert_allclose(np.linalg.norm(found.normal, axis=-1), 1.0, atol=1e-5)
    assert (found.scale > 0).all() and ((found.surface >= 0) & (found.surface <= 1)).all()


def test_the_unit_of_length_does_not_matter(network: DepthUNet, views: list[StereoView]) -> None:
    from dataclasses import replace

    own, costs = views[0], matching_costs(views[0], views[1:3], views[0].depth, 0.1)
    near = estimate_view(_random_weights(network), own, 0.1, costs, UP)
    far = estimate_view(network, replace(own, depth=7.0 * own.depth), 0.1, costs, UP)
    np.testing.assert_allclose(far.depth, 7.0 * near.depth, rtol=1e-4)
    np.testing.assert_allclose(far.normal, near.normal, atol=1e-4)


def test_without_costs_the_photo_alone_decides(network: DepthUNet, views: list[StereoView]) -> None:
    own = views[0]
    _random_weights(network)
    alone = estimate_view(network, own, 0.1, None, UP)
    with torch.no_grad():
        photo = torch.from_numpy(own.image / np.float32(255)).movedim(-1, 0)[None]
        slopes = torch.from_numpy(own.camera.rays_camera()[..., :2].astype(np.float32)).movedim(-1, 0)[None]
        start = torch.from_numpy(own.depth)[None, None]
        costs = torch.rand(1, COST_STEPS, *own.depth.shape)
        up = torch.from_numpy(UP @ own.camera.camera_to_world[:3, :3]).float()[None]
        ignored = network(photo, slopes, start, torch.tensor([0.1]), costs, torch.zeros(1), up)
    np.testing.assert_allclose(alone.depth, own.depth * ignored.offset[0, 0].exp().numpy(), rtol=1e-5)


def test_what_is_saved_is_what_is_loaded(network: DepthUNet, views: list[StereoView], tmp_path: Path) -> None:
    _random_weights(network).save_pretrained(tmp_path)
    found, again = (estimate_view(n, views[0], 0.1, None, UP) for n in (network, load_depth_network(tmp_path).eval()))
    np.testing.assert_array_equal(found.depth, again.depth)


def test_a_broken_network_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        load_depth_network(tmp_path)
