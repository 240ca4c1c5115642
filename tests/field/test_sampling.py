"""Contraction, volume rendering weights and the distortion loss against their papers' formulas."""

import pytest
import torch

from relightnerf.field.sampling import (
    contract,
    distance_loss,
    distortion_loss,
    ray_edges,
    render_weights,
    resample_edges,
)


def test_contraction_keeps_the_inner_cube_and_brings_all_else_into_the_outer_one() -> None:
    generator = torch.Generator().manual_seed(0)
    inside = torch.rand(1000, 3, generator=generator) * 2.0 - 1.0
    torch.testing.assert_close(contract(inside), inside, rtol=0, atol=0)
    outside = torch.randn(1000, 3, generator=generator) * 1e4
    outside = outside[outside.abs().amax(dim=-1) > 1.0]
    largest = contract(outside).abs().amax(dim=-1)
    assert ((largest > 1.0) & (largest <= 2.0)).all()


def test_contraction_is_continuous_and_one_to_one_along_a_ray() -> None:
    # 2 - 1/r has the slope 1/r^2 <= 1, so no step grows: by at most what the other axes add
    direction = torch.tensor([0.3, -0.9, 0.5], dtype=torch.float64)
    distance = torch.linspace(0.0, 50.0, 50001, dtype=torch.float64)
    points = direction * distance[:, None]
    moved = contract(points).diff(dim=0)
    assert moved.norm(dim=-1).max() <= 1e-3 * direction.norm() * (1 + 1e-6)
    assert (moved[:, 1] < 0).all()


def test_weights_are_the_light_that_each_interval_stops() -> None:
    # depths ln 2 and ln 4 let through 1/2 and then 1/4: shares 1/2 and 3/8, and 1/8 is left
    weights = render_weights(torch.log(torch.tensor([[2.0, 4.0]])))
    torch.testing.assert_close(weights, torch.tensor([[0.5, 0.375]]))


def test_weights_sum_to_what_is_not_let_through() -> None:
    depths = torch.rand(100, 20, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weights = render_weights(depths)
    torch.testing.assert_close(weights.sum(dim=-1), 1.0 - torch.exp(-depths.sum(dim=-1)))
    assert (render_weights(depths * 1e6).sum(dim=-1) <= 1.0 + 1e-12).all()


def test_distortion_loss_is_the_double_sum_of_mip_nerf_360() -> None:
    generator = torch.Generator().manual_seed(2)
    weights = torch.rand(5, 12, generator=generator, dtype=torch.float64)
    edges = torch.rand(5, 13, generator=generator, dtype=torch.float64).sort(dim=-1).values
    middles, lengths = (edges[:, 1:] + edges[:, :-1]) / 2, edges.diff(dim=-1)
    expected = torch.zeros(5, dtype=torch.float64)
    for i in range(12):
        for j in range(12):
            expected += weights[:, i] * weights[:, j] * (middles[:, i] - middles[:, j]).abs()
        expected += weights[:, i] ** 2 * lengths[:, i] / 3
    torch.testing.assert_close(distortion_loss(weights, edges), expected.mean())


def test_edges_increase_from_near_to_far() -> None:
    origins = torch.tensor([[0.0, 0.0, 0.0], [3.0, -2.0, 1.0]])
    edges = ray_edges(torch.linspace(0.0, 1.0, 65).expand(2, -1), origins, near=0.2, far=60.0)
    assert (edges.diff(dim=-1) > 0).all()
    assert edges[:, 0] == pytest.approx(0.2) and edges[:, -1] == pytest.approx(60.0)


def test_edges_gather_where_the_weight_is() -> None:
    coarse = torch.linspace(0.0, 1.0, 11).expand(1, -1)
    weights = torch.zeros(1, 10)
    weights[0, 6] = 1.0  # between 0.6 and 0.7, widened to 0.5 to 0.8
    fine = resample_edges(coarse, weights, torch.linspace(0.0, 1.0, 101).expand(1, -1))
    assert (fine.diff(dim=-1) >= 0).all()
    assert ((fine > 0.5) & (fine < 0.8)).float().mean() > 0.9
    assert fine[0, 0] == 0.0 and fine[0, -1] == pytest.approx(1.0)


def test_the_distance_loss_is_the_mean_error_of_where_rays_end() -> None:
    edges = torch.tensor([[0.9, 1.1, 1.15, 3.0]]).expand(3, -1)  # middles 1, 1.125 and 2.075
    weights = torch.tensor([[0.5, 0.25, 0.125], [1.0, 0.0, 0.0], [0.3, 0.3, 0.3]], requires_grad=True)
    loss = distance_loss(weights, edges, torch.tensor([1.125, 1.0, 0.0]))
    # the first ray errs by 1/9, 0 and more, of which 0.1 counts, and so much for the 0.125 that pass;
    # the second ends rightly; the third may anywhere
    torch.testing.assert_close(loss, torch.tensor((0.5 * 0.1 + 0.125 * 0.1 + 0.125 * 0.1) / 2))
    loss.backward()
    assert weights.grad[0, 1] < 0.0 and abs(weights.grad[0, 0]) < 1e-7 and not weights.grad[2].any()
    assert distance_loss(weights, edges, torch.zeros(3)) == 0.0


def test_an_empty_field_does_not_escape_the_distance_loss() -> None:
    edges, ends = torch.tensor([[0.9, 1.1, 3.0]]), torch.ones(1)
    empty, right = torch.zeros(1, 2, requires_grad=True), torch.tensor([[1.0, 0.0]])
    loss = distance_loss(empty, edges, ends)
    loss.backward()
    assert loss > distance_loss(right, edges, ends) and empty.grad[0, 0] < 0.0
