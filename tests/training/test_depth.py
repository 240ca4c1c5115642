"""Training of the depth network: what its samples hold, what its loss asks for, and that it learns."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from posed_ball import ball_depth, ball_normals, ball_views, waves
from torch.utils.data import default_collate

from relightnerf.depth_prior import DepthEstimate, DepthUNet, matching_costs, packed_costs
from relightnerf.errors import InputError
from relightnerf.training.config import DepthRun
from relightnerf.training.data.depth_samples import DepthSamples
from relightnerf.training.depth import depth_loss, train_depth

REACH = 0.1


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two scenes, each with two samples of a ball on the ground; one starts out of reach."""
    folder = tmp_path_factory.mktemp("depth")
    views = ball_views(waves)
    for number, index in enumerate((1, 2)):
        own, others = views[index], [views[index - 1], views[index + 1]]
        each = []
        for shift in (0.05, -0.5):
            start = (ball_depth(own.camera) * np.exp(shift)).astype(np.float32)
            sample = {
                "photo": own.image,
                "slopes": own.camera.rays_camera()[..., :2].astype(np.float16),
                "start": start,
                "reach": np.float32(REACH),
                "costs": packed_costs(matching_costs(own, others, start, REACH)),
                "depth": ball_depth(own.camera),
                "normal": np.round(127 * ball_normals(own.camera)).astype(np.int8),
                "up": own.camera.camera_to_world[2, :3].astype(np.float32),
            }
            each.append(sample)
        np.savez(folder / f"{number:06d}.npz", **{name: np.stack([s[name] for s in each]) for name in each[0]})
    return folder


def test_up_goes_with_the_normals_whatever_is_mirrored(samples: Path, tmp_path: Path) -> None:
    with np.load(samples / "000000.npz") as arrays:
        values = dict(arrays)
    values["up"] = np.tile(np.float32([0.6, 0.8, 0.0]), (2, 1))
    values["normal"] = np.round(127 * np.broadcast_to(values["up"][:, None, None], values["normal"].shape))
    np.savez(tmp_path / "000000.npz", **{**values, "normal": values["normal"].astype(np.int8)})
    data = DepthSamples(tmp_path, without_up=0.0, up_spread_deg=0.0)
    sides = set()
    for number in range(12):
        sample = data[number]
        along = (sample["normal"] * sample["up"][:, None, None]).sum(0)
        np.testing.assert_allclose(along, 1.0, atol=0.01)
        sides.add(float(sample["up"][0]) > 0)
    assert sides == {True, False}


def test_up_is_now_and_then_unknown_and_else_a_little_off(samples: Path) -> None:
    exact = DepthSamples(samples, augment=False)
    rough = DepthSamples(samples, without_up=0.5, up_spread_deg=3.0)
    lengths = [float(rough[number]["up"].norm()) for number in range(40)]
    assert all(length == 0.0 or length == pytest.approx(1.0, abs=1e-5) for length in lengths)
    assert 8 < lengths.count(0.0) < 32
    assert float(exact[0]["up"].norm()) == pytest.approx(1.0, abs=1e-5)


def test_samples_of_before_are_refused_in_words(tmp_path: Path) -> None:
    np.savez(tmp_path / "000000.npz", reach=np.ones(6))
    with pytest.raises(InputError, match="up"):
        DepthSamples(tmp_path)


@pytest.mark.parametrize(("number", "shift"), [(0, -0.05), (1, 0.5)])
def test_the_expected_error_is_the_error_even_out_of_reach(samples: Path, number: int, shift: float) -> None:
    batch = default_collate([DepthSamples(samples, augment=False)[number]])
    shape = batch["depth"].shape
    offset, logits = torch.zeros(shape), torch.zeros(1, 32, *shape[2:])

    def loss(scale: float) -> float:
        found = DepthEstimate(offset, logits, torch.full(shape, scale), batch["normal"], torch.zeros(shape))
        return float(depth_loss(found, batch))

    # Laplace's likelihood is greatest where the scale is the error.
    assert loss(abs(shift)) < min(loss(0.8 * abs(shift)), loss(1.25 * abs(shift)))


def test_it_learns(samples: Path, tmp_path: Path) -> None:
    run = replace(
        DepthRun(samples, tmp_path / "run"),
        channels=(16, 32),
        steps=40,
        batch=2,
        learning_rate=3e-3,
        warmup=2,
        workers=0,
    )
    losses = train_depth(run)
    assert np.mean(losses[-8:]) < 0.7 * np.mean(losses[:4])
    assert DepthUNet.from_pretrained(tmp_path / "run" / "model").config.block_out_channels == [16, 32]
