"""The network that corrects normals, its training samples, and its training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from lit_scenes import write_lit_scene
from safetensors.torch import load_file

from relightnerf.diffusion.model import RelightingModel
from relightnerf.diffusion.normals import NormalUNet, corrected_normals
from relightnerf.errors import InputError
from relightnerf.relighters import COMPACT_FOLDER, load_relighter
from relightnerf.training.benchmark.relit_cases import RelitCase, set_case
from relightnerf.training.config import NormalsRun
from relightnerf.training.data.light_folders import LightFolder
from relightnerf.training.data.normal_samples import NormalSamples, fitted_depth
from relightnerf.training.normals import new_network, train_normals


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lit")
    for seed in range(2):
        write_lit_scene(root / f"s{seed}", seed)
    return root


@pytest.fixture(scope="module")
def case(scenes: Path) -> RelitCase:
    return set_case(LightFolder.load(scenes / "s1"), np.random.default_rng(1))


@pytest.fixture
def run(scenes: Path, tmp_path: Path) -> NormalsRun:
    AcceleratorState._reset_state(reset_partial_state=True)
    return NormalsRun(
        data=scenes,
        output=tmp_path / "run",
        validation=scenes,
        size=(32, 32),
        steps=6,
        batch=4,
        learning_rate=3e-3,
        ema=0.9,
        workers=0,
        save_every=3,
        validate_every=3,
        validation_samples=2,
        channels=(16, 16),
    )


def _new() -> NormalUNet:
    return new_network(NormalsRun(data=Path("none"), output=Path("none"), channels=(16, 16))).eval()


def _angle_deg(found: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(np.sum(found * truth, axis=-1)[where], -1, 1))).mean())


@pytest.mark.parametrize("factor", [1, 7])
def test_before_training_normals_stay_as_they_are_in_any_size(case: RelitCase, factor: int) -> None:
    """Photos that are larger than what the network sees keep what is finer in their normals."""
    large = case.view.camera.resampled(factor * case.view.camera.width + 3 * (factor > 1), factor * 48)
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(large.height, large.width, 3)) + [0, 0, 4]
    normal = (normal / np.linalg.norm(normal, axis=-1, keepdims=True)).astype(np.float32)
    normal[:5] = 0.0
    depth = np.where(np.any(normal != 0, axis=-1), np.float32(2.0), np.float32(0.0))
    view = replace(
        case.view, camera=large, image=rng.random(normal.shape, np.float32), depth=depth, normal_camera=normal
    )
    np.testing.assert_allclose(corrected_normals(_new(), view), normal, atol=1e-5)


def test_corrections_are_unit_vectors_where_normals_are_known_and_do_not_depend_on_the_unit_of_depth(
    case: RelitCase,
) -> None:
    network = _new()
    torch.nn.init.normal_(network.conv_out.weight, std=0.1)
    normal = case.view.normal_camera.copy()
    normal[10:20, 10:20] = 0.0
    view = replace(case.view, normal_camera=normal)
    corrected = corrected_normals(network, view)
    known = np.any(normal != 0, axis=-1)
    np.testing.assert_allclose(np.linalg.norm(corrected, axis=-1), known, atol=1e-5)
    assert _angle_deg(corrected, normal, known) > 1.0
    far = corrected_normals(network, replace(view, depth=7.0 * view.depth))
    np.testing.assert_allclose(far, corrected, atol=1e-4)


def test_a_fitted_depth_is_near_the_true_one_and_worse_far_away() -> None:
    depth = np.linspace(1.0, 10.0, 96 * 96, dtype=np.float32).reshape(96, 96)
    depth[:, :6] = 0.0
    known, ambient_visibility, near, far = depth > 0, np.ones_like(depth), [], []
    for seed in range(30):
        fitted = fitted_depth(depth, ambient_visibility, np.random.default_rng(seed))
        np.testing.assert_array_equal(fitted, fitted_depth(depth, ambient_visibility, np.random.default_rng(seed)))
        assert not fitted[~known].any()
        both = known & (fitted > 0)
        assert both.sum() > 0.85 * known.sum()
        error = np.abs(np.log(np.where(both, fitted, 1.0) / np.where(both, depth, 1.0)))
        near.append(error[:32][both[:32]].mean())
        far.append(error[-32:][both[-32:]].mean())
    assert np.median(near) < 0.01 and np.mean(far) > 1.3 * np.mean(near)
    nothing = np.zeros((8, 8), np.float32)
    assert not fitted_depth(nothing, nothing, np.random.default_rng(0)).any()


def test_a_fitted_depth_fills_narrow_hollows_most_of_all_dark_ones_and_leaves_deep_ones_open() -> None:
    flat, groove = np.full((96, 96), 2.0, np.float32), (slice(None), slice(46, 50))

    def mean_shift(times: float, ambient_visibility: float) -> float:
        depth, visible = flat.copy(), np.ones_like(flat)
        depth[groove] *= times
        visible[groove] = ambient_visibility
        fits = [fitted_depth(depth, visible, np.random.default_rng(seed))[:, 47:49] for seed in range(60)]
        return float(np.mean([np.log(fit[fit > 0] / depth[0, 48]).mean() for fit in fits]))

    assert abs(mean_shift(1.0, 1.0)) < 0.1 * np.log(1.02)
    assert mean_shift(1.02, 0.2) < 1.5 * mean_shift(1.02, 1.0) < -0.1 * np.log(1.02)
    assert mean_shift(3.0, 1.0) > -0.6 * np.log(3.0)


def test_a_fitted_depth_brings_the_far_nearer() -> None:
    depth = np.repeat(np.geomspace(1.0, 8.0, 96, dtype=np.float32)[:, None], 96, axis=1)
    fits = [fitted_depth(depth, np.ones_like(depth), np.random.default_rng(seed)) for seed in range(60)]
    shift = np.mean([np.log(np.where(fit > 0, fit, depth) / depth).mean(axis=1) for fit in fits], axis=0)
    assert abs(shift[:40]).max() < 0.02 and shift[-5:].mean() < -0.1


def test_samples_are_the_same_again_and_mirrored_as_a_mirror_would(scenes: Path) -> None:
    samples = NormalSamples(scenes, (32, 32), seed=3)
    first, again = samples[5], NormalSamples(scenes, (32, 32), seed=3)[5]
    assert all(torch.equal(first[name], again[name]) for name in first)
    whole = NormalSamples(scenes, (48, 48), augment=False)
    choice = replace(whole.choice(0), flipped=False)
    plain, mirrored = whole.sample(choice), whole.sample(replace(choice, flipped=True))
    for name in ("truth", "normal"):
        turned = mirrored[name].flip(-1) * torch.tensor([-1.0, 1.0, 1.0])[:, None, None]
        torch.testing.assert_close(turned, plain[name])
    torch.testing.assert_close(-mirrored["slopes"].flip(-1)[0], plain["slopes"][0], atol=1e-6, rtol=0)
    torch.testing.assert_close(mirrored["photo"].flip(-1), plain["photo"])


def test_a_resumed_training_is_the_uninterrupted_one_and_lowers_the_loss(run: NormalsRun, tmp_path: Path) -> None:
    whole = train_normals(replace(run, steps=40))
    assert np.mean(whole[-10:]) < np.mean(whole[:10])
    halves = replace(run, output=tmp_path / "halves")
    first = train_normals(replace(halves, steps=3))
    both = [*first, *train_normals(replace(halves, steps=6))]
    assert both == pytest.approx(whole[:6], rel=1e-4)
    points = (halves.output / "validation.jsonl").read_text().splitlines()
    assert len(points) == 2 and "corrected_deg" in points[0]
    model = NormalUNet.from_pretrained(halves.output / "model")
    started = replace(halves, output=tmp_path / "more", start_from=halves.output / "model", steps=1, learning_rate=0.0)
    train_normals(replace(started, ema=0.0))
    kept = load_file(started.output / "model" / "diffusion_pytorch_model.safetensors")
    torch.testing.assert_close(kept["conv_out.weight"], model.state_dict()["conv_out.weight"])


def test_bad_settings_are_named(run: NormalsRun, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not multiples of 4"):
        train_normals(replace(run, size=(30, 32)))
    with pytest.raises(InputError, match="the model cannot be loaded"):
        train_normals(replace(run, start_from=tmp_path))


def test_a_model_keeps_its_network_for_normals(tmp_path: Path) -> None:
    model = RelightingModel.load(str(COMPACT_FOLDER))
    model.normals = _new()
    torch.nn.init.normal_(model.normals.conv_out.weight)
    model.save(tmp_path / "model")
    kept = RelightingModel.load(str(tmp_path / "model")).normals
    assert kept is not None and torch.equal(kept.conv_out.weight, model.normals.conv_out.weight)
    (tmp_path / "model" / "normals" / "config.json").unlink()
    with pytest.raises(InputError, match="normals: the model cannot be loaded"):
        RelightingModel.load(str(tmp_path / "model"))


def test_the_package_s_network_makes_inexact_normals_better_and_leaves_exact_ones(case: RelitCase) -> None:
    network = RelightingModel.load(str(COMPACT_FOLDER)).normals
    assert network is not None
    known = case.view.known
    assert _angle_deg(corrected_normals(network, case.view), case.normal, known) < 2.0
    for seed in range(3):
        view = case.with_field_geometry(np.random.default_rng(seed)).view
        known = view.known & case.view.known
        given = _angle_deg(view.normal_camera, case.normal, known)
        assert _angle_deg(corrected_normals(network, view), case.normal, known) < 0.8 * given


def test_a_relighter_sees_corrected_normals_in_every_view(case: RelitCase, tmp_path: Path) -> None:
    """A network that turns every normal to the camera's right gives what views with such normals give without it."""
    model = RelightingModel.load(str(COMPACT_FOLDER))
    model.normals = None
    model.save(tmp_path / "without")
    model.normals = _new()
    with torch.no_grad():
        model.normals.conv_out.bias[:4] = 1e6
    model.save(tmp_path / "with")
    right = np.where(case.view.known[..., None], np.array([1.0, 0.0, 0.0], np.float32), np.float32(0.0))
    relit = []
    for name, view in (("with", case.view), ("without", replace(case.view, normal_camera=right))):
        relighter = load_relighter(str(tmp_path / name), "cpu")
        relighter.fit([view], case.rays)
        relit.append(relighter.relight(view, case.rays, case.lights.directions[:2]))
    np.testing.assert_allclose(relit[0], relit[1], atol=1e-3)
