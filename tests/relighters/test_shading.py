import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.color import linear_to_srgb
from relightnerf.geometry.views import View
from relightnerf.relighters.shading import detail_slope

SIDE = 96


@pytest.mark.parametrize(("noise", "expected"), [(0.0, 1.0), (0.1, 0.5), (0.2, 0.2)])
def test_noise_of_the_geometry_is_told_from_its_detail(noise: float, expected: float) -> None:
    # detail d in the photo, d + n in the shading: a regression's slope is var(d) / (var(d) + var(n))
    rng = np.random.default_rng(0)
    detail, wrong = 0.1 * rng.standard_normal((SIDE, SIDE)), noise * rng.standard_normal((SIDE, SIDE))
    coarse = 0.3 + 0.2 * np.linspace(-1, 1, SIDE)
    photo = linear_to_srgb((coarse * np.exp(detail))[..., None] * [1.0, 1.0, 1.0])
    camera = Camera("a", np.eye(4), np.array([SIDE, SIDE, SIDE / 2, SIDE / 2]), SIDE, SIDE)
    normal = np.broadcast_to(np.array([0.0, 0.0, 1.0], np.float32), (SIDE, SIDE, 3))
    view = View(camera, photo.astype(np.float32), np.ones((SIDE, SIDE), np.float32), normal)
    assert detail_slope(view, np.exp(detail + wrong)) == pytest.approx(expected, abs=0.1)
    assert detail_slope(view, np.ones((SIDE, SIDE))) == pytest.approx(1.0)
