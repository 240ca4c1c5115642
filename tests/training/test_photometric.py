"""A sphere, whose photos, normals and depth are known in closed form."""

from pathlib import Path

import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.imaging.color import to_uint8
from relightnerf.io.images import write_image
from relightnerf.training.benchmark.light_direction import direction_error_deg
from relightnerf.training.benchmark.normal_integration import integrated_depth
from relightnerf.training.benchmark.photometric import photometric_surface, read_photometric, spread_lights

SIZE, FOV_DEG, DISTANCE, RADIUS = 64, 10.0, 10.0, 0.75
ALBEDO = np.array([0.7, 0.5, 0.3])
FOCAL = SIZE / 2 / np.tan(np.radians(FOV_DEG / 2))
CAMERA = Camera("sphere", np.eye(4), np.array([FOCAL, FOCAL, SIZE / 2, SIZE / 2]), SIZE, SIZE)


def _lights() -> np.ndarray:
    """Twelve lights around the camera, 15 and 40 degrees from its axis."""
    tilt, turn = np.radians(np.repeat([15.0, 40.0], 6)), np.arange(12) * np.pi / 3 + np.repeat([0.0, 0.5], 6)
    return np.stack([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), np.cos(tilt)], axis=-1)


def _sphere() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth along -z, normals and mask of a sphere in front of the camera: the nearer root of |z r - c| = RADIUS."""
    rays, centre = CAMERA.rays_camera(), np.array([0.0, 0.0, -DISTANCE])
    a, b = np.sum(rays * rays, axis=-1), rays @ centre
    inside = b * b - a * (DISTANCE**2 - RADIUS**2)
    mask = inside > 0
    depth = np.where(mask, (b - np.sqrt(np.maximum(inside, 0.0))) / a, 0.0)
    normal = (depth[..., None] * rays - centre) / RADIUS
    return depth, np.where(mask[..., None], normal, 0.0), mask


def _photos(normal: np.ndarray, mask: np.ndarray) -> np.ndarray:
    shading = np.maximum(np.einsum("hwc,lc->lhw", normal, _lights()), 0.0)
    return shading[..., None] * ALBEDO * mask[..., None]


def _error_deg(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    told = np.any(found != 0, axis=-1)
    return direction_error_deg(found[told], truth[told])


def test_a_sphere_gives_its_normals_and_albedo() -> None:
    _, normal, mask = _sphere()
    surface = photometric_surface(_photos(normal, mask), _lights(), mask)
    assert np.any(surface.normal_camera != 0, axis=-1).sum() > 0.9 * mask.sum()
    assert _error_deg(surface.normal_camera, normal).max() < 0.1
    middle = surface.albedo[SIZE // 2, SIZE // 2]
    np.testing.assert_allclose(middle / middle.max(), ALBEDO / ALBEDO.max(), atol=1e-3)
    assert not surface.normal_camera[~mask].any()


def test_two_highlights_and_two_shadows_a_pixel_change_nothing() -> None:
    _, normal, mask = _sphere()
    photos, rng = _photos(normal, mask), np.random.default_rng(0)
    order = np.argsort(rng.random((12, SIZE, SIZE)), axis=0)
    photos[order < 2] = 1.0
    photos[(order >= 2) & (order < 4)] *= 0.05
    surface = photometric_surface(photos, _lights(), mask)
    assert np.any(surface.normal_camera != 0, axis=-1).sum() > 0.8 * mask.sum()
    assert _error_deg(surface.normal_camera, normal).max() < 0.5


def test_noise_of_8_bits_turns_normals_by_less_than_two_degrees() -> None:
    _, normal, mask = _sphere()
    photos = np.round(255 * _photos(normal, mask)) / 255
    errors = _error_deg(photometric_surface(photos, _lights(), mask).normal_camera, normal)
    assert np.median(errors) < 0.5 and errors.max() < 2.0


def test_true_normals_integrate_to_the_sphere() -> None:
    depth, normal, mask = _sphere()
    found = integrated_depth(CAMERA, normal, mask)
    inner = mask & (normal[..., 2] > 0.5)
    ratio = found[inner] / depth[inner]
    relief = RADIUS / DISTANCE  # of the depth: ratios must be equal much more closely
    assert np.std(ratio) / np.mean(ratio) < 0.02 * relief
    assert np.median(found[mask]) == pytest.approx(1.0) and not found[~mask].any()


def test_unknown_normals_are_bridged() -> None:
    depth, normal, mask = _sphere()
    normal[SIZE // 2, SIZE // 2 - 3 : SIZE // 2 + 3] = 0.0
    found = integrated_depth(CAMERA, normal, mask)
    ratio = found[mask & (normal[..., 2] > 0.5)] / depth[mask & (normal[..., 2] > 0.5)]
    assert np.std(ratio) / np.mean(ratio) < 0.04 * RADIUS / DISTANCE


def test_chosen_lights_lie_far_apart() -> None:
    lights = _lights()
    assert sorted(spread_lights(lights, 20)) == list(range(12))
    chosen = lights[spread_lights(lights, 3)]
    cosines = (chosen @ chosen.T)[np.triu_indices(3, 1)]
    assert cosines.max() < np.cos(np.radians(40.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _, normal, mask = _sphere()
    for index, photo in enumerate(_photos(normal, mask)):
        write_image(tmp_path / "ball" / f"ball.{index}.png", to_uint8(photo))
    write_image(tmp_path / "ball" / "ball.mask.png", np.where(mask, 255, 0).astype(np.uint8))
    (tmp_path / "chrome").mkdir()
    lines = [" ".join(map(str, 2.0 * light)) for light in _lights()]
    (tmp_path / "lights.txt").write_text("\n".join(["12", *lines]) + "\n")
    return tmp_path


def test_a_folder_is_read(folder: Path) -> None:
    (thing,) = read_photometric(folder)
    _, _, mask = _sphere()
    assert thing.name == "ball" and thing.photos.shape == (12, SIZE, SIZE, 3)
    np.testing.assert_allclose(thing.directions, _lights())
    np.testing.assert_array_equal(thing.mask, mask)
    small = thing.cropped(margin=0.0)
    assert small.mask.sum() == mask.sum() and small.mask[0].any() and small.mask[:, -1].any()
    assert small.photos.shape[1:3] == small.mask.shape


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "lights.txt").unlink(), "lights.txt: no such file"),
        (lambda f: (f / "lights.txt").write_text("12\n0 0 1\n"), "1 lights, 12 announced"),
        (lambda f: (f / "lights.txt").write_text("one\n0 0 x\n"), "lights.txt: cannot be read"),
        (lambda f: (f / "lights.txt").write_text(""), "lights.txt: cannot be read"),
        (lambda f: (f / "ball" / "ball.3.png").unlink(), "ball.3.png: no such image"),
        (lambda f: write_image(f / "ball" / "ball.3.png", np.zeros((4, 4, 3), np.uint8)), "different sizes"),
        (lambda f: write_image(f / "ball" / "ball.mask.png", np.zeros((SIZE, SIZE), np.uint8)), "mask is empty"),
        (lambda f: (f / "ball").rename(f.parent / "elsewhere"), "no objects"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, change, message: str) -> None:
    change(folder)
    with pytest.raises(InputError, match=message):
        read_photometric(folder)
