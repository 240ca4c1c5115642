"""The relighter that comes with the package: its weights, and that it does what it says on a scene with known truth."""

from pathlib import Path

import numpy as np
import pytest
from lit_scenes import write_lit_scene

import relightnerf
from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.evaluation.metrics import psnr, scaled
from relightnerf.lights import reference_lights
from relightnerf.relighters import Relighter, load_relighter
from relightnerf.training.benchmark.relit_cases import RelitCase, set_case

WEIGHTS = Path(relightnerf.__file__).parent / "weights" / "compact"


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> RelitCase:
    scene = write_lit_scene(tmp_path_factory.mktemp("lit"), 3)
    return set_case(scene, np.random.default_rng(0))


@pytest.fixture(scope="module")
def compact(case: RelitCase) -> Relighter:
    relighter = load_relighter("compact", "cpu")
    relighter.fit([case.view], case.rays)
    return relighter


def test_the_weights_are_in_the_package_and_small() -> None:
    files = [path for path in WEIGHTS.rglob("*") if path.is_file()]
    assert {"relighter.json", "README.md", "codec.json"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) < 40e6
    assert not any("_name_or_path" in path.read_text() for path in files if path.suffix == ".json")


def test_it_is_nearer_to_the_truth_than_the_photo(case: RelitCase, compact: Relighter) -> None:
    relit = compact.relight(case.view, case.rays, case.lights.directions)
    assert relit.dtype == np.float32 and relit.min() >= 0 and relit.max() <= 1
    truth = case.truths
    ours = [psnr(scaled(a, b), b) for a, b in zip(relit, truth, strict=True)]
    untouched = [psnr(scaled(case.view.image, b), b) for b in truth]
    assert np.mean(ours) > np.mean(untouched) + 2.0


def test_lights_do_not_depend_on_their_company(case: RelitCase, compact: Relighter) -> None:
    directions = reference_lights().directions[:5]
    together = compact.relight(case.view, case.rays, directions)
    again = compact.relight(case.view, case.rays, directions)
    np.testing.assert_array_equal(together, again)
    apart = [compact.relight(case.view, case.rays, directions[i:j]) for i, j in ((0, 1), (1, 3), (3, 5))]
    np.testing.assert_array_equal(np.concatenate(apart), together)


def test_cues_can_be_hidden(case: RelitCase, compact: Relighter) -> None:
    blind = load_relighter("compact", "cpu", DiffusionOptions(without=("shading", "shadow", "cue")))
    blind.fit([case.view], case.rays)
    directions = case.lights.directions[:1]
    seeing = compact.relight(case.view, case.rays, directions)
    assert np.abs(blind.relight(case.view, case.rays, directions) - seeing).mean() > 0.005
