"""Nearest points against every distance, also where denormal numbers are zero."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from relightnerf.export.neighbours import Neighbours


@pytest.fixture
def flushed() -> Iterator[None]:
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)


@pytest.mark.usefixtures("flushed")
def test_the_nearest_of_all_are_found() -> None:
    points = np.random.default_rng(0).random((2000, 3))
    points[:1500, 2] = 0.0  # a floor: where most coordinates are 0, SciPy's tree never ends
    queries = points[::50] + 0.01
    distance, index = Neighbours(points).nearest(queries, 4)
    every = np.linalg.norm(queries[:, None] - points, axis=-1)
    np.testing.assert_allclose(distance, np.sort(every, axis=1)[:, :4], atol=1e-9)
    np.testing.assert_allclose(np.take_along_axis(every, index, axis=1), distance, atol=1e-9)


def test_few_points_have_few_neighbours() -> None:
    few = Neighbours(np.eye(3))
    assert few.nearest(np.zeros((2, 3)), 7)[0].shape == (2, 3)
    assert few.nearest(np.zeros((0, 3)), 7)[1].shape == (0, 3)
