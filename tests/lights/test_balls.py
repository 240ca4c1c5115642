"""Gray balls, drawn by the library and by a renderer of the tests' own: a disc light sampled in many directions."""

import subprocess
import sys

import numpy as np
import pytest

from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_uint8
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE, fit_ball_direction, gray_ball

DIRECTIONS = {
    "camera": (0.0, 0.0, 1.0),
    "nearly camera": (0.2, -0.24, 0.95),
    "high": (0.1, 0.8, 0.6),
    "left": (-0.8, 0.45, 0.4),
    "low right": (0.9, -0.4, 0.2),
    "right": (0.995, 0.1, 0.0),
    "above": (-0.05, 1.0, 0.0),
}


def _unit(direction: tuple[float, float, float]) -> np.ndarray:
    return np.array(direction) / np.linalg.norm(direction)


def _rendered(
    direction: np.ndarray,
    size: int = 96,
    disc_deg: float = 10.0,
    gradient: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gloss: float = 0.0,
    shift_px: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """Linear picture (size, size) of a ball of albedo 0.8: sums over directions of the disc, a Phong lobe, ambient."""
    rng = np.random.default_rng(7)
    tangents = np.linalg.svd(direction[None])[2][1:]
    polar = np.arccos(1 - (1 - np.cos(np.radians(disc_deg))) * (np.arange(32) + 0.5) / 32)
    turn = rng.uniform(0, 2 * np.pi) + np.arange(32) * np.pi * (3 - np.sqrt(5))
    circle = np.cos(turn)[:, None] * tangents[0] + np.sin(turn)[:, None] * tangents[1]
    suns = np.cos(polar)[:, None] * direction + np.sin(polar)[:, None] * circle
    rows, columns = np.mgrid[:size, :size] + 0.5
    x, y = (columns - shift_px[0]) * 2 / size - 1, 1 - (rows - shift_px[1]) * 2 / size
    normal = np.dstack([x, y, np.sqrt(np.maximum(0, 1 - x * x - y * y))])
    mirrored = 2 * normal[..., 2:] * normal - [0, 0, 1]
    diffuse, glossy = np.zeros((size, size)), np.zeros((size, size))
    for sun in suns:
        facing = normal @ sun
        diffuse += np.maximum(facing, 0) / len(suns)
        glossy += np.where(facing > 0, np.maximum(mirrored @ sun, 0) ** 30, 0) / len(suns)
    ambient = AMBIENT_RADIANCE * (1 + normal @ np.array(gradient))
    radiance = 0.8 * (IRRADIANCE / np.pi * diffuse + ambient) + gloss * glossy
    return np.where(x * x + y * y < 1, radiance, 0.05)


def _eight_bits(linear: np.ndarray) -> np.ndarray:
    return srgb_to_linear(to_uint8(linear_to_srgb(linear)) / 255.0)


def _error_deg(fitted: np.ndarray, truth: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(fitted @ truth, -1, 1))))


@pytest.mark.parametrize("direction", [*DIRECTIONS.values(), (0.3, 0.6, -0.4)])
def test_the_drawn_ball_is_the_rendered_one(direction: tuple[float, float, float]) -> None:
    drawn = gray_ball(_unit(direction), 64)
    # the drawn ball leaves half a pixel for its edge
    inside = np.hypot(*(np.mgrid[:64, :64] + 0.5 - 32)) < 30
    rendered = linear_to_srgb(_rendered(_unit(direction), 64))
    assert drawn.shape == (64, 64, 3) and drawn.dtype == np.uint8
    assert np.abs(drawn[..., 0] / 255.0 - rendered)[inside].max() < 0.06
    assert np.abs(drawn[..., 0] / 255.0 - rendered)[inside].mean() < 0.01


def test_a_ball_lit_from_the_camera_is_as_bright_as_the_canonical_light_says() -> None:
    ball = gray_ball(np.array([0.0, 0.0, 1.0]), 101)
    assert ball[50, 50, 0] == round(255 * float(linear_to_srgb(np.array(0.8 * (2.2 / np.pi + 0.15)))))
    assert (ball[[0, 0, -1, -1], [0, -1, 0, -1]] == 24).all()
    np.testing.assert_array_equal(ball, ball[:, ::-1])
    np.testing.assert_array_equal(ball, ball[::-1])


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_ball_may_be_tiny(size: int) -> None:
    assert gray_ball(np.array([1.0, 0.0, 0.0]), size).shape == (size, size, 3)


def test_the_edge_is_smooth_and_the_ball_turns_with_its_light() -> None:
    right, up = gray_ball(np.array([1.0, 0.0, 0.0]), 48), gray_ball(np.array([0.0, 1.0, 0.0]), 48)
    np.testing.assert_array_equal(np.rot90(right), up)
    assert len(np.unique(right[24, 40:, 0])) > 3


def test_drawing_needs_no_torch() -> None:
    drawing = "import sys, numpy; from relightnerf.lights import gray_ball; gray_ball(numpy.eye(3)[0], 8)"
    code = f"{drawing}; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "torch" not in printed.split()


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_direction_is_found_again(direction: tuple[float, float, float]) -> None:
    truth = _unit(direction)
    assert _error_deg(fit_ball_direction(_rendered(truth)), truth) < 0.5


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_direction_is_found_in_a_photo_with_everything_that_spoils_it(direction: tuple[float, float, float]) -> None:
    truth = _unit(direction)
    photo = _rendered(truth, 256, gradient=(0.1, 0.0, 0.0), gloss=0.05, shift_px=(0.0, 1.0))
    photo = _eight_bits(photo[..., None] + 0.02 * np.random.default_rng(0).normal(size=(256, 256, 3)))
    assert _error_deg(fit_ball_direction(photo), truth) < 2.0


@pytest.mark.parametrize("name", ["left", "low right", "right", "above"])
def test_surroundings_brighter_on_one_side_do_not_turn_a_light_from_the_side(name: str) -> None:
    truth = _unit(DIRECTIONS[name])
    assert _error_deg(fit_ball_direction(_rendered(truth, gradient=(-0.3, 0.25, 0.1))), truth) < 1.5


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
def test_a_wide_light_is_found_at_its_middle(direction: tuple[float, float, float]) -> None:
    truth = _unit(direction)
    assert _error_deg(fit_ball_direction(_rendered(truth, disc_deg=35.0)), truth) < 2.0


@pytest.mark.parametrize("exposure", [1e-3, 1.0, 2.5, 50.0])
def test_exposure_makes_no_difference_even_if_it_clips(exposure: float) -> None:
    truth = _unit(DIRECTIONS["high"])
    photo = exposure * _rendered(truth)
    photo = _eight_bits(photo) if exposure == 2.5 else photo
    assert _error_deg(fit_ball_direction(photo.astype(np.float32)), truth) < 0.5


def test_a_mask_tells_where_the_ball_is() -> None:
    truth = _unit(DIRECTIONS["left"])
    photo, mask = np.full((120, 160), 0.7), np.zeros((120, 160), bool)
    photo[10:90, 50:130] = _rendered(truth, 80)
    mask[10:90, 50:130] = np.hypot(*(np.mgrid[:80, :80] + 0.5 - 40)) < 40
    assert _error_deg(fit_ball_direction(photo, mask), truth) < 0.7


def test_a_picture_without_shading_is_refused() -> None:
    with pytest.raises(ValueError, match="no direction"):
        fit_ball_direction(np.full((40, 40, 3), 0.5))
    with pytest.raises(ValueError, match="0 pixels"):
        fit_ball_direction(np.full((40, 40), 0.5), np.zeros((40, 40), bool))
