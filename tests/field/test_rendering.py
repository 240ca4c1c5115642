"""Pictures of a field: the same after saving, in a moved world, and under the capture's light after the fit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.field.checkpoints import newest_checkpoint, run_folder
from relightnerf.field.dataparser import scene_frame
from relightnerf.field.decoders import zero_last
from relightnerf.field.fitting import train_step
from relightnerf.field.frame import FieldFrame
from relightnerf.field.loading import load_pipeline, load_renderer
from relightnerf.field.renderer import FeatureBuffer, FieldRenderer
from relightnerf.imaging.color import srgb_to_linear
from relightnerf.lights import Lighting, environment_lighting, rotation_between, spread_directions
from relightnerf.methods.runs import run_config
from relightnerf.pipeline.geometry import base_field
from relightnerf.scene import Scene

LIGHT = np.array([0.48, 0.6, 0.64])


def test_a_trained_field_saved_and_loaded_gives_the_same_pictures(tiny_scene: Scene, tmp_path: Path) -> None:
    config = run_config(tiny_scene, tmp_path / "run", 8, "matched", (2, 2), "cpu")
    config.vis, config.logging.local_writer.enable = "none", False
    config.pipeline.datamanager.train_num_rays_per_batch = 256
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    for step in range(4):
        train_step(trainer, step)
    trainer.save_checkpoint(3)
    config.save_config()
    camera = tiny_scene.cameras()[0]
    in_memory = FieldRenderer(trainer.pipeline.model, scene_frame(tiny_scene, tiny_scene.cameras()))
    loaded = load_renderer(tiny_scene, "cpu", tmp_path / "run")
    for light in (None, LIGHT):
        pictures = [renderer.relight(renderer.features(camera), light) for renderer in (in_memory, loaded)]
        assert np.ptp(pictures[0]) > 0.01
        np.testing.assert_array_equal(*pictures)


def test_the_fit_leaves_the_picture_under_the_capture_s_light_as_it_was(tiny_scene: Scene) -> None:
    camera = tiny_scene.cameras()[1]
    fitted = load_renderer(tiny_scene, "cpu")
    base = load_renderer(tiny_scene, "cpu", base_field(tiny_scene))
    np.testing.assert_array_equal(fitted.relight(fitted.features(camera)), base.relight(base.features(camera)))
    np.testing.assert_array_equal(fitted.depth(camera), base.depth(camera))


def test_light_that_was_trained_no_step_changes_nothing(tiny_scene: Scene) -> None:
    _, pipeline, _ = load_pipeline(tiny_scene)
    for layers in (pipeline.model.light_decoder.transfer, pipeline.model.light_decoder.gloss):
        zero_last(layers)
    renderer = FieldRenderer(pipeline.model, scene_frame(tiny_scene, tiny_scene.cameras()))
    seen = renderer.features(tiny_scene.cameras()[0])
    np.testing.assert_array_equal(renderer.relight(seen, LIGHT), renderer.relight(seen))


def test_a_field_of_other_sizes_is_loaded_as_it_is(tiny_scene: Scene) -> None:
    _, pipeline, _ = load_pipeline(tiny_scene)
    state = pipeline.model.state_dict()
    other = {"light_features.grid": torch.rand(12, 12, 12, 8), "latents": torch.rand(5, 8)}
    assert all(state[name].shape != values.shape for name, values in other.items())
    renderer = FieldRenderer(pipeline.model, scene_frame(tiny_scene, tiny_scene.cameras()))
    camera = tiny_scene.cameras()[0]
    before = renderer.relight(renderer.features(camera), LIGHT)
    pipeline.model.load_state_dict({**state, **other})
    for name, values in other.items():
        assert torch.equal(pipeline.model.state_dict()[name], values)
    assert np.abs(renderer.relight(renderer.features(camera), LIGHT) - before).max() > 1e-3


def test_a_light_changes_the_picture_and_the_opposite_one_changes_it_otherwise(tiny_scene: Scene) -> None:
    renderer = load_renderer(tiny_scene, "cpu")
    seen = renderer.features(tiny_scene.cameras()[0])
    pictures = [renderer.relight(seen, light) for light in (None, LIGHT, -LIGHT)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(pictures[first] - pictures[second]).mean() > 1e-3


def test_a_world_and_its_light_turned_together_look_the_same(tiny_scene: Scene) -> None:
    turn = rotation_between(np.array([0.0, 0.0, 1.0]), np.array([0.6, -0.64, 0.48]))
    growth, shift = 3.0, np.array([1.0, 2.0, -5.0])
    frame, camera = scene_frame(tiny_scene, tiny_scene.cameras()), tiny_scene.cameras()[2]
    moved_frame = FieldFrame(frame.rotation @ turn.T, growth * turn @ frame.center + shift, frame.scale / growth)
    pose = camera.camera_to_world.copy()
    pose[:3, :3], pose[:3, 3] = turn @ pose[:3, :3], growth * turn @ pose[:3, 3] + shift
    moved_camera = Camera(camera.name, pose, camera.intrinsics, camera.width, camera.height)
    _, pipeline, _ = load_pipeline(tiny_scene)
    renderer, moved = (FieldRenderer(pipeline.model, f) for f in (frame, moved_frame))
    picture = renderer.relight(renderer.features(camera), LIGHT)
    np.testing.assert_allclose(moved.relight(moved.features(moved_camera), turn @ LIGHT), picture, atol=2e-3)
    assert np.abs(moved.relight(moved.features(moved_camera), LIGHT) - picture).max() > 2e-3


def test_a_field_of_the_capture_s_light_alone_refuses_others(tiny_scene: Scene) -> None:
    base = load_renderer(tiny_scene, "cpu", base_field(tiny_scene))
    with pytest.raises(InputError, match="only the capture's own light"):
        base.relight(base.features(tiny_scene.cameras()[0]), LIGHT)


def _linear(renderer: FieldRenderer, seen: FeatureBuffer, light: object) -> np.ndarray:
    return srgb_to_linear(renderer.relight(seen, light).astype(np.float64))


def test_a_canonical_light_is_the_same_as_lighting_and_as_a_direction(tiny_scene: Scene) -> None:
    renderer = load_renderer(tiny_scene, "cpu")
    seen = renderer.features(tiny_scene.cameras()[0])
    np.testing.assert_allclose(
        renderer.relight(seen, Lighting.directional(LIGHT)), renderer.relight(seen, LIGHT), atol=1e-5
    )


def test_two_lights_together_are_the_sum_of_both(tiny_scene: Scene) -> None:
    renderer = load_renderer(tiny_scene, "cpu")
    seen = renderer.features(tiny_scene.cameras()[0])
    centre = renderer.center_world
    lights = [
        Lighting.directional(LIGHT, np.array([0.3, 0.1, 0.2])),
        Lighting.directional(np.array([0.0, -0.6, 0.8]), 0.2),
        Lighting.point(centre + [0.2, 0.1, 0.9], 0.1),
        environment_lighting(np.random.default_rng(0).random((16, 32, 3)) * 0.05, 12),
    ]
    for first in range(len(lights)):
        for second in range(first):
            both = _linear(renderer, seen, lights[first] + lights[second])
            assert both.max() < 1.0
            apart = _linear(renderer, seen, lights[first]) + _linear(renderer, seen, lights[second])
            np.testing.assert_allclose(both, apart, atol=1e-4)


def test_a_near_light_far_away_is_a_far_light(tiny_scene: Scene) -> None:
    renderer = load_renderer(tiny_scene, "cpu")
    seen = renderer.features(tiny_scene.cameras()[0])
    for towards in spread_directions(3, lowest_z=0.0):
        near = renderer.relight(seen, Lighting.point(renderer.center_world + 1e6 * towards))
        # Shadow rays read the nearest cell. One that grazes a cell's border falls to either side of it by rounding, so
        # the law is: no pixel is outside of what directions say that are no further off than the lamp's.
        beside = 2e-6 * np.array([*np.eye(3), *-np.eye(3), np.zeros(3)])
        far = np.stack([renderer.relight(seen, (towards + turn) / np.linalg.norm(towards + turn)) for turn in beside])
        assert (near >= far.min(axis=0) - 1e-5).all() and (near <= far.max(axis=0) + 1e-5).all()
        assert (np.ptp(far, axis=0).max(axis=-1) < 1e-5).mean() > 0.99


def test_what_a_lamp_gives_falls_with_the_square_of_the_distance(tiny_scene: Scene) -> None:
    renderer, camera = load_renderer(tiny_scene, "cpu"), tiny_scene.cameras()[0]
    seen, lamp = renderer.features(camera), renderer.center_world + [0.3, 0.2, 1.0]
    along = camera.rays_camera() * renderer.depth(camera)[..., None]
    points = along @ camera.camera_to_world[:3, :3].T + camera.camera_to_world[:3, 3]
    known = renderer.depth(camera) > 0.0
    assert known.any()
    seen_world = renderer.points_world(seen).reshape(points.shape)
    np.testing.assert_allclose(seen_world[known], points[known], atol=1e-3)
    distance = np.linalg.norm(lamp - points, axis=-1)[known]
    expected = (np.linalg.norm(lamp - renderer.center_world) / distance) ** 2
    near, far = (
        Lighting.point(lamp, 0.1),
        Lighting.point(renderer.center_world + 1e5 * (lamp - renderer.center_world), 0.1),
    )
    assert not np.allclose(renderer.relight(seen, near), renderer.relight(seen, far), atol=1e-3)
    falloff = renderer.falloff(seen, lamp).reshape(known.shape)[known]
    np.testing.assert_allclose(falloff, expected, rtol=1e-2)


def test_even_light_from_everywhere_is_ambient_light(tiny_scene: Scene) -> None:
    renderer = load_renderer(tiny_scene, "cpu")
    seen = renderer.features(tiny_scene.cameras()[0])
    even = environment_lighting(np.full((32, 64, 3), 0.15), 128, world_up=tiny_scene.world_up)
    ambient = Lighting(ambient=np.ones(3))
    np.testing.assert_allclose(_linear(renderer, seen, even), _linear(renderer, seen, ambient), atol=0.02)


def test_a_field_of_an_older_version_is_named(tiny_scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(run_folder(tiny_scene.field), run_folder(tmp_path))
    checkpoint = newest_checkpoint(run_folder(tmp_path))
    content = torch.load(checkpoint)
    del content["pipeline"]["_model.format"]
    torch.save(content, checkpoint)
    with pytest.raises(InputError, match="older version"):
        load_renderer(tiny_scene, "cpu", tmp_path)
