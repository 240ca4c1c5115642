"""What a step trains on: drawn from the step's number alone, never from a held-out view, each pixel with its light."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from relightnerf.cameras import Camera
from relightnerf.field.datamanager import RelightDataManager, RelightDataManagerConfig
from relightnerf.field.dataparser import RelightDataParserConfig
from relightnerf.io.images import read_image, write_array
from relightnerf.lights import load_lights
from relightnerf.pipeline.evaluate import held_out_views
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
    rays, batch = manager.next_train(step)
    every = [rays.origins, rays.directions, rays.camera_indices]
    if "step" in rays.metadata:
        every = [values[rays.metadata["step"]] for values in (*every, rays.metadata["pictures"])]
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


def test_held_out_views_are_split_off_with_all_their_lights(tiny_scene: Scene) -> None:
    parser = RelightDataParserConfig(data=tiny_scene.root).setup()
    train, held_out = (parser.get_dataparser_outputs(split).metadata for split in ("train", "val"))
    assert list(held_out["view_names"]) == held_out_views(tiny_scene)
    assert sorted([*train["view_names"], *held_out["view_names"]]) == sorted(tiny_scene.cameras().names)
    views = {Path(path).name.split("__")[0] for row in train["relit_filenames"] for path in row}
    assert views == set(train["view_names"])


@pytest.mark.parametrize("step", [0, WARMUP_STEPS, WARMUP_STEPS + 3])
def test_every_colour_is_that_of_its_ray_s_pixel_under_its_light(tiny_scene: Scene, step: int) -> None:
    manager = _manager(tiny_scene)
    rays, batch = manager.next_train(step)
    outputs = manager.train_dataparser_outputs
    rotation = outputs.dataparser_transform[:, :3].double().numpy()
    lights = load_lights(tiny_scene.matched / "lights.json")
    for place, index in enumerate(range(len(rays))[rays.metadata.get("step", slice(None))]):
        view = outputs.metadata["view_names"][int(rays.camera_indices[index])]
        camera = tiny_scene.cameras().subset([view])[0]
        row, column = _pixel(camera, rotation.T @ rays.directions[index].double().numpy())
        if step < WARMUP_STEPS:
            expected = read_image(tiny_scene.image_path(view))[row, column]
        else:
            picture = rays.metadata["pictures"][index].numpy()
            assert (picture // len(lights.names) == int(rays.camera_indices[index])).all()
            asked = picture % len(lights.names)
            shown = outputs.metadata["light_directions"].flatten(0, 1)[picture].double().numpy() @ rotation
            assert lights.directions[asked] == pytest.approx(shown @ camera.camera_to_world[:3, :3], abs=1e-5)
            files = [tiny_scene.matched / f"{view}__{lights.names[light]}.png" for light in asked]
            expected = [read_image(file)[row, column] for file in files]
        assert batch["image"][place].numpy() * 255.0 == pytest.approx(np.array(expected, float), abs=1e-3)


def test_stereo_sees_no_held_out_photo(tiny_scene: Scene) -> None:
    seen = {path.stem for path in (tiny_scene.geometry / "stereo").iterdir()}
    assert seen == set(tiny_scene.cameras().names) - set(held_out_views(tiny_scene))
    assert seen and held_out_views(tiny_scene)


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
