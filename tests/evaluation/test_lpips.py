from pathlib import Path

import pytest
import torch
import torchmetrics
import torchvision
from torchmetrics.functional.image.lpips import _LPIPS, ScalingLayer

from relightnerf.errors import InputError
from relightnerf.evaluation._lpips import BACKBONE_FILE, Lpips, find_backbone


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.device("meta"):
        shapes = torchvision.models.alexnet(weights=None).features.state_dict()
    generator = torch.Generator().manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / BACKBONE_FILE
    weights = {f"features.{name}": 0.05 * torch.randn(w.shape, generator=generator) for name, w in shapes.items()}
    torch.save(weights, path)
    return path


def test_it_is_torchmetrics_distance_for_the_same_weights(backbone: Path) -> None:
    features = torch.load(backbone, weights_only=True)
    with torch.device("meta"):
        reference = _LPIPS(pnet_rand=True, pretrained=False)
    slices = {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
    weights = {
        f"net.slice{number}.{index}.{kind}": features[f"features.{index}.{kind}"]
        for index, number in slices.items()
        for kind in ("weight", "bias")
    }
    heads = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "alex.pth"
    weights |= torch.load(heads, map_location="cpu", weights_only=True)
    assert reference.load_state_dict(weights, strict=False, assign=True).unexpected_keys == []
    reference.eval().scaling_layer = ScalingLayer()
    first, second = torch.rand(2, 3, 64, 96), torch.rand(2, 3, 64, 96)
    torch.testing.assert_close(Lpips(backbone)(first, second), reference(first, second, normalize=True).flatten())


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


def test_what_is_no_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        find_backbone(tmp_path / "absent.pth")
    (tmp_path / "other.pth").write_bytes(b"something else")
    with pytest.raises(InputError, match=r"other\.pth"):
        Lpips(tmp_path / "other.pth")
