import numpy as np
import open3d as o3d
import pytest

from relightnerf.geometry.raycast import RayScene
from relightnerf.imaging.color import linear_to_srgb
from relightnerf.lights import direction_from_angles
from relightnerf.training.benchmark.light_direction import LightFinder, direction_error_deg, fitted_direction

SIZE = 48


def _sphere() -> tuple[np.ndarray, np.ndarray]:
    """Normals and mask of a sphere that fills the picture, seen from far away."""
    steps = (np.arange(SIZE) + 0.5) / SIZE * 2.1 - 1.05
    x, y = np.meshgrid(steps, -steps)
    mask = x**2 + y**2 < 1.0
    normal = np.stack([x, y, np.sqrt(np.maximum(1.0 - x**2 - y**2, 0.0))], axis=-1)
    return np.where(mask[..., None], normal, 0.0).astype(np.float32), mask


def _directions(count: int, seed: int = 0) -> np.ndarray:
    """Random directions, at most 20 degrees behind the picture."""
    directions = np.random.default_rng(seed).normal(size=(8 * count, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return directions[directions[:, 2] > -0.34][:count]


def _picture(albedo: np.ndarray, normal: np.ndarray, light: np.ndarray, ambient: float | np.ndarray) -> np.ndarray:
    shading = ambient + 0.7 * np.maximum(normal @ light, 0.0)
    srgb = linear_to_srgb(albedo * shading[..., None])
    return (np.round(255.0 * srgb) / 255.0).astype(np.float32)


def _textured(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    checks = np.kron(rng.uniform(0.05, 0.9, (6, 6, 3)), np.ones((SIZE // 6, SIZE // 6, 1)))
    return checks.astype(np.float32)


def test_known_albedo_gives_the_direction_within_one_degree() -> None:
    normal, mask = _sphere()
    for index, light in enumerate(_directions(20)):
        albedo = _textured(index)
        found = fitted_direction(_picture(albedo, normal, light, 0.15), albedo, normal, mask)
        assert np.linalg.norm(found) == pytest.approx(1.0)
        assert direction_error_deg(found, light) < 1.0


def test_a_plain_sphere_gives_the_direction_without_its_albedo() -> None:
    normal, mask = _sphere()
    grain = 1.0 + 0.05 * np.random.default_rng(0).normal(size=(SIZE, SIZE, 1))
    errors = []
    for light in _directions(20, seed=1):
        albedo = (np.array([0.6, 0.4, 0.3]) * grain).astype(np.float32)
        found = fitted_direction(_picture(albedo, normal, light, 0.15), None, normal, mask)
        errors.append(direction_error_deg(found, light))
    assert max(errors) < 8.0 and np.median(errors) < 2.0


def test_outliers_and_saturated_pixels_do_not_turn_the_light() -> None:
    normal, mask = _sphere()
    albedo, rng = _textured(3), np.random.default_rng(0)
    for light in _directions(8, seed=2):
        picture = _picture(1.3 * albedo, normal, light, 0.2)
        wrong = rng.random((SIZE, SIZE)) < 0.1
        picture[wrong] = rng.uniform(0.0, 1.0, (wrong.sum(), 3))
        assert direction_error_deg(fitted_direction(picture, albedo, normal, mask), light) < 1.5


def test_open_sky_is_taken_into_account() -> None:
    normal, mask = _sphere()
    albedo = _textured(4)
    sky = (0.5 + 0.5 * normal[..., 1]).astype(np.float32)
    light = np.array([0.5, 0.3, 0.81])
    light /= np.linalg.norm(light)
    picture = linear_to_srgb(albedo * (0.15 * sky + 0.7 * np.maximum(normal @ light, 0.0))[..., None])
    assert direction_error_deg(fitted_direction(picture, albedo, normal, mask, sky), light) < 0.1
    assert direction_error_deg(fitted_direction(picture, albedo, normal, mask), light) > 2.0


@pytest.mark.parametrize(("azimuth", "elevation"), [(0.0, 30.0), (130.0, 50.0), (-70.0, 20.0)])
def test_the_shadow_of_a_post_on_a_floor_tells_what_its_shading_cannot(azimuth: float, elevation: float) -> None:
    post = o3d.geometry.TriangleMesh.create_box(0.2, 0.2, 0.8).translate((-0.1, -0.1, 0.0))
    rays = RayScene(o3d.geometry.TriangleMesh.create_box(8.0, 8.0, 0.1).translate((-4.0, -4.0, -0.1)) + post)
    steps = (np.arange(SIZE) + 0.5) / SIZE * 4.0 - 2.0
    x, y = np.meshgrid(steps, steps)
    points = np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.float32)
    normal, mask = np.zeros_like(points) + np.float32([0, 0, 1]), np.maximum(abs(x), abs(y)) > 0.15
    light, albedo = direction_from_angles(azimuth, elevation), _textured(5)
    seen = rays.light_visibility(points.reshape(-1, 3), normal.reshape(-1, 3), light[None], 32).reshape(mask.shape)
    grain = np.random.default_rng(0).normal(0.0, 0.01, points.shape)
    picture = linear_to_srgb(albedo * (0.2 + 0.7 * light[2] * seen)[..., None]) + grain
    finder = LightFinder(rays, points, normal, albedo, mask)
    assert direction_error_deg(finder.direction(picture), light) < 3.0
    assert direction_error_deg(fitted_direction(picture, albedo, normal, mask), light) > 20.0
    np.testing.assert_array_equal(finder.direction(picture), finder.direction(picture))


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_picture_gives_some_unit_vector(value: float) -> None:
    normal, mask = _sphere()
    picture = np.full((SIZE, SIZE, 3), value, np.float32)
    for some in (mask, np.zeros_like(mask)):
        for albedo in (None, np.full_like(picture, 0.5), np.zeros_like(picture)):
            assert np.linalg.norm(fitted_direction(picture, albedo, normal, some)) == pytest.approx(1.0)


def test_pixels_outside_the_mask_do_not_matter() -> None:
    normal, mask = _sphere()
    light = np.array([0.6, 0.0, 0.8])
    picture = _picture(np.full((SIZE, SIZE, 3), 0.5), normal, light, 0.1)
    left = mask & (np.arange(SIZE) < SIZE // 2)
    other = picture.copy()
    other[~left] = 0.7
    found = [fitted_direction(p, None, normal, left) for p in (picture, other)]
    np.testing.assert_array_equal(*found)


def test_errors_are_angles() -> None:
    x, y = np.array([1.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    assert direction_error_deg(x, y) == pytest.approx(90.0)
    assert direction_error_deg(x, -3.0 * x) == pytest.approx(180.0)
    assert direction_error_deg(x, x + 1e-9 * y) == pytest.approx(np.degrees(2e-9), rel=1e-3)
    np.testing.assert_allclose(direction_error_deg(np.stack([x, y]), np.stack([x, x])), [0.0, 90.0], atol=1e-12)
