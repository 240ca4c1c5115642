"""What a step trains on: drawn from the step's number alone, never from a held-out view, each pixel with its light."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.field.batches import RelitRays
from relightnerf.field.datamanager import RelightDataManager, RelightDataManagerConfig
from relightnerf.field.dataparser import RelightDataParserConfig
from relightnerf.field.loading import load_pipeline
from relightnerf.io.images import read_image, write_array, write_image
from relightnerf.lights import load_lights
from relightnerf.scene import Scene

WARMUP_STEPS = 2


def _manager(scene: Scene) -> RelightDataManager:
    config = RelightDataManagerConfig(
        dataparser=RelightDataParserConfig(data=scene.root),
        train_num_rays_per_batch=64,
        light_rays_per_batch=32,
        warmup_steps=WARMUP_STEPS,
    )
    return config.setup(device="cpu", test_mode="val", world_size=1, local_rank=0)


def _drawn(manager: RelightDataManager, step: int) -> list[torch.Tensor]:
    drawn, batch = manager.next_train(step)
    rays = drawn.rays if isinstance(drawn, RelitRays) else drawn
    every = [rays.origins, rays.directions, rays.camera_indices]
    if isinstance(drawn, RelitRays):
        every = [values[drawn.step] for values in (*every, drawn.pictures)]
    assert {len(values) for values in every} == {len(batch["image"])}
    return [*every, batch["image"]]


def test_a_batch_depends_on_its_step_alone(tiny_scene: Scene) -> None:
    manager, other = _manager(tiny_scene), _manager(tiny_scene)
    batches = [_drawn(manager, step) for step in range(WARMUP_STEPS + 10)]
    for step in (4, 0, 11, 10, 3):
        torch.rand(step + 7)
        for ours, same in zip(batches[step], _drawn(other, step), strict=True):
            assert torch.equal(ours, same)
    assert not torch.equal(batches[3][0], batches[4][0])
    assert not torch.equal(batches[3][0], batches[11][0])
    assert not torch.equal(batches[0][1], batches[1][1])


def test_the_steps_of_one_draw_share_its_number_and_its_rays(tiny_scene: Scene) -> None:
    manager = _manager(tiny_scene)
    at_once = manager.config.light_steps_at_once
    drawn = [manager.next_train(WARMUP_STEPS + step)[0] for step in range(at_once + 1)]
    assert len({batch.draw for batch in drawn[:at_once]}) == 1 and drawn[at_once].draw != drawn[0].draw
    assert all(torch.equal(batch.rays.origins, drawn[0].rays.origins) for batch in drawn[:at_once])
    parts = torch.cat([torch.arange(len(drawn[0].rays))[batch.step] for batch in drawn[:at_once]])
    assert torch.equal(parts, torch.arange(len(drawn[0].rays)))  # each ray in one step
    assert drawn[0].step != drawn[1].step  # a batch that was handed out does not change any more


def test_what_is_looked_up_once_a_draw_is_that_of_its_own_rays(tiny_scene: Scene) -> None:
    _, pipeline, _ = load_pipeline(tiny_scene)
    model, manager = pipeline.model.train(), _manager(tiny_scene)
    for step in (WARMUP_STEPS, WARMUP_STEPS + manager.config.light_steps_at_once):
        batch = manager.next_train(step)[0]
        torch.manual_seed(step)
        kept = model(batch)["rgb"]
        model._known = None
        torch.manual_seed(step)
        assert torch.equal(kept, model(batch)["rgb"])


@pytest.mark.parametrize("masked", [["v0"], ["v0", "v1", "v2", "v3", "v5", "v6", "v7"]])
def test_masks_count_where_they_are(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], masked: list[str]) -> None:
    scene = copy_scene(tiny_scene)
    left = np.zeros((scene.height, scene.width, 3), np.uint8)
    left[:, : scene.width // 2] = 1  # any value above 0 counts
    for name in masked:
        write_image(scene.capture / "masks" / f"{name}.png", left)
    manager = _manager(scene)
    views, _, columns = manager._draw(20000)
    for index, name in enumerate(manager.train_dataparser_outputs.metadata["view_names"]):
        widest = scene.width // 2 - 1 if name in masked else scene.width - 1
        assert columns[views == index].max() == widest
        assert scene.mask(name) is None if name not in masked else (scene.mask(name) == (left[..., 0] > 0)).all()


def test_a_mask_of_another_size_and_masks_of_nothing_are_named(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]
) -> None:
    scene = copy_scene(tiny_scene)
    for name in scene.cameras().names:
        write_image(scene.capture / "masks" / f"{name}.png", np.zeros((scene.height, scene.width, 3), np.uint8))
    with pytest.raises(InputError, match="leave out every pixel"):
        _manager(scene)
    write_image(scene.capture / "masks" / "v0.png", np.zeros((5, 7, 3), np.uint8))
    with pytest.raises(InputError, match="7x5"):
        scene.mask("v0")


def test_stereo_of_some_views_counts_and_that_of_others_is_unknown(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]
) -> None:
    scene = copy_scene(tiny_scene)
    names = [path.stem for path in sorted((scene.geometry / "stereo").iterdir())]
    for name in names:
        write_array(scene.geometry / "stereo" / f"{name}.npy", np.full((scene.height, scene.width), 2.0))
    (scene.geometry / "stereo" / f"{names[1]}.npy").unlink()
    manager = _manager(scene)
    rays, batch = manager.next_train(0)
    absent = manager.train_dataparser_outputs.metadata["view_names"].index(names[1])
    assert (batch["distance"][rays.camera_indices[:, 0] == absent] == 0).all()
    assert (batch["distance"][rays.camera_indices[:, 0] != absent] > 0).all()


def test_held_out_views_are_split_off_with_all_their_lights(tiny_scene: Scene) -> None:
    parser = RelightDataParserConfig(data=tiny_scene.root).setup()
    train, held_out = (parser.get_dataparser_outputs(split).metadata for split in ("train", "val"))
    assert list(held_out["view_names"]) == tiny_scene.held_out()
    assert sorted([*train["view_names"], *held_out["view_names"]]) == sorted(tiny_scene.cameras().names)
    views = {Path(path).name.split("__")[0] for row in train["relit_filenames"] for path in row}
    assert views == set(train["view_names"])


@pytest.mark.parametrize("step", [0, WARMUP_STEPS, WARMUP_STEPS + 3])
def test_every_colour_is_that_of_its_ray_s_pixel_under_its_light(tiny_scene: Scene, step: int) -> None:
    manager = _manager(tiny_scene)
    drawn, batch = manager.next_train(step)
    rays = drawn.rays if isinstance(drawn, RelitRays) else drawn
    part = drawn.step if isinstance(drawn, RelitRays) else slice(None)
    outputs = manager.train_dataparser_outputs
    rotation = outputs.dataparser_transform[:, :3].double().numpy()
    lights = load_lights(tiny_scene.matched / "lights.json")
    for place, index in enumerate(range(len(rays))[part]):
        view = outputs.metadata["view_names"][int(rays.camera_indices[index])]
        camera = tiny_scene.cameras().subset([view])[0]
        row, column = _pixel(camera, rotation.T @ rays.directions[index].double().numpy())
        if step < WARMUP_STEPS:
            expected = read_image(tiny_scene.image_path(view))[row, column]
        else:
            picture = drawn.pictures[index].numpy()
            assert (picture // len(lights.names) == int(rays.camera_indices[index])).all()
            asked = picture % len(lights.names)
            shown = outputs.metadata["light_directions"].flatten(0, 1)[picture].double().numpy() @ rotation
            assert lights.directions[asked] == pytest.approx(shown @ camera.camera_to_world[:3, :3], abs=1e-5)
            files = [tiny_scene.matched / f"{view}__{lights.names[light]}.png" for light in asked]
            expected = [read_image(file)[row, column] for file in files]
        assert batch["image"][place].numpy() * 255.0 == pytest.approx(np.array(expected, float), abs=1e-3)


def test_stereo_sees_no_held_out_photo(tiny_scene: Scene) -> None:
    seen = {path.stem for path in (tiny_scene.geometry / "stereo").iterdir()}
    assert seen == set(tiny_scene.cameras().names) - set(tiny_scene.held_out())
    assert seen and tiny_scene.held_out()


def test_known_depth_says_where_rays_end(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> None:
    scene = copy_scene(tiny_scene)
    cameras, random = scene.cameras(), np.random.default_rng(0)
    rows, columns = cameras.height // 2, cameras.width // 2
    depths = {
        name: random.uniform(0.5, 4.0, (rows, columns)) * (random.random((rows, columns)) < 0.7)
        for name in cameras.names
    }
    for name, depth in depths.items():
        write_array(scene.geometry / "stereo" / f"{name}.npy", depth)
    manager = _manager(scene)
    rays, batch = manager.next_train(0)
    outputs = manager.train_dataparser_outputs
    frame = outputs.metadata["frame"]
    ends = (rays.origins + rays.directions * batch["distance"][:, None]).double().numpy()
    for index, end in enumerate(ends):
        camera = cameras.subset([outputs.metadata["view_names"][int(rays.camera_indices[index])]])[0]
        row, column = _pixel(camera, frame.rotation.T @ rays.directions[index].double().numpy())
        depth = depths[camera.name][row * rows // camera.height, column * columns // camera.width]
        assert (batch["distance"][index] > 0) == (depth > 0)
        if depth > 0:
            point = camera.points_world(np.full((camera.height, camera.width), depth))[row, column]
            assert end == pytest.approx(frame.points(point), abs=1e-4)
    assert "distance" not in manager.next_train(WARMUP_STEPS)[1]


def _pixel(camera: Camera, direction_world: np.ndarray) -> tuple[int, int]:
    x, y, z = camera.camera_to_world[:3, :3].T @ direction_world
    fx, fy, cx, cy = camera.intrinsics
    row, column = cy - fy * y / -z - 0.5, cx + fx * x / -z - 0.5
    assert (row, column) == pytest.approx((round(row), round(column)), abs=1e-3)
    return round(row), round(column)


def test_held_out_photos_are_not_kept_in_memory_as_floats(tiny_scene: Scene) -> None:
    config = RelightDataManagerConfig(dataparser=RelightDataParserConfig(data=tiny_scene.root, eval_every=0))
    manager = config.setup(device="cpu", test_mode="val", world_size=1, local_rank=0)
    assert len(manager.eval_dataset) == len(tiny_scene.cameras())
    assert not manager.eval_image_dataloader.cache_all_images
    assert manager.images.dtype == torch.uint8
