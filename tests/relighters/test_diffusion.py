import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_models import controlled_model, write_light_sets, write_tiny_base

from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.errors import InputError
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import SceneViews
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image
from relightnerf.lights import reference_lights
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.synthesize import Synthesize
from relightnerf.relighters import load_relighter, relighter_name
from relightnerf.scene import Scene
from relightnerf.training.config import ControlNetRun, NetworkConfig
from relightnerf.training.controlnet import train_controlnet

ALL_PARTS = ("rgb", "depth", "normal", "shading", "shadow")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with every part of the condition image, trained for six steps."""
    folder = tmp_path_factory.mktemp("trained")
    run = ControlNetRun(
        data=write_light_sets(folder / "sets"),
        output=folder / "run",
        size=(32, 32),
        steps=6,
        batch=4,
        learning_rate=2e-2,
        workers=0,
        parts=ALL_PARTS,
        network=NetworkConfig(channels=(4, 8)),
        codec="ratio",
    )
    train_controlnet(run)
    return folder / "run" / "model"


@pytest.fixture(scope="module")
def on_a_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ControlNet with random weights on a base in miniature."""
    folder = tmp_path_factory.mktemp("based")
    controlled_model(write_tiny_base(folder / "base")).save(folder / "model")
    return folder / "model"


@pytest.mark.parametrize("model", ["trained", "on_a_base"])
def test_a_view_follows_light_and_seed_and_nothing_else(
    model: str, tiny_scene: Scene, request: pytest.FixtureRequest
) -> None:
    folder = str(request.getfixturevalue(model))
    view, rays = SceneViews(tiny_scene)[0], RayScene.load(tiny_scene.mesh_path)
    directions = reference_lights().directions_world(view.camera.camera_to_world)[[0, 3, 5]]

    def relit(**options: object) -> np.ndarray:
        relighter = load_relighter(folder, "cpu", DiffusionOptions(steps=2, **options))
        relighter.fit([view], rays)
        return relighter.relight(view, rays, directions)

    first = relit()
    assert first.shape == (3, *view.image.shape)
    assert first.dtype == np.float32 and first.min() >= 0.0 and first.max() <= 1.0
    assert np.array_equal(first, relit())
    assert np.abs(first[0] - first[1]).max() > 1e-3
    assert np.abs(first - relit(seed=1)).max() > 1e-3
    assert np.allclose(first, relit(lights_per_batch=2), atol=1e-4)
    assert np.allclose(first, relit(precision="bfloat16"), atol=0.1)


def test_synthesize_goes_through_the_stages_and_resumes(
    trained: Path, tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], capsys: pytest.CaptureFixture[str]
) -> None:
    scene = copy_scene(tiny_scene)
    stage = Synthesize(scene.root, relighter=str(trained), device="cpu", diffusion=DiffusionOptions(steps=2))
    stage.run()
    assert "pictures/s" in capsys.readouterr().out
    folder = scene.relit("model")
    manifest = read_json(folder / "manifest.json")
    assert manifest["parameters"]["diffusion"]["seed"] == 0
    assert sum(name.endswith("/diffusion_pytorch_model.safetensors") for name in manifest["inputs"]) == 2
    before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert len(before) == 8 * 18
    stage.run()
    assert "up to date" in capsys.readouterr().out
    # as if killed half way: no manifest, some pictures missing
    progress = {"recipe": manifest["recipe"]}
    (folder / "manifest.json").unlink()
    (folder / ".progress.json").write_text(str(progress).replace("'", '"'))
    for name in list(before)[::3]:
        (folder / name).unlink()
    stage.run()
    assert "going on" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.glob("*.png")} == before
    Match(scene.root, relighter=str(trained)).run()
    assert read_image(scene.matched / "v0__dir_0.png").shape == (24, 32, 3)
    replace(stage, diffusion=DiffusionOptions(steps=3)).run()
    assert any((folder / name).read_bytes() != content for name, content in before.items())


def test_every_combination_of_flags_relights(trained: Path, tiny_scene: Scene) -> None:
    view, rays = SceneViews(tiny_scene)[1], RayScene.load(tiny_scene.mesh_path)
    directions = reference_lights().directions_world(view.camera.camera_to_world)[:2]
    for options in (
        DiffusionOptions(sampler="dpm++", steps=3),
        DiffusionOptions(sampler="ddim", eta=1.0, steps=2),
        DiffusionOptions(size=(48, 36), tiling=True, steps=1),
    ):
        relighter = load_relighter(str(trained), "cpu", options)
        relighter.fit([view], rays)
        assert np.isfinite(relighter.relight(view, rays, directions)).all()
        assert "pictures/s" in str(relighter.report)


def test_names_and_errors(trained: Path, tmp_path: Path) -> None:
    assert relighter_name("shading") == "shading"
    assert relighter_name(str(trained)) == "model"
    assert relighter_name("someone/sun-lamp") == "sun-lamp"
    assert load_relighter("shading").name == "shading"
    with pytest.raises(InputError, match="sunlamp"):
        load_relighter("sunlamp")
    with pytest.raises(InputError, match="someone/sun-lamp.*hub"):
        load_relighter("someone/sun-lamp")
    with pytest.raises(InputError, match="relighter.json"):
        load_relighter(str(tmp_path))
    shutil.copytree(trained, tmp_path / "broken")
    (tmp_path / "broken" / "relighter.json").write_text("{")
    with pytest.raises(InputError, match="not valid JSON"):
        load_relighter(str(tmp_path / "broken"))
