"""A handle on a dome stays under the pointer, and goes over the edge to the other side."""

import numpy as np
import pytest

from relightnerf.viewer.dome import DomeDrag

EYE = np.array([3.0, 0.0, 1.0])


def _unit(*vector: float) -> np.ndarray:
    return np.array(vector) / np.linalg.norm(vector)


@pytest.mark.parametrize("start", [_unit(1, 0.2, 1), _unit(-1, 0.3, 0.4), _unit(0, -1, 0.5)])
def test_a_pointer_on_the_handle_leaves_it_where_it_is(start: np.ndarray) -> None:
    drag = DomeDrag(0.6, start)
    np.testing.assert_allclose(drag.drag(EYE, 0.6 * start), start, atol=1e-9)


@pytest.mark.parametrize("start", [_unit(1, 0.2, 1), _unit(-1, 0.3, 0.6)])
def test_the_handle_follows_the_pointer_on_its_side(start: np.ndarray) -> None:
    drag, goal = DomeDrag(0.6, start), start + [0.0, 0.2, 0.1]
    goal /= np.linalg.norm(goal)
    ray = 0.6 * goal - EYE
    np.testing.assert_allclose(drag.drag(EYE, EYE + 0.3 * ray), goal, atol=1e-9)


def test_over_the_edge_it_is_on_the_other_side() -> None:
    drag = DomeDrag(0.6, _unit(1, 0.5, 1))
    near = drag.drag(EYE, np.array([0.0, 0.4, 0.2]))
    outline = drag.drag(EYE, np.array([0.0, 2.0, 0.3]))
    far = drag.drag(EYE, np.array([0.0, 0.4, 0.2]))
    assert near[0] > 0.3 and far[0] < -0.3
    assert outline[1] > 0.8
    again = drag.drag(EYE, np.array([0.0, 0.41, 0.2]))
    assert again[0] < -0.3


def test_it_never_sinks_below_the_horizon() -> None:
    drag = DomeDrag(0.6, _unit(1, 0, 0.3))
    for height in (0.0, -0.3, -2.0):
        direction = drag.drag(EYE, np.array([0.5, 0.2, height]))
        assert direction[2] >= 0.0
        assert np.linalg.norm(direction) == pytest.approx(1.0)


def test_from_inside_the_dome_the_handle_is_where_the_pointer_points() -> None:
    drag, goal = DomeDrag(0.6, _unit(0, 1, 1)), _unit(0.5, 1, 0.5)
    eye = np.array([0.1, 0.0, 0.1])
    np.testing.assert_allclose(drag.drag(eye, eye + 0.2 * (0.6 * goal - eye)), goal, atol=1e-9)
