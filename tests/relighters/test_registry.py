"""Relighters by name, those of other installed packages among them."""

import importlib
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
from relightnerf.pipeline.synthesize import Synthesize
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

def exiting(device):
    raise SystemExit("no licence")

def without_fit(device):
    class Nothing:
        name, parameters, inputs, report = "without_fit", {}, (), None
    return Nothing()

def without_file(device):
    relighter = Darker(device)
    relighter.name, relighter.inputs = "without_file", ["absent.bin"]
    return relighter

class Faulty(Darker):
    def __init__(self, device):
        super().__init__(device)
        self.name = "faulty"

    def relight(self, view, rays, directions_world):
        relit = super().relight(view, rays, directions_world)
        return FAULTS[FAULT](relit)

FAULT = ""
FAULTS = {
    "few": lambda relit: relit[:-1],
    "flat": lambda relit: relit[..., 0],
    "bytes": lambda relit: (255 * relit).astype(np.uint8),
    "nan": lambda relit: np.full_like(relit, np.nan),
    "raise": lambda relit: relit["absent"],
}
"""
NAMES = {"darker": "Darker", "faulty": "Faulty", "misnamed": "misnamed", "broken": "broken", "exiting": "exiting"}
NAMES |= {"without_fit": "without_fit", "without_file": "without_file", "compact": "Darker"}
POINTS = "[relightnerf.relighters]\n" + "".join(f"{name} = lamps:{value}\n" for name, value in NAMES.items())


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
    with pytest.raises(InputError, match=r"exiting: lamps:exiting cannot be loaded \(SystemExit: no licence\)"):
        load_relighter("exiting", "cpu")
    with pytest.raises(InputError, match="without_fit has no fit, relight"):
        load_relighter("without_fit", "cpu")
    with pytest.raises(InputError, match=r"its file absent.bin is absent"):
        relighter_recipe("without_file")
    others = "broken, darker, exiting, faulty, misnamed, without_file, without_fit"
    with pytest.raises(InputError, match=f"Give compact, shading, {others}, or a folder"):
        load_relighter("sunlamp", "cpu")


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("fault", "what"),
    [
        ("few", r"its pictures are \(17, 24, 32, 3\), and not \(18, 24, 32, 3\)"),
        ("flat", r"its pictures are \(18, 24, 32\), and not"),
        ("bytes", r"its pictures \(uint8\) are not finite floats"),
        ("nan", r"its pictures \(float32\) are not finite floats"),
        ("raise", r"--relighter faulty: relight \(IndexError: "),
    ],
)
def test_what_is_wrong_with_its_pictures_is_said_in_one_line(
    fault: str, what: str, tiny_scene: Scene, copy_scene: Callable[[Scene], Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("lamps"), "FAULT", fault)
    with pytest.raises(InputError, match=what):
        Synthesize(copy_scene(tiny_scene).root, "faulty", device="cpu").run()


def test_one_that_two_packages_offer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        info = tmp_path / name / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[relightnerf.relighters]\nsunlamp = {name}:Lamp\n")
        monkeypatch.syspath_prepend(str(tmp_path / name))
    with pytest.raises(InputError, match=r"several packages offer it \(one:Lamp, two:Lamp\)"):
        load_relighter("sunlamp", "cpu")


def test_names_of_this_package_cannot_be_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "thief-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thief\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[relightnerf.relighters]\nshading = nowhere:Thief\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert type(load_relighter("shading", "cpu")).__module__ == "relightnerf.relighters.shading"
