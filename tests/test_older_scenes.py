"""Scenes that earlier versions made: they open, show what they showed, and can be brought to the newest format."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from relightnerf.cli import main
from relightnerf.errors import InputError
from relightnerf.field.optimizers import FusedAdamConfig
from relightnerf.field.splats.data import SplatDataManager, SplatDataManagerConfig
from relightnerf.field.splats.model import SplatModel, SplatModelConfig
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_image
from relightnerf.pipeline.render import Render
from relightnerf.scene import FORMAT, Scene
from relightnerf.status.scene_status import scene_rows

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data" / "relightnerf_0_1"
CHAIN = ["prepare", "geometry", "synthesize (shading)", "match", "fit"]
STATES = {"prepare": "complete", **dict.fromkeys(CHAIN[1:], "out of date")}
"""Version 0.2 finds surfaces in another way, so what rests on those of 0.1 may be made again."""
FLAGS = {
    "prepare": {"capture": "capture", "preset": "full", "max_size": None},
    "geometry": {"preset": "large", "steps": 20, "depth_source": "folder:capture/depth"},
    "synthesize (shading)": {"relighter": "shading"},
    "match": {"relighter": "shading", "consistency": True},
    "fit": {"steps": 30},
}
"""Those of the commands that made the scene, as far as its manifests tell them."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The scene and its capture, in the folder where the commands are given."""
    shutil.copytree(DATA, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _states() -> dict[str, str]:
    return {row.name: row.status.state for row in scene_rows(Path("scene")) if row.name in CHAIN}


def test_status_reads_it_and_says_that_surfaces_are_found_better_now(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Scene.load(Path("scene")).format == 1
    rows = {row.name: row for row in scene_rows(Path("scene"))}
    assert {name: rows[name].status.state for name in CHAIN} == STATES
    for name, flags in FLAGS.items():
        assert {key: str(getattr(rows[name].command, key)) for key in flags} == {k: str(v) for k, v in flags.items()}
    assert main(["status", "--scene", "scene"]) == 0
    printed = capsys.readouterr().out
    assert "geometry: made by an older version" in printed and "next: relightnerf geometry --scene scene" in printed


def test_render_shows_what_that_version_showed(folder: Path) -> None:
    Render(Path("scene"), Path("out"), Path("cameras.json"), light=("30,40",), device="cpu").run()
    shown, expected = (read_image(path / "v0__az30_el40.png").astype(int) for path in (Path("out"), folder))
    assert np.abs(shown - expected).max() <= 1  # another processor may round otherwise


def test_upgrade_brings_it_to_the_newest_format_and_computes_nothing(folder: Path) -> None:
    scene = Path("scene")
    before = {path: path.read_bytes() for path in scene.rglob("*") if path.is_file() and path.suffix != ".json"}
    made = {path: path.stat().st_mtime for path in scene.rglob("manifest.json")}
    assert main(["upgrade", "--scene", "scene"]) == 0
    assert {path: path.stat().st_mtime for path in made} == made  # `status` tells a stage's age by it
    assert Scene.load(scene).format == FORMAT
    assert {path: path.read_bytes() for path in before} == before
    assert _states() == STATES
    for path in (scene / "geometry", scene / "relit" / "shading", scene / "matched", scene / "field"):
        record = read_json(path / "manifest.json")
        assert record["version"] == 1 and record["flags"]
    once = {path: path.read_bytes() for path in scene.rglob("*") if path.is_file()}
    assert main(["upgrade", "--scene", "scene"]) == 0
    assert {path: path.read_bytes() for path in scene.rglob("*") if path.is_file()} == once


def test_an_upgrade_that_was_stopped_is_finished_by_another(folder: Path) -> None:
    manifest = Path("scene/geometry/manifest.json")
    shutil.copytree("scene", "whole")
    main(["upgrade", "--scene", "whole"])
    shutil.copy("whole/geometry/manifest.json", manifest)  # done before it was stopped; scene.json comes last
    assert Scene.load(Path("scene")).format == 1
    main(["upgrade", "--scene", "scene"])
    for path in Path("scene").rglob("*.json"):
        assert path.read_bytes() == (Path("whole") / path.relative_to("scene")).read_bytes()


def test_classes_that_config_files_name_by_their_former_modules_are_those_of_today() -> None:
    config = yaml.load((DATA / "splats" / "config.yml").read_text(), Loader=yaml.Loader)
    assert type(config.pipeline.model) is SplatModelConfig and config.pipeline.model._target is SplatModel
    manager = config.pipeline.datamanager
    assert type(manager) is SplatDataManagerConfig and manager._target is SplatDataManager
    config = yaml.load((DATA / "scene/field/relightnerf/run/config.yml").read_text(), Loader=yaml.Loader)
    assert type(config.optimizers["density"]["optimizer"]) is FusedAdamConfig


def test_nerfstudio_renders_it(folder: Path) -> None:
    config = Path("scene/field/relightnerf/run/config.yml")
    text = config.read_text().replace("- /\n- srv\n- old\n", "".join(f"- {part}\n" for part in folder.parts))
    config.write_text(text)  # it names the folder where the scene was made
    program = "import sys; from nerfstudio.scripts.render import entrypoint; sys.argv[0] = 'ns-render'; entrypoint()"
    flags = ["dataset", "--load-config", str(config), "--output-path", "rendered", "--split", "test"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run([sys.executable, "-c", program, *flags], env=environment, check=True, timeout=300)
    assert list(Path("rendered").rglob("*.jpg")) or list(Path("rendered").rglob("*.png"))


@pytest.mark.parametrize(
    ("number", "what"), [(FORMAT + 1, "newer"), (0, "format"), ("one", "format"), (None, "format")]
)
def test_other_formats_are_refused_in_words(folder: Path, number: object, what: str) -> None:
    path = Path("scene/scene.json")
    write_json(path, {**read_json(path), "format": number})
    for command in ("status", "upgrade"):
        content = path.read_bytes()
        code = main([command, "--scene", "scene"])
        assert code == 2 or (command == "status" and what != "newer")
        assert path.read_bytes() == content
    with pytest.raises(InputError, match="newer" if number == FORMAT + 1 else "format"):
        Scene.load(Path("scene"))
