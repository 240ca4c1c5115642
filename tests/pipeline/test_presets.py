"""Presets of the fits: a manifest gives the flags back, and the relightable field is as large as its base."""

from pathlib import Path

import pytest

from relightnerf.field.checkpoints import model_state, newest_checkpoint, run_folder
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.geometry import STEPS, Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.synthesize import Synthesize


@pytest.mark.parametrize("preset", list(STEPS))
@pytest.mark.parametrize("steps", [None, 7, STEPS["full"], STEPS["large"]])
def test_recorded_parameters_give_the_same_stage(
    tiny_capture: Path, tmp_path: Path, preset: str, steps: int | None
) -> None:
    Prepare(tiny_capture, tmp_path / "scene").run()
    stage = Geometry(tmp_path / "scene", preset=preset, steps=steps).stage()
    again = Geometry.from_parameters(tmp_path / "scene", stage.parameters)
    assert again.stage().parameters == stage.parameters
    assert again.preset == ("large" if preset == "large" else "full" if steps == STEPS["full"] else again.preset)


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
