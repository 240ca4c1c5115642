import numpy as np
import pytest
from scipy import sparse

from relightnerf.consistency import RatioMaps, correction, light_closeness, seen_by, view_gains
from relightnerf.lights import reference_lights


def _turned(direction: np.ndarray, degrees: float) -> np.ndarray:
    side = np.cross(direction, [0.3, 0.5, 0.8])
    side /= np.linalg.norm(side)
    return np.cos(np.radians(degrees)) * direction + np.sin(np.radians(degrees)) * side


def test_a_light_stands_in_for_another_only_if_it_is_near() -> None:
    directions = reference_lights().directions
    angles = [0.0, 3.0, 8.0, 14.9, 15.1, 60.0]
    closeness = [light_closeness(directions[:1], _turned(directions[0], angle)[None])[0, 0] for angle in angles]
    assert closeness[0] == 1.0 and closeness[-2:] == [0.0, 0.0]
    assert all(a > b for a, b in zip(closeness[:4], closeness[1:5], strict=True))


def test_another_view_is_asked_for_the_light_of_the_same_direction_whatever_its_name() -> None:
    random = np.random.default_rng(0)
    maps = RatioMaps(random.normal(size=(3, 2, 2, 3)).astype(np.float32), np.ones((3, 2, 2), np.float32))
    same_place = sparse.identity(4, np.float32, "csr")
    closeness = np.array([[0, 0, 1], [0, 0.5, 0], [0, 0, 0]], np.float32)
    values, weights = seen_by(maps, same_place, closeness)
    np.testing.assert_allclose(values[0], maps.log_ratio[2].reshape(4, 3), atol=1e-6)
    np.testing.assert_allclose(values[1], maps.log_ratio[1].reshape(4, 3), atol=1e-6)
    np.testing.assert_allclose(weights, np.repeat([[1.0], [0.5], [0.0]], 4, axis=1))


def test_the_correction_goes_to_the_mean_and_fades_with_the_weights() -> None:
    own, other = np.zeros((1, 3, 3), np.float32), np.full((1, 3, 3), 0.1, np.float32)
    weights = np.array([[1.0, 0.1, 0.0]], np.float32)
    result = correction(own, [(other, weights), (other, weights)])
    np.testing.assert_allclose(result[0, :, 0], [0.2 / 3, 0.02 / 1.2, 0.0], atol=1e-3)
    assert not correction(own, []).any()


def test_an_outlier_among_the_views_hardly_counts_even_if_it_is_the_view_itself() -> None:
    def others(*values: float) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(np.full((1, 1, 3), v, np.float32), np.ones((1, 1), np.float32)) for v in values]

    own = np.zeros((1, 1, 3), np.float32)
    assert np.abs(correction(own, others(0.02, -0.02, 0.01, 3.0))).max() < 0.05
    np.testing.assert_allclose(correction(own, others(*[1.3] * 8)), 1.3, atol=0.1)


@pytest.mark.parametrize("views", [2, 7])
def test_gains_of_the_views_are_found_but_for_what_all_share(views: int) -> None:
    truth = np.random.default_rng(1).normal(0, 0.3, (views, 3))
    truth -= truth.mean(axis=0)
    pairs = [(a, b) for a in range(views) for b in range(views) if 0 < abs(a - b) <= 2]
    # the brighter b is than a, the more a must gain
    offsets = np.array([truth[a] - truth[b] for a, b in pairs])
    np.testing.assert_allclose(view_gains(views, pairs, offsets, np.ones(len(pairs))), truth, atol=0.03)
    assert not view_gains(3, [], np.empty((0, 3)), np.empty(0)).any()
