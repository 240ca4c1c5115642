import math

import pytest
import torch

from relightnerf.lights import SH_COEFFICIENTS, spherical_harmonics

DEGREES = [(0, 1), (1, 4), (4, 9), (9, 16)]
"""First and last-plus-one coefficient of each degree."""


def _unit(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)


def test_the_basis_is_orthonormal() -> None:
    values = spherical_harmonics(_unit(1_000_000).float())
    products = 4 * math.pi * values.T @ values / len(values)
    torch.testing.assert_close(products, torch.eye(SH_COEFFICIENTS), atol=0.01, rtol=0)


@pytest.mark.parametrize(("first", "end"), DEGREES)
def test_a_rotation_of_the_light_is_one_orthogonal_matrix_per_degree(first: int, end: int) -> None:
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))[0]
    rotation = rotation * torch.det(rotation)
    fitted, tested = _unit(50, seed=2), _unit(50, seed=3)
    straight, turned = (spherical_harmonics(d)[:, first:end] for d in (fitted, fitted @ rotation.T))
    matrix = torch.linalg.lstsq(straight, turned).solution
    torch.testing.assert_close(matrix.T @ matrix, torch.eye(end - first, dtype=torch.float64))
    torch.testing.assert_close(
        spherical_harmonics(tested)[:, first:end] @ matrix, spherical_harmonics(tested @ rotation.T)[:, first:end]
    )


@pytest.mark.parametrize(("first", "end"), DEGREES)
def test_the_squares_of_a_degree_add_up_to_the_same_everywhere(first: int, end: int) -> None:
    # Unsoeld's theorem: sum over m of Y_lm^2 = (2 l + 1) / (4 pi)
    sums = spherical_harmonics(_unit(100))[:, first:end].square().sum(-1)
    torch.testing.assert_close(sums, torch.full_like(sums, (end - first) / (4 * math.pi)))


@pytest.mark.parametrize(
    ("direction", "positive"),
    [
        ((0.0, 1.0, 0.0), 1),
        ((0.0, 0.0, 1.0), 2),
        ((1.0, 0.0, 0.0), 3),
        ((0.6, 0.8, 0.0), 4),
        ((0.0, 0.6, 0.8), 5),
        ((0.0, 0.0, 1.0), 6),
        ((0.6, 0.0, 0.8), 7),
        ((1.0, 0.0, 0.0), 8),
        ((0.8, 0.6, 0.0), 9),
        ((0.48, 0.6, 0.64), 10),
        ((0.0, 0.6, 0.8), 11),
        ((0.0, 0.0, 1.0), 12),
        ((0.6, 0.0, 0.8), 13),
        ((0.6, 0.0, 0.8), 14),
        ((1.0, 0.0, 0.0), 15),
    ],
)
def test_every_term_is_positive_where_its_polynomial_is(direction: tuple[float, float, float], positive: int) -> None:
    # y, z, x | xy, yz, 3zz-1, xz, xx-yy | y(3xx-yy), xyz, y(5zz-1), z(5zz-3), x(5zz-1), z(xx-yy), x(xx-3yy)
    assert spherical_harmonics(torch.tensor(direction))[positive] > 0


def test_values_are_nerfstudio_s() -> None:
    from nerfstudio.utils.math import components_from_spherical_harmonics

    directions = _unit(100).float()
    torch.testing.assert_close(spherical_harmonics(directions), components_from_spherical_harmonics(4, directions))


def test_gradients_reach_the_direction() -> None:
    direction = _unit(3).requires_grad_()
    assert torch.autograd.gradcheck(spherical_harmonics, direction)


def test_any_number_of_leading_dimensions_is_kept() -> None:
    assert spherical_harmonics(torch.zeros(2, 5, 3)).shape == (2, 5, 16)
    assert spherical_harmonics(torch.zeros(3)).shape == (16,)
