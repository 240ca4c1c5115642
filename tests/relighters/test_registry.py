"""Relighters by name, those of other installed packages among them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from relightnerf.cli import main
from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image
from relightnerf.pipeline.match import Match
from relightnerf.relighters import keeps_colours, load_relighter, relighter_recipe
from relightnerf.scene import Scene

MODULE = """
import numpy as np

class Darker:
    inputs, report = (), None

    def __init__(self, device):
        self.name, self.device, self.parameters = "darker", device, {"factor": 0.5}

    def fit(self, views, rays):
        self.views = len(views)

    def relight(self, view, rays, directions_world):
        return np.repeat(0.5 * view.image[None], len(directions_world), axis=0)

def misnamed(device):
    relighter = Darker(device)
    relighter.name = "other"
    return relighter

def broken(device):
    raise RuntimeError("no lamp\\nat all")
"""
POINTS = "[relightnerf.relighters]\ndarker = lamps:Darker\nmisnamed = lamps:misnamed\nbroken = lamps:broken\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package that is installed and offers relighters."""
    site, info = tmp_path / "site", tmp_path / "site" / "lamps-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "lamps.py").write_text(MODULE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("lamps", None)


@pytest.mark.usefixtures("package")
def test_a_relighter_of_another_package_is_found_and_its_pictures_are_matched(
    tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]
) -> None:
    scene = copy_scene(tiny_scene)
    assert relighter_recipe("darker").parameters == {"factor": 0.5}
    assert not keeps_colours("darker")
    flags = ["--scene", str(scene.root), "--relighter", "darker"]
    assert main(["synthesize", *flags, "--device", "cpu"]) == 0
    assert read_json(scene.relit("darker") / "manifest.json")["parameters"]["factor"] == 0.5
    picture, photo = read_image(scene.relit("darker") / "v0__dir_10.png"), read_image(scene.image_path("v0"))
    assert np.abs(picture.astype(float) - 0.5 * photo).max() <= 0.5
    assert Match(scene.root, "darker").stage().parameters["mode"] == "joint"
    assert main(["match", *flags, "--no-consistency"]) == 0


@pytest.mark.usefixtures("package")
def test_one_that_cannot_be_loaded_is_named_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"broken: lamps:broken cannot be loaded \(RuntimeError: no lamp\)"):
        load_relighter("broken", "cpu")
    with pytest.raises(InputError, match="calls itself 'other'"):
        load_relighter("misnamed", "cpu")
    with pytest.raises(InputError, match="Give compact, shading, broken, darker, misnamed, or a folder"):
        load_relighter("sunlamp", "cpu")


def test_names_of_this_package_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "thief-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[relightnerf.relighters]\nshading = nowhere:Thief\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(load_relighter("shading", "cpu")).__module__ == "relightnerf.relighters.shading"
