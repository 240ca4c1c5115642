from pathlib import Path
from typing import Literal

import pytest
import torch
import torchmetrics
import torchvision
from torchmetrics.functional.image.lpips import _LPIPS, ScalingLayer

from relightnerf.errors import InputError
from relightnerf.evaluation.lpips import BACKBONE_FILE, Lpips, find_backbone

SLICES = {
    "alex": {0: 1, 3: 2, 6: 3, 8: 4, 10: 5},
    "vgg": dict(
        zip((0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), (1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5), strict=True)
    ),
}
"""Torchmetrics' slice of each convolution."""


def write_backbone(path: Path, features: torch.nn.Module, size: float) -> Path:
    generator = torch.Generator().manual_seed(0)
    shapes = features.state_dict()
    torch.save(
        {f"features.{name}": size * torch.randn(w.shape, generator=generator) for name, w in shapes.items()}, path
    )
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        features = torchvision.models.alexnet(weights=None).features
    return write_backbone(tmp_path_factory.mktemp("weights") / BACKBONE_FILE, features, 0.05)


@pytest.fixture(scope="module")
def vgg_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features
    return write_backbone(tmp_path_factory.mktemp("weights") / "vgg16-397923af.pth", features, 0.03)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_it_is_torchmetrics_distance_for_the_same_weights(
    network: Literal["alex", "vgg"], backbone: Path, vgg_backbone: Path
) -> None:
    path = {"alex": backbone, "vgg": vgg_backbone}[network]
    features = torch.load(path, weights_only=True)
    with torch.device("meta"):
        reference = _LPIPS(net=network, pnet_rand=True, pretrained=False)
    weights = {
        f"net.slice{number}.{index}.{kind}": features[f"features.{index}.{kind}"]
        for index, number in SLICES[network].items()
        for kind in ("weight", "bias")
    }
    heads = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / f"{network}.pth"
    weights |= torch.load(heads, map_location="cpu", weights_only=True)
    assert reference.load_state_dict(weights, strict=False, assign=True).unexpected_keys == []
    reference.eval().scaling_layer = ScalingLayer()
    first, second = torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96)
    expected = reference(first, second, normalize=True).flatten()
    torch.testing.assert_close(Lpips(path, network)(first, second), expected)


def test_gradients_lead_from_a_picture_to_another_when_asked_for(backbone: Path) -> None:
    distance = Lpips(backbone, with_gradients=True)
    picture, other = torch.rand(1, 3, 64, 64, requires_grad=True), torch.rand(1, 3, 64, 64)
    before = distance(picture, other)
    (gradient,) = torch.autograd.grad(before.sum(), picture)
    assert gradient.isfinite().all() and gradient.any()
    assert distance(picture - 0.1 * gradient / gradient.norm(), other) < before
    assert not Lpips(backbone)(picture, other).requires_grad
    assert not any(weight.requires_grad for weight in distance.parameters())


def test_equal_pictures_have_no_distance(backbone: Path) -> None:
    picture = torch.rand(1, 3, 64, 64)
    assert Lpips(backbone)(picture, picture) == 0


def test_weights_are_taken_from_torch_s_cache_and_never_downloaded(
    backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    assert find_backbone() is None
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / BACKBONE_FILE).symlink_to(backbone)
    assert find_backbone() == tmp_path / "checkpoints" / BACKBONE_FILE
    assert find_backbone(network="vgg") is None
    (tmp_path / "checkpoints" / "vgg16-397923af.pth").symlink_to(backbone)
    assert find_backbone(network="vgg") == tmp_path / "checkpoints" / "vgg16-397923af.pth"


def test_what_is_no_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_backbone(tmp_path / "absent.pth")
    (tmp_path / "other.pth").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"other\.pth"):
        Lpips(tmp_path / "other.pth")


def test_weights_of_another_network_are_refused(backbone: Path) -> None:
    with pytest.raises(InputError, match="VGG16"):
        Lpips(backbone, "vgg")
