"""Gaussians that follow the light: splatted like elsewhere, fitted by nerfstudio's trainer, rendered like any field."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from servers import served_viewer
from splat_pictures import splat_picture

from relightnerf.cameras import Camera
from relightnerf.cli import main
from relightnerf.errors import InputError
from relightnerf.field.checkpoints import run_folder
from relightnerf.field.dataparser import nerfstudio_cameras, scene_frame
from relightnerf.field.fitting import train
from relightnerf.field.frame import FieldFrame
from relightnerf.field.loading import field_renderer, load_renderer
from relightnerf.field.renderer import FieldRenderer
from relightnerf.field.splats.model import SplatModel, SplatModelConfig
from relightnerf.field.splats.rasterizer import SplatCamera, splat, splat_densely
from relightnerf.field.splats.renderer import SplatRenderer
from relightnerf.io.gaussians import Gaussians, save_gaussians
from relightnerf.io.images import read_image
from relightnerf.lights import Lighting, rotation_between
from relightnerf.methods.runs import run_config
from relightnerf.methods.splats import relightnerf_splat
from relightnerf.scene import Scene

LIGHT = np.array([0.48, 0.6, 0.64])
CAMERA = Camera("c", np.eye(4), np.array([30.0, 32.0, 16.0, 12.0]), 32, 24)


def _some(count: int = 30) -> Gaussians:
    random = np.random.default_rng(5)
    return Gaussians(
        random.uniform([-0.8, -0.6, -3.0], [0.8, 0.6, -1.0], (count, 3)),
        random.uniform(0.02, 0.3, (count, 3)),
        random.normal(size=(count, 4)),
        random.uniform(0.2, 0.99, count),
        random.random((count, 3)),
    )


def _tensors(gaussians: Gaussians) -> list[torch.Tensor]:
    parts = (gaussians.means, gaussians.rotations, gaussians.scales, gaussians.opacities, gaussians.colors)
    return [torch.as_tensor(part, dtype=torch.float32) for part in parts]


def _opencv(camera: Camera) -> SplatCamera:
    fx, fy, cx, cy = camera.intrinsics
    world_to_camera = np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(camera.camera_to_world)
    intrinsics = torch.tensor([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]], dtype=torch.float32)
    return SplatCamera(torch.as_tensor(world_to_camera, dtype=torch.float32), intrinsics, camera.width, camera.height)


def test_the_dense_twin_makes_the_picture_that_viewers_make() -> None:
    seen = splat(*_tensors(_some()), _opencv(CAMERA))
    picture, opaque = splat_picture(_some(), CAMERA)
    assert opaque.max() > 0.95
    np.testing.assert_allclose(seen.opacity[..., 0], opaque, atol=5e-3)
    np.testing.assert_allclose(seen.features, picture, atol=5e-3)


def test_depth_is_the_mean_along_the_axis() -> None:
    wall = Gaussians(
        np.array([[0.0, 0.0, -2.5]]), np.array([[5.0, 5.0, 0.01]]), np.eye(4)[:1], np.array([0.7]), np.ones((1, 3))
    )
    np.testing.assert_allclose(splat(*_tensors(wall), _opencv(CAMERA)).depth, 2.5, atol=1e-5)


def test_a_large_picture_of_many_gaussians_asks_for_cuda() -> None:
    many = [tensor.expand(40, *tensor.shape).flatten(0, 1) for tensor in _tensors(_some(1000))]
    camera = _opencv(CAMERA)
    with pytest.raises(InputError, match="too many to splat without CUDA"):
        splat(*many, SplatCamera(camera.world_to_camera, camera.intrinsics, 256, 256))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="gsplat's kernels need CUDA")
def test_gsplat_and_its_dense_twin_agree_with_their_gradients() -> None:
    results = []
    for device, function in (("cpu", splat_densely), ("cuda", splat)):
        inputs = [tensor.to(device).requires_grad_() for tensor in _tensors(_some())]
        camera = _opencv(CAMERA)
        camera = SplatCamera(camera.world_to_camera.to(device), camera.intrinsics.to(device), 32, 24)
        seen = function(*inputs, camera)
        (seen.features.square().sum() + seen.opacity.sum()).backward()
        results.append([seen.features, seen.opacity, seen.depth, *(tensor.grad for tensor in inputs)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach().cpu(), rtol=1e-2, atol=1e-2)


def _model(**metadata: object) -> SplatModel:
    from nerfstudio.data.scene_box import SceneBox

    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    config = SplatModelConfig(seeds=metadata.pop("seeds", None), num_random=50)
    return config.setup(scene_box=box, num_train_data=2, metadata=metadata).eval()


def test_seeds_are_where_they_were_in_the_capture_s_world(tmp_path: Path) -> None:
    turn = rotation_between(np.array([0.0, 0.0, 1.0]), np.array([0.6, -0.64, 0.48]))
    frame = FieldFrame(turn, np.array([0.3, -0.2, 0.1]), 2.5)
    plain = _some()
    opaque = Gaussians(plain.means, plain.scales, plain.rotations, np.full(30, 0.9), np.full((30, 3), [0.2, 0.5, 0.7]))
    save_gaussians(tmp_path / "seeds.ply", opaque)
    renderer = field_renderer(_model(seeds=tmp_path / "seeds.ply", frame=frame), frame)
    assert isinstance(renderer, SplatRenderer)
    seen = renderer.features(CAMERA)
    direct = splat(*_tensors(opaque), _opencv(CAMERA))
    whole = direct.opacity.numpy()[..., 0] > 0.98
    assert whole.sum() > 20
    np.testing.assert_allclose(renderer.relight(seen)[whole], np.tile([0.2, 0.5, 0.7], (whole.sum(), 1)), atol=0.02)
    depth = direct.depth.numpy()[..., 0]
    np.testing.assert_allclose(renderer.depth(CAMERA)[whole], depth[whole], rtol=1e-4)
    points = seen.points.numpy().reshape(24, 32, 3)
    np.testing.assert_allclose(points[whole], frame.points(CAMERA.points_world(depth))[whole], atol=1e-3)


def test_a_state_of_another_number_of_gaussians_is_loaded() -> None:
    state = _model(light_directions=torch.zeros(2, 3, 3)).state_dict()
    state = {key: value[:20] if key.startswith("gauss_params") else value for key, value in state.items()}
    other = _model()
    before = other.gauss_params["means"]
    other.load_state_dict(state)
    assert other.gauss_params["means"] is before  # its optimizer still knows it
    assert len(before) == 20 and len(other.latents) == 6


@pytest.fixture(scope="module")
def fitted(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FieldRenderer]:
    """A run of the tiny scene on the CPU, by few Gaussians: its stage's folder, and a renderer of how it began."""
    folder = tmp_path_factory.mktemp("splats") / "field"
    config = run_config(tiny_scene, folder, 8, "matched", (60, 40), "cpu", "relightnerf-splat")
    config.pipeline.model.num_random = 250
    config.optimizers["means"]["optimizer"].lr = 0.01
    config.optimizers["scales"]["optimizer"].lr = 0.02
    torch.manual_seed(42)
    begun = config.pipeline.setup(device="cpu", test_mode="test").model
    train(config, "splats")
    return folder, field_renderer(begun, scene_frame(tiny_scene, tiny_scene.cameras()))


