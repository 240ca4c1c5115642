"""LPIPS (Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018), AlexNet.

The weights of AlexNet are never downloaded: they are a file that the user gives, or lie in torch's own cache already.
"""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.errors import InputError

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
"""Name of torchvision's AlexNet weights in torch's cache."""

_RELU_ENDS = (2, 5, 8, 10, 12)
_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)


def find_backbone(path: Path | None = None) -> Path | None:
    """Return the file of AlexNet's weights: ``path``, or the one in torch's cache; None if there is none.

    Raises:
        InputError: ``path`` is given and is not a file.
    """
    if path is not None and not path.is_file():
        raise InputError(f"{path}: no such file", f"give torchvision's {BACKBONE_FILE}, or leave LPIPS out")
    cached = Path(torch.hub.get_dir()) / "checkpoints" / BACKBONE_FILE
    return path or (cached if cached.is_file() else None)


class Lpips(nn.Module):
    """The distance of two pictures as AlexNet sees them; 0 for equal ones."""

    def __init__(self, backbone: Path) -> None:
        """Load AlexNet from ``backbone``; the weights of its layers in the distance come with torchmetrics."""
        super().__init__()
        import torchmetrics
        import torchvision

        with torch.device("meta"):
            features = torchvision.models.alexnet(weights=None).features
        try:
            weights = torch.load(backbone, map_location="cpu", weights_only=True)
            layers = {name.removeprefix("features."): w for name, w in weights.items() if name.startswith("features.")}
            features.load_state_dict(layers, assign=True)
        except Exception as error:  # whatever torch says about a file that holds something else
            raise InputError(
                f"{backbone}: not torchvision's AlexNet weights ({type(error).__name__})", f"give {BACKBONE_FILE}"
            ) from None
        starts = (0, *_RELU_ENDS[:-1])
        self.slices = nn.ModuleList(features[a:b] for a, b in zip(starts, _RELU_ENDS, strict=True))
        heads = Path(torchmetrics.__file__).parent / "functional" / "image" / "lpips_models" / "alex.pth"
        self.heads = list(torch.load(heads, map_location="cpu", weights_only=True).values())
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(
        self, first: Float[Tensor, "batch 3 height width"], second: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Return the distance of each pair of sRGB pictures in [0, 1], at least 64 pixels to a side."""
        distance = torch.zeros(len(first))
        shift, scale = (torch.tensor(values)[:, None, None] for values in (_SHIFT, _SCALE))
        pair = (torch.cat([first, second]) * 2 - 1 - shift) / scale
        for part, head in zip(self.slices, self.heads, strict=True):
            pair = part(pair)
            a, b = (pair / (pair.square().sum(1, keepdim=True) + 1e-8).sqrt()).chunk(2)
            distance += nn.functional.conv2d((a - b).square(), head).mean((1, 2, 3))
        return distance
