import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from lit_scenes import write_lit_scene

from relightnerf.errors import InputError
from relightnerf.imaging.color import to_uint8
from relightnerf.io.files import read_json
from relightnerf.io.images import read_image, write_image
from relightnerf.relighters import shading
from relightnerf.relighters.capture_light import (
    CaptureLightSettings,
    PatchSettings,
    SearchSettings,
    estimate_capture_light,
)
from relightnerf.training.benchmark.relighting_report import TRUTH, PairScores, summary

SCRIPT = Path(__file__).parents[2] / "scripts" / "evaluate_relighter.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location(SCRIPT.stem, SCRIPT)
    module = sys.modules[SCRIPT.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def quick_shading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for the light of a photo in fewer directions and pixels: its accuracy is tested elsewhere."""
    quick = CaptureLightSettings(PatchSettings(pairs=2000), search=SearchSettings(candidates=60))
    monkeypatch.setattr(shading, "estimate_capture_light", partial(estimate_capture_light, settings=quick))


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rendered scenes in `set`, and a bumpy square under six lights in `real`."""
    root = tmp_path_factory.mktemp("inputs")
    for seed in range(2):
        write_lit_scene(root / "set" / f"scene_{seed}", seed)
    x, y = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(1, -1, 40))
    normal = np.stack([0.5 * np.sin(4 * x), 0.5 * np.sin(3 * y), np.ones_like(x)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    turn = np.arange(6) * np.pi / 3
    lights = np.stack([0.6 * np.cos(turn), 0.6 * np.sin(turn), np.full(6, 0.8)], axis=-1)
    mask = np.pad(np.ones((32, 32), bool), 4)
    for index, light in enumerate(lights):
        photo = np.where(mask, 0.7 * np.maximum(normal @ light, 0.0), 0.0)
        write_image(root / "real" / "dune" / f"dune.{index}.png", to_uint8(photo[..., None] * [1.0, 0.8, 0.6]))
    write_image(root / "real" / "dune" / "dune.mask.png", np.where(mask, 255, 0).astype(np.uint8))
    lines = [" ".join(map(str, light)) for light in lights]
    (root / "real" / "lights.txt").write_text("\n".join(["6", *lines]))
    return root


def test_sets_and_real_objects_are_relit_and_scored(
    script: ModuleType, inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    script.EvaluateRelighter(output, inputs / "set", inputs / "real", sources=1, compact=None).run()
    report = read_json(output / "evaluation.json")
    groups = report["groups"]
    assert list(groups) == ["set", "photometric", "dune"]
    assert list(groups["set"]) == ["truth", "identity", "shading"]
    assert [groups[group]["shading"]["pairs"] for group in groups] == [6, 5, 5]
    for group in ("set", "dune"):
        rows = groups[group]
        assert rows["truth"]["direction_error_deg"] < 3.0 < rows["identity"]["direction_error_deg"]
        assert rows["shading"]["psnr_scaled"] > rows["identity"]["psnr_scaled"]
    assert groups["set"]["truth"]["shadow_iou"] == 1.0 > groups["set"]["identity"]["shadow_iou"]
    assert "shadow_iou" not in groups["dune"]["shading"]
    table = (output / "evaluation.md").read_text()
    assert table in capsys.readouterr().out and "| dune | 5 | shading |" in table
    for name in ("set_typical", "set_worst", "dune_typical", "dune_worst"):
        assert min(read_image(output / f"{name}.png").shape[:2]) > 40
    assert len(list((output / "pictures" / "shading").glob("*.png"))) == 11
    assert len(report["pairs"]) == 3 * 11


def test_the_same_flags_give_the_same_pictures_and_inexact_geometry_others(
    script: ModuleType, inputs: Path, tmp_path: Path
) -> None:
    pictures = []
    for name, geometry in (("a", "true"), ("b", "true"), ("field", "field")):
        script.EvaluateRelighter(tmp_path / name, inputs / "set", scenes=1, geometry=geometry, compact=None).run()
        pictures.append({p.name: p.read_bytes() for p in (tmp_path / name / "pictures" / "shading").glob("*")})
    a, b, field = pictures
    assert a == b and len(a) == 3
    assert a.keys() == field.keys() and a != field


def test_lights_that_the_truth_does_not_tell_are_left_out_of_one_mean() -> None:
    errors = {TRUTH: (2.0, 40.0, 9.0), "shading": (5.0, 90.0, 15.0)}
    results = [
        PairScores(("set",), row, "photo", f"l{i}", (0.0, 0.0, 1.0), {"direction_error_deg": error})
        for row, of_lights in errors.items()
        for i, error in enumerate(of_lights)
    ]
    row = summary(results)["set"]["shading"]
    assert row["direction_error_deg"] == pytest.approx(110.0 / 3) and row["direction_error_told_deg"] == 10.0
    assert "direction_error_told_deg" not in summary(results[1:2] + results[4:5])["set"]["shading"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({}, "nothing to relight. Give --set, --photometric, or both."),
        ({"set": Path("absent")}, "absent: no scenes"),
        ({"photometric": Path("absent")}, "lights.txt: no such file"),
        ({"scenes": 0}, "--scenes 0: not a single one"),
        ({"sources": 0}, "--sources 0: not a single one"),
        ({"models": ("identity=x",)}, "--models identity=x: not NAME=PATH with a new name"),
        ({"models": ("other=absent",)}, "unknown relighter 'absent'"),
        ({"lpips_weights": Path("absent.pth")}, "absent.pth: no such file"),
    ],
)
def test_bad_input_is_named_before_anything_is_written(
    script: ModuleType, inputs: Path, tmp_path: Path, flags: dict[str, object], message: str
) -> None:
    given = {"set": inputs / "set", **flags} if flags.keys() - {"set", "photometric"} else flags
    with pytest.raises(InputError) as caught:
        script.EvaluateRelighter(tmp_path / "out", **given, compact=None).run()
    assert message in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_command_says_in_one_line_what_it_cannot_use(tmp_path: Path) -> None:
    command = [sys.executable, SCRIPT, "--output", tmp_path, "--set", tmp_path / "absent", "--compact", "None"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "no scenes" in done.stderr and done.stderr.count("\n") == 1
