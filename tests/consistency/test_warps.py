import numpy as np
import pytest

from relightnerf.consistency import Surface, cell_size, neighbours, warp
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import SceneViews


@pytest.fixture
def surfaces(views: SceneViews) -> list[Surface]:
    return [Surface.of(view, 1) for view in views]


def test_cells_are_single_pixels_of_small_pictures_and_at_most_160x120_of_large_ones() -> None:
    assert cell_size(160, 120) == 1 and cell_size(256, 192) == 2
    for width, height in ((768, 512), (4000, 3000)):
        side = cell_size(width, height)
        assert width * height / side**2 <= 160 * 120 < width * height / (side - 1) ** 2


@pytest.mark.parametrize("side", [2, 5])
def test_cells_lie_on_the_surface_whatever_their_size(views: SceneViews, rays: RayScene, side: int) -> None:
    surface = Surface.of(views[0], side)
    assert surface.trust.shape == (-(-48 // side), -(-64 // side))
    hits = rays.camera_hits(surface.camera)
    sure = surface.trust > 0.9
    assert sure.mean() > 0.15
    np.testing.assert_allclose(surface.points[sure], surface.camera.points_world(hits.depth)[sure], atol=0.02)


def test_depth_edges_and_what_is_unknown_are_not_trusted(views: SceneViews) -> None:
    view, surface = views[0], Surface.of(views[0], 1)
    assert not surface.trust[~view.known].any()
    jump = np.abs(np.diff(view.depth, axis=1)) > 0.3
    assert jump.sum() > 10 and surface.trust[:, 1:][jump].max() < 0.1 and surface.trust[:, :-1][jump].max() < 0.1


def test_a_warped_point_is_the_point(surfaces: list[Surface]) -> None:
    cells = surfaces[0].trusted()
    weights = warp(surfaces[0], surfaces[2], cells)
    total = np.asarray(weights.sum(axis=1)).ravel()
    assert total.max() <= 1.0 + 1e-5
    sees = total > 0.2
    assert sees.mean() > 0.3
    found = (weights @ surfaces[2].points.reshape(-1, 3))[sees] / total[sees, None]
    np.testing.assert_allclose(found, surfaces[0].points.reshape(-1, 3)[cells][sees], atol=0.07)


def test_what_is_hidden_from_the_other_view_is_not_sampled(surfaces: list[Surface], rays: RayScene) -> None:
    for other in (surfaces[2], surfaces[5]):
        cells = surfaces[0].trusted()
        points = surfaces[0].points.reshape(-1, 3)[cells]
        towards = other.camera.position - points
        raised = points + 0.03 * surfaces[0].normals.reshape(-1, 3)[cells]
        hidden = rays.blocked(raised.astype(np.float32), towards.astype(np.float32))
        total = np.asarray(warp(surfaces[0], other, cells).sum(axis=1)).ravel()
        assert hidden.sum() > 20
        assert np.mean(total[hidden] > 0.05) < 0.02
        assert np.mean(total[~hidden] > 0.05) > 0.3


def test_neighbours_are_the_views_that_share_most(surfaces: list[Surface]) -> None:
    everything = np.ones((len(surfaces), len(surfaces)))
    found = neighbours(surfaces, everything, 2)
    assert found[0] == [1, 2] and set(found[3]) == {2, 4}
    everything[0, 1] = 0.0
    assert neighbours(surfaces, everything, 2)[0] == [2, 3]
