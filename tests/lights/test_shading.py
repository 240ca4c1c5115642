import numpy as np
import pytest

from relightnerf.lights import (
    AMBIENT_RADIANCE,
    IRRADIANCE,
    SHADINGS,
    TYPICAL_SHADING,
    canonical_shading,
    shading_ratio,
    shading_terms,
)

SHAPE = (6, 8)
KNOWN = np.ones(SHAPE, bool)


@pytest.fixture
def surfaces() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(*SHAPE, 3))
    return rng.random(SHAPE), normals / np.linalg.norm(normals, axis=-1, keepdims=True), rng.random(SHAPE)


def test_a_disc_and_even_light_from_all_sides_are_the_canonical_light(surfaces: tuple[np.ndarray, ...]) -> None:
    disc, normals, ambient = surfaces
    amounts = np.array([1.0, *[AMBIENT_RADIANCE / 3.0] * 6, 0.0])
    shading = shading_terms(disc, normals, ambient) @ amounts
    np.testing.assert_allclose(shading, IRRADIANCE / np.pi * disc + AMBIENT_RADIANCE * ambient)
    np.testing.assert_allclose(
        canonical_shading(disc, np.ones(SHAPE), KNOWN), shading + AMBIENT_RADIANCE * (1 - ambient)
    )
    assert np.all(canonical_shading(disc, ambient, KNOWN) > shading)  # surroundings throw something back
    assert amounts.shape == (SHADINGS,)


def test_the_ratio_is_that_of_the_shadings_but_for_deep_shadow_and_unknown_places() -> None:
    capture = np.full((*SHAPE, 3), TYPICAL_SHADING)
    np.testing.assert_allclose(shading_ratio(capture[..., 0], capture, KNOWN), 1.0)
    target = np.linspace(0.5, 2.0, capture[..., 0].size).reshape(SHAPE)
    np.testing.assert_allclose(shading_ratio(target, capture, KNOWN)[..., 1], target / TYPICAL_SHADING, rtol=0.08)
    black = shading_ratio(target, np.zeros_like(capture), KNOWN)
    assert np.all(black == 6.0)
    known = KNOWN.copy()
    known[:2] = False
    np.testing.assert_allclose(
        shading_ratio(target, capture, known)[:2], target[2:].mean() / TYPICAL_SHADING, rtol=0.08
    )
    np.testing.assert_array_equal(shading_ratio(target, capture, np.zeros_like(KNOWN)), 1.0)
