"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018).

AlexNet's distance is for comparing pictures, VGG16's for training. The weights of these networks are never downloaded:
they are a file that the user gives, or lie in torch's own cache already.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import Distance, Image

Network = Literal["alex", "vgg"]
"""The network whose features are compared."""


class _Layout(NamedTuple):
    title: str
    builder: str
    """Name of torchvision's function."""
    file: str
    """Name of torchvision's weights in torch's cache."""
    relu_ends: tuple[int, ...]
    """Where the compared features end among the network's layers."""


_LAYOUTS: dict[Network, _Layout] = {
    "alex": _Layout("AlexNet", "alexnet", "alexnet-owt-7be5be79.pth", (2, 5, 8, 10, 12)),
    "vgg": _Layout("VGG16", "vgg16", "vgg16-397923af.pth", (4, 9, 16, 23, 30)),
}
BACKBONE_FILE = _LAYOUTS["alex"].file
"""Name of torchvision's AlexNet weights in torch's cache."""

_SHIFT = (-0.030, -0.088, -0.188)
"""Mean of ImageNet's sRGB channels in [-1, 1], as LPIPS was calibrated with."""
_SCALE = (0.458, 0.448, 0.450)
"""Their standard deviation."""


def find_backbone(path: Path | None = None, network: Network = "alex") -> Path | None:
    """Return the file of a network's weights: ``path``, or the one in torch's cache; None if there is none.

    Raises:
        InputError: ``path`` is given and is not a file.
    """
    file = _LAYOUTS[network].file
    if path is not None and not path.is_file():
        raise InputError(f"{path}: no such file", f"give torchvision's {file}, or leave LPIPS out")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / file
    return path or (cached if cached.is_file() else None)


class Lpips(nn.Module):
    """The distance of two pictures as a network sees them; 0 for equal ones."""

    shift: Tensor
    scale: Tensor

    def __init__(self, backbone: Path, network: Network = "alex", with_gradients: bool = False) -> None:
        """Load a network; the weights of its layers in the distance come with torchmetrics.

        Args:
            backbone: torchvision's weights of the network.
            network: ``"alex"`` or ``"vgg"``.
            with_gradients: let gradients flow to the pictures (never to the weights).

        Raises:
            InputError: ``backbone`` holds something else.
        """
        super().__init__()
        import torchmetrics

        features = _load_features(backbone, network)
        ends = _LAYOUTS[network].relu_ends
        self.slices = nn.ModuleList(features[a:b] for a, b in zip((0, *ends[:-1]), ends, strict=True))
        heads = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / f"{network}.pth"
        weights = torch.load(heads, map_location="cpu", weights_only=True).values()
        self.heads = nn.ParameterList(nn.Parameter(w, requires_grad=False) for w in weights)
        self.register_buffer("shift", torch.tensor(_SHIFT)[:, None, None], persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE)[:, None, None], persistent=False)
        self.with_gradients = with_gradients
        self.eval().requires_grad_(False)

    def forward(
        self, first: Float[Tensor, "batch 3 height width"], second: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Return the distance of each pair of sRGB pictures in [0, 1], at least 64 pixels to a side."""
        with torch.set_grad_enabled(self.with_gradients and torch.is_grad_enabled()):
            distance = torch.zeros(len(first), device=first.device)
            for a, b, head in zip(self._features(first), self._features(second), self.heads, strict=True):
                distance = distance + nn.functional.conv2d((a - b).square(), head).mean((1, 2, 3))
            return distance

    def _features(self, picture: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return the features of each slice, of unit length along the channels."""
        values = (picture * 2 - 1 - self.shift) / self.scale
        result = []
        for part in self.slices:
            values = part(values)
            # 1e-8 as torchmetrics has it: features that are all 0 stay 0
            result.append(values / (values.square().sum(1, keepdim=True) + 1e-8).sqrt())
        return result


def lpips_distance(backbone: Path) -> Distance:
    """Return AlexNet's distance of two sRGB pictures in [0, 1], (height, width, 3), at least 64 pixels to a side.

    Raises:
        InputError: ``backbone`` holds something else than torchvision's weights.
    """
    model = Lpips(backbone)

    def distance(first: Image, second: Image) -> float:
        pair = [torch.from_numpy(image).float().movedim(-1, 0)[None] for image in (first, second)]
        return float(model(*pair))

    return distance


def _load_features(backbone: Path, network: Network) -> nn.Sequential:
    import torchvision

    layout = _LAYOUTS[network]
    with torch.device("meta"):
        features = getattr(torchvision.models, layout.builder)(weights=None).features
    try:
        weights = torch.load(backbone, map_location="cpu", weights_only=True)
        layers = {name.removeprefix("features."): w for name, w in weights.items() if name.startswith("features.")}
        features.load_state_dict(layers, assign=True)
    except Exception as error:  # whatever torch says about a file that holds something else
        raise InputError(
            f"{backbone}: not torchvision's {layout.title} weights ({type(error).__name__})", f"give {layout.file}"
        ) from None
    return features
