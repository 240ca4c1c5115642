"""Pictures from what is kept of a view are those of the field."""

import numpy as np
import pytest

from relightnerf.field.dataparser import scene_frame
from relightnerf.field.loading import load_renderer
from relightnerf.lights import Lighting
from relightnerf.scene import Scene
from relightnerf.viewer.buffers import BufferSettings, SeenViews

LIGHT = Lighting.directional(np.array([0.48, 0.6, 0.64]))
LIGHTS = [
    None,
    LIGHT,
    LIGHT + Lighting.directional(np.array([0.0, -0.6, 0.8]), np.array([0.2, 0.1, 0.3])),
    LIGHT.scaled(0.5),
]


def _views(scene: Scene) -> SeenViews:
    return SeenViews(load_renderer(scene, "cpu"), scene_frame(scene, scene.cameras()))


@pytest.mark.parametrize("light", LIGHTS)
def test_bands_together_are_the_whole_picture_and_strides_are_a_part_of_it(
    tiny_scene: Scene, light: Lighting | None
) -> None:
    renderer, camera = load_renderer(tiny_scene, "cpu"), tiny_scene.cameras()[0]
    views = SeenViews(renderer, scene_frame(tiny_scene, tiny_scene.cameras()), BufferSettings(band_pixels=200))
    seen, whole = views.see(camera, 0), renderer.relight(renderer.features(camera), light)
    assert len(seen.every(1)) > 2
    for stride in (1, 2, 4):
        np.testing.assert_allclose(views.relight(seen, light, stride), whole[::stride, ::stride], atol=1e-5)


def test_a_standing_camera_passes_through_the_field_once(tiny_scene: Scene) -> None:
    views, camera = _views(tiny_scene), tiny_scene.cameras()[1]
    small, whole = views.see(camera.resampled(16, 12), 0), views.see(camera, 0)
    assert views.see(camera, 0) is whole
    assert views.see(camera.resampled(16, 12), 0) is small
    assert views.largest(camera.resampled(320, 240)) is whole
    assert views.largest(tiny_scene.cameras()[2]) is None
    assert views.see(camera, 1) is not whole


def test_a_picture_of_a_light_that_is_stale_is_not_finished(tiny_scene: Scene) -> None:
    views = _views(tiny_scene)
    assert views.relight(views.see(tiny_scene.cameras()[0], 0), LIGHT, is_stale=lambda: True) is None


def test_the_depth_is_the_field_s(tiny_scene: Scene) -> None:
    renderer, camera = load_renderer(tiny_scene, "cpu"), tiny_scene.cameras()[0]
    depth = renderer.depth(camera)
    known = depth > 0.0
    frame = scene_frame(tiny_scene, tiny_scene.cameras())
    seen = SeenViews(renderer, frame).see(camera, 0)
    np.testing.assert_allclose(seen.depth_z[known], depth[known] * frame.scale, rtol=1e-3)
