"""The compiled loops give what torch gives, values and gradients, with any number of threads."""

from collections.abc import Callable
from typing import Any

import numba
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from relightnerf.field import kernels
from relightnerf.field.grids import composite_features
from relightnerf.field.sampling import placed_samples
from relightnerf.field.visibility import marched_visibility

RAYS, SAMPLES = 300, 6


def _storage() -> list[Tensor]:
    torch.manual_seed(0)
    shares = torch.rand(RAYS, SAMPLES)
    shares[::3, 2:] = 0.0
    return [shares, 0.3 * torch.randn(3, 30, 30, 5), torch.randn(12, 12, 12, 3)]


def _points() -> Tensor:
    """Some lie outside [-1, 1]^3, some on its border and on cells' borders."""
    torch.manual_seed(1)
    points = torch.rand(RAYS, SAMPLES, 3) * 2.4 - 1.2
    points[:9] = (points[:9] * 2.0).round() / 2.0
    return points


def _with_gradients(function: Callable[..., Tensor], *parameters: Tensor) -> list[Tensor]:
    inputs = [value.clone().requires_grad_() for value in parameters]
    torch.manual_seed(2)
    result = function(*inputs)
    result.backward(torch.randn_like(result))
    return [result.detach(), *[value.grad for value in inputs]]


def _grid_sample(points: Tensor, values: Tensor) -> Tensor:
    grid = points.reshape(1, -1, 1, 1, 3)
    return functional.grid_sample(values[None, None], grid, align_corners=True, padding_mode="border").reshape(-1)


def test_composited_features_and_their_gradients_are_torch_s() -> None:
    points = _points()
    ours, torchs = (
        _with_gradients(lambda *p, f=function: f(points, *p), *_storage())
        for function in (kernels.composite, composite_features)
    )
    # a sample without a share is not looked at: it has no gradient either
    torchs[1] = torch.where(_storage()[0] == 0.0, 0.0, torchs[1])
    for value, expected in zip(ours, torchs, strict=True):
        assert expected.abs().max() > 0.1
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def test_visibility_is_torch_s() -> None:
    torch.manual_seed(4)
    points, density = 1.5 * torch.randn(RAYS, 3), 30.0 * torch.rand(20, 20, 20) ** 8
    lights, reach = functional.normalize(torch.randn(RAYS, 5, 3), dim=-1), 3.0 * torch.rand(RAYS, 5)
    ends = 0.03 * 1.4 ** torch.arange(14)
    ours, torchs = (f(points, lights, reach, density, ends) for f in (kernels.visibility, marched_visibility))
    assert torchs.std() > 0.2
    different = (ours - torchs).abs() > 1e-3  # where rounding puts a step into the next cell
    assert different.float().mean() < 0.02


def test_trilinear_values_and_their_gradient_are_torch_s() -> None:
    points, values = _points().flatten(0, 1), torch.randn(14, 14, 14)
    ours = _with_gradients(lambda v: kernels.trilinear(points, v), values)
    for value, expected in zip(ours, _with_gradients(lambda v: _grid_sample(points, v), values), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5)


def _rays() -> tuple[Any, ...]:
    torch.manual_seed(3)
    origins = 1.5 * torch.randn(RAYS, 3)
    directions = functional.normalize(torch.randn(RAYS, 3) - origins, dim=-1)
    density = 60.0 * torch.relu(torch.randn(20, 20, 20) - 1.0)
    shift = functional.pad((torch.rand(RAYS, 15) - 0.5) / 16, (1, 1))
    return origins, directions, density, 0.2, 60.0, torch.rand(RAYS, 48), torch.linspace(0, 1, 17) + shift


def test_samples_are_placed_as_torch_places_them() -> None:
    ours, torchs = kernels.place_samples(*_rays()), placed_samples(*_rays())
    for index in (0, 2, 3):
        torch.testing.assert_close(ours[index], torchs[index], rtol=1e-3, atol=1e-3)
    # far away, a float's rounding of the position along the ray is large in distance
    torch.testing.assert_close(1.0 / ours[1], 1.0 / torchs[1], rtol=1e-3, atol=1e-3)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")
def test_the_number_of_threads_changes_no_byte() -> None:
    points, values = _points(), torch.randn(14, 14, 14)

    def everything() -> list[Tensor]:
        features = _with_gradients(lambda *p: kernels.composite(points, *p), *_storage())
        densities = _with_gradients(lambda v: kernels.trilinear(points.flatten(0, 1), v), values)
        return [*features, *densities, *kernels.place_samples(*_rays())]

    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = everything()
        numba.set_num_threads(2)
        together = everything()
    finally:
        numba.set_num_threads(before)
    for one, two in zip(alone, together, strict=True):
        assert torch.equal(one, two)