def _error(renderer: FieldRenderer, scene: Scene, view: int, light: str | None = None) -> float:
    camera = scene.cameras()[view]
    path = scene.image_path(camera.name)
    return float(np.square(renderer.relight(renderer.features(camera)) - read_image(path) / 255.0).mean())


def test_a_fit_comes_closer_to_the_photos(tiny_scene: Scene, fitted: tuple[Path, FieldRenderer]) -> None:
    folder, begun = fitted
    assert run_folder(folder).parent.name == "relightnerf-splat"
    after = load_renderer(tiny_scene, "cpu", folder)
    assert _error(after, tiny_scene, 0) < 0.6 * _error(begun, tiny_scene, 0)


def test_another_light_changes_the_picture(tiny_scene: Scene, fitted: tuple[Path, FieldRenderer]) -> None:
    renderer = load_renderer(tiny_scene, "cpu", fitted[0])
    seen = renderer.features(tiny_scene.cameras()[0])
    lights = (None, LIGHT, -LIGHT, Lighting.directional(LIGHT, 0.3), Lighting.point(renderer.center_world + LIGHT))
    pictures = [renderer.relight(seen, light) for light in lights]
    for index, picture in enumerate(pictures):
        assert all(np.abs(picture - other).mean() > 1e-3 for other in pictures[:index])


def test_the_light_s_part_is_trained_without_changing_the_rest(
    tiny_scene: Scene, tmp_path: Path, fitted: tuple[Path, FieldRenderer]
) -> None:
    pictures = []
    for name, folder in (("warm", tmp_path / "field"), ("whole", fitted[0])):
        if name == "warm":
            config = run_config(tiny_scene, folder, 8, "matched", (60, 0), "cpu", "relightnerf-splat")
            config.pipeline.model.num_random = 250
            config.optimizers["means"]["optimizer"].lr = 0.01
            config.optimizers["scales"]["optimizer"].lr = 0.02
            train(config, "splats")
        renderer = load_renderer(tiny_scene, "cpu", folder)
        pictures.append(renderer.relight(renderer.features(tiny_scene.cameras()[0])))
    np.testing.assert_allclose(*pictures, atol=1e-5)


def test_nerfstudio_s_pipeline_renders_a_view(tiny_scene: Scene, fitted: tuple[Path, FieldRenderer]) -> None:
    camera = tiny_scene.cameras()[0]
    renderer = load_renderer(tiny_scene, "cpu", fitted[0])
    frame = scene_frame(tiny_scene, tiny_scene.cameras())
    model = renderer._model
    shown = model.get_outputs_for_camera(nerfstudio_cameras(camera, frame))
    np.testing.assert_allclose(shown["rgb"], renderer.relight(renderer.features(camera)), atol=1e-5)
    assert shown["depth"].shape == (camera.height, camera.width, 1)
    scores, images = model.get_image_metrics_and_images(shown, {"image": shown["rgb"]})
    assert scores["ssim"] == pytest.approx(1.0, abs=1e-4) and "img" in images


def test_the_viewer_shows_splats(
    tiny_scene: Scene, fitted: tuple[Path, FieldRenderer], copy_scene: Callable[[Scene], Scene]
) -> None:
    scene = copy_scene(tiny_scene)
    shutil.copytree(fitted[0] / "relightnerf-splat", scene.field / "relightnerf-splat")
    shutil.rmtree(scene.field / "relightnerf")
    with served_viewer(scene) as viewer:
        assert b"<html" in viewer.page.lower()


def test_fitting_splats_needs_cuda(tiny_scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--scene", str(tiny_scene.root), "--method", "relightnerf-splat", "--device", "cpu"]
    assert main(["fit", *flags]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert "needs CUDA" in printed.err


def test_nerfstudio_is_given_the_method() -> None:
    assert relightnerf_splat.config.method_name == "relightnerf-splat"
    groups = set(_model(light_directions=torch.zeros(2, 3, 3)).get_param_groups())
    assert groups == set(relightnerf_splat.config.optimizers)
