"""Damaged files are named in one line before anything is cleared, and there is a way on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relightnerf.errors import InputError
from relightnerf.field.checkpoints import newest_checkpoint, run_folder
from relightnerf.field.loading import load_renderer
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import write_image
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.geometry import Geometry, base_field
from relightnerf.pipeline.prepare import Prepare
from relightnerf.scene import Scene
from relightnerf.status.former import upgrade
from relightnerf.status.scene_status import scene_rows

CopyScene = Callable[[Scene], Scene]


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _replace(path: Path, content: bytes) -> None:
    path.unlink()  # the file may be a link to another scene's
    path.write_bytes(content)


@pytest.mark.parametrize("shape", [(5, 7), None])
@pytest.mark.parametrize("stage", [Geometry, Fit])
def test_masks_that_cannot_be_used(
    stage: type[Geometry] | type[Fit], shape: tuple[int, int] | None, tiny_scene: Scene, copy_scene: CopyScene
) -> None:
    scene = copy_scene(tiny_scene)
    for name in scene.cameras().names[: 1 if shape else None]:
        mask = np.zeros((*(shape or (scene.height, scene.width)), 3), np.uint8)
        write_image(scene.capture / "masks" / f"{name}.png", mask)
    before = _files(scene.root)
    with pytest.raises(InputError, match="7x5" if shape else "leave out every pixel"):
        stage(scene.root, steps=5, device="cpu", force=True).run()
    assert _files(scene.root) == before


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_base_field_that_is_cut_off(size: int, tiny_scene: Scene, copy_scene: CopyScene) -> None:
    scene = copy_scene(tiny_scene)
    checkpoint = newest_checkpoint(run_folder(base_field(scene)))
    assert checkpoint is not None
    _replace(checkpoint, checkpoint.read_bytes()[:size])
    before = _files(scene.root)
    with pytest.raises(InputError, match=rf"{checkpoint.name}: not a whole checkpoint"):
        Fit(scene.root, steps=5, device="cpu").run()
    assert _files(scene.root) == before


@pytest.mark.parametrize(
    "text", ["", "only text", "- 1\n- 2", "!!python/object:relightnerf.nothing.Foo {}", "a: [1", b"\xff\xfe\x00"]
)
def test_settings_that_cannot_be_read(text: str | bytes, tiny_scene: Scene, copy_scene: CopyScene) -> None:
    scene = copy_scene(tiny_scene)
    _replace(run_folder(scene.field) / "config.yml", text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError, match=r"config.yml: "):
        load_renderer(scene, "cpu")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: {**content, "format": "2"},
        lambda content: {**content, "format": True},
        lambda content: {**content, "source": None},
        lambda content: {**content, "width": "24"},
        lambda content: {**content, "height": -1},
        lambda content: {**content, "world_up": [0, 0, 0]},
        lambda content: {key: value for key, value in content.items() if key != "name"},
    ],
)
def test_prepare_mends_a_scene_json(
    damage: Callable[[dict[str, object]], object], tiny_scene: Scene, copy_scene: CopyScene
) -> None:
    scene = copy_scene(tiny_scene)
    path = scene.root / "scene.json"
    before, capture = path.read_bytes(), _files(scene.capture)
    _replace(path, b"")
    write_json(path, damage(read_json(tiny_scene.root / "scene.json")))
    with pytest.raises(InputError, match="repare the capture again|world_up: direction"):
        Scene.load(scene.root)
    assert scene_rows(scene.root)[0].status.state == "broken"
    Prepare(Path(scene.source), scene.root, "quick").run()
    assert path.read_bytes() == before
    assert {name: data for name, data in _files(scene.capture).items() if name.suffix == ".png"} == {
        name: data for name, data in capture.items() if name.suffix == ".png"
    }


def test_an_upgrade_names_what_is_no_manifest(tiny_scene: Scene, copy_scene: CopyScene) -> None:
    scene = copy_scene(tiny_scene)
    path = scene.geometry / "manifest.json"
    _replace(path, b"")
    write_json(path, {"stage": "geometry", "parameters": {}})
    with pytest.raises(InputError, match=r"geometry/manifest.json: not a manifest of geometry"):
        upgrade(scene)
