"""Presets of the fits: a manifest gives the flags back, and the relightable field is as large as its base."""

from pathlib import Path

import pytest

from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.field.checkpoints import model_state, newest_checkpoint, run_folder
from relightnerf.io.files import plain_json
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.flags import restored, stored_flags
from relightnerf.pipeline.geometry import STEPS, Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.synthesize import Synthesize
from relightnerf.status.former import recorded_flags


@pytest.mark.parametrize("preset", list(STEPS))
@pytest.mark.parametrize("steps", [None, 7, STEPS["full"], STEPS["large"]])
def test_a_manifest_gives_back_the_flags(tiny_capture: Path, tmp_path: Path, preset: str, steps: int | None) -> None:
    Prepare(tiny_capture, tmp_path / "scene").run()
    command = Geometry(tmp_path / "scene", preset=preset, steps=steps)
    assert restored(Geometry, tmp_path / "scene", command.stage().flags) == command
    former = recorded_flags("geometry", {"parameters": command.stage().parameters})  # as manifests of 0.1 tell them
    assert restored(Geometry, tmp_path / "scene", former).stage().parameters == command.stage().parameters


def test_flags_of_every_kind_come_back(tmp_path: Path) -> None:
    options = DiffusionOptions(size=(96, 64), without=("shadow",), seed=3)
    command = Synthesize(tmp_path, "models/mine", tmp_path / "lights.json", "cpu", options)
    flags = stored_flags(command)
    assert flags == plain_json(flags)
    assert restored(Synthesize, tmp_path, flags) == command
    assert restored(Synthesize, tmp_path, {**flags, "of a later version": 1}) == command


def test_a_fit_is_as_large_as_its_base(tiny_capture: Path, tmp_path: Path) -> None:
    root = tmp_path / "scene"
    Prepare(tiny_capture, root).run()
    Geometry(root, preset="large", steps=3, depth_source=f"folder:{tiny_capture / 'depth'}", device="cpu").run()
    Synthesize(root, relighter="shading", device="cpu").run()
    Match(root, relighter="shading", consistency=False).run()
    Fit(root, steps=2, device="cpu").run()
    base, fit = (
        model_state(newest_checkpoint(run_folder(folder))) for folder in (root / "geometry" / "field", root / "field")
    )
    assert base["density.values"].shape[-1] == fit["density.values"].shape[-1] == 200
    assert base["light_features.planes"].shape == fit["light_features.planes"].shape == (3, 256, 256, 16)
