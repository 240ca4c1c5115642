"""Environment maps as far lights: energy, direction and rotation; sums of lights."""

import numpy as np
import pytest

from relightnerf.lights import IRRADIANCE, Lighting, direction_from_angles, environment_lighting, turn_about

ROWS = 64
Z_UP, Y_UP = (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)


def _spot(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
    """A map that is dark but for one pixel."""
    radiance = np.zeros((ROWS, 2 * ROWS, 3))
    row = int((90.0 - elevation_deg) / 180.0 * ROWS)
    column = int((180.0 - azimuth_deg) / 360.0 * 2 * ROWS)
    radiance[row, column] = (100.0, 50.0, 25.0)
    return radiance


def _irradiance(lighting: Lighting, normal: np.ndarray) -> np.ndarray:
    cosines = np.clip(lighting.directions @ normal, 0.0, None)
    return IRRADIANCE * (cosines[:, None] * lighting.colors).sum(axis=0)


@pytest.mark.parametrize("world_up", [Z_UP, Y_UP])
@pytest.mark.parametrize("angles", [(0.0, 40.0), (100.0, 20.0), (-130.0, 70.0)])
def test_a_bright_spot_becomes_one_light_in_its_direction(
    angles: tuple[float, float], world_up: tuple[float, float, float]
) -> None:
    lighting = environment_lighting(_spot(*angles), world_up=world_up)
    assert lighting.directions.shape == (1, 3)
    expected = direction_from_angles(*angles, "world", world_up)
    assert np.degrees(np.arccos(lighting.directions[0] @ expected)) < 360.0 / ROWS / 2
    np.testing.assert_allclose(lighting.colors[0] / lighting.colors[0, 0], [1.0, 0.5, 0.25])


@pytest.mark.parametrize("world_up", [Z_UP, Y_UP])
def test_a_turned_map_is_its_lights_turned_about_up(world_up: tuple[float, float, float]) -> None:
    radiance = np.random.default_rng(0).random((ROWS, 2 * ROWS, 3)) ** 4
    plain, turned = (environment_lighting(radiance, 20, angle, world_up) for angle in (0.0, 50.0))
    np.testing.assert_allclose(turned.directions, plain.directions @ turn_about(world_up, 50.0).T, atol=1e-12)
    np.testing.assert_array_equal(turned.colors, plain.colors)
    azimuth_deg = [
        np.degrees(np.arctan2(d[1], d[0])) for d in environment_lighting(_spot(10.0, 30.0), 1, 50.0).directions
    ]
    assert azimuth_deg == pytest.approx([60.0], abs=2.0)


def test_the_irradiance_of_an_even_sky_is_pi_times_its_radiance() -> None:
    lighting = environment_lighting(np.full((ROWS, 2 * ROWS, 3), 0.7), 128)
    np.testing.assert_allclose(_irradiance(lighting, np.array([0.0, 0.0, 1.0])), 0.7 * np.pi, rtol=0.02)
    np.testing.assert_allclose(_irradiance(lighting, np.array([1.0, 0.0, 0.0])), 0.35 * np.pi, rtol=0.05)


def test_any_number_of_samples_keeps_the_energy() -> None:
    radiance = np.random.default_rng(1).random((ROWS, 2 * ROWS, 3)) ** 6
    totals = [environment_lighting(radiance, count).colors.sum(axis=0) for count in (1, 7, 64, 300)]
    for total in totals[1:]:
        np.testing.assert_allclose(total, totals[0])
    assert [len(environment_lighting(radiance, count).colors) for count in (1, 7, 64)] == [1, 7, 64]


def test_samples_go_where_the_light_is() -> None:
    radiance = np.full((ROWS, 2 * ROWS, 3), 0.01)
    radiance[10:16, 30:40] = 50.0
    lighting = environment_lighting(radiance, 32)
    rows = np.degrees(np.pi / 2 - np.arcsin(lighting.directions[:, 2])) / 180.0 * ROWS
    columns = (180.0 - np.degrees(np.arctan2(lighting.directions[:, 1], lighting.directions[:, 0]))) / 360.0 * 2 * ROWS
    inside = (rows > 9) & (rows < 17) & (columns > 29) & (columns < 41)
    assert inside.sum() > 24


def test_a_map_that_is_dark_above_the_horizon_has_no_lights() -> None:
    radiance = np.zeros((ROWS, 2 * ROWS, 3))
    radiance[ROWS // 2 :] = 5.0
    assert environment_lighting(radiance).directions.shape == (0, 3)


def test_lights_add_and_scale() -> None:
    first, second = Lighting.directional(np.array([0.0, 0.0, 1.0]), 0.5), Lighting.point(np.array([1.0, 2.0, 3.0]))
    both = (first + second).scaled(2.0)
    np.testing.assert_array_equal(both.colors, [[1.0, 1.0, 1.0]])
    np.testing.assert_array_equal(both.position_colors, [[2.0, 2.0, 2.0]])
    np.testing.assert_array_equal(both.ambient, [3.0, 3.0, 3.0])
    assert both.described()["positions"] == [[1.0, 2.0, 3.0]]
