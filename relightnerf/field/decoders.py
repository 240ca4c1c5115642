"""From a ray's composited features to its colour, under the capture's own light and under any other."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from relightnerf.lights import SH_COEFFICIENTS, spherical_harmonics


class CaptureDecoder(nn.Module):
    """Colour under the capture's own light: a part that all views share, plus one that depends on the view.

    The view's part starts at zero and is small, so that views are not simply memorised.

    Args:
        features: length of the feature vector.
        hidden: units of the hidden layer.
    """

    def __init__(self, features: int, hidden: int = 64) -> None:
        super().__init__()
        self.diffuse = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 3))
        self.view = nn.Sequential(nn.Linear(features + SH_COEFFICIENTS, 32), nn.ReLU(), nn.Linear(32, 3))
        zero_last(self.view)

    def forward(
        self, features: Float[Tensor, "rays features"], directions: Float[Tensor, "rays 3"]
    ) -> Float[Tensor, "rays 3"]:
        """Return logits of sRGB colours; ``directions`` are the rays' unit directions."""
        view = self.view(torch.cat([features, spherical_harmonics(directions)], dim=-1))
        return self.diffuse(features) + view


class LightDecoder(nn.Module):
    """What another light changes: an offset to the logits of the capture's colours, zero when untrained.

    Precomputed radiance transfer (Sloan et al. 2002) with a learned basis: a ray has a transfer vector per channel, a
    light direction has its values of the basis, and the offset is their product. A ray's part is computed once and
    kept, and any light after that costs one matrix product. Cues of a light at the place that the ray meets (whether it
    is in shadow, which no smooth function of direction tells) are further functions beside the learned ones.

    Args:
        features: length of the feature vector.
        latents: length of the latent vector of a relit picture (it takes in what pictures disagree on).
        hidden: units of the hidden layers of the ray's part.
        basis: functions of the light's direction.
        cues: values per ray and light that the scene's geometry gives.
    """

    def __init__(self, features: int, latents: int, hidden: int, basis: int, cues: int = 0) -> None:
        super().__init__()
        self.directional, size = basis, basis + cues
        self.transfer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3 * size)
        )
        self.latent = nn.Linear(latents, size, bias=False)
        self.gloss = nn.Sequential(nn.Linear(features + SH_COEFFICIENTS, 32), nn.ReLU(), nn.Linear(32, size))
        self.light = nn.Sequential(
            nn.Linear(SH_COEFFICIENTS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, basis)
        )
        zero_last(self.transfer)
        zero_last(self.gloss)

    def encode(
        self,
        features: Float[Tensor, "rays features"],
        directions: Float[Tensor, "rays 3"],
    ) -> Float[Tensor, "rays 3 transfer"]:
        """Return the rays' transfer vectors; ``directions`` are the rays' unit directions."""
        transfer = self.transfer(features).unflatten(-1, (3, -1))
        gloss = self.gloss(torch.cat([features, spherical_harmonics(directions)], dim=-1))
        return transfer + gloss[:, None]

    def basis(self, directions: Float[Tensor, "*lights 3"]) -> Float[Tensor, "*lights basis"]:
        """Return the values of the basis at unit directions towards lights (the field's frame)."""
        return self.light(spherical_harmonics(directions))

    def forward(
        self,
        transfer: Float[Tensor, "rays 3 transfer"],
        lights: Float[Tensor, "*rays lights 3"],
        cues: Float[Tensor, "rays lights cues"] | None = None,
        latents: Float[Tensor, "rays lights latents"] | None = None,
    ) -> Float[Tensor, "rays lights 3"]:
        """Return the offset of the logits under lights that all rays share, or under each ray's own.

        A picture's latent adds to the values of basis and cues: as if its light were another than was asked for.
        """
        basis = self.basis(lights)
        directional, local = transfer.split([self.directional, transfer.shape[-1] - self.directional], dim=-1)
        if basis.dim() == 2:  # noqa: PLR2004
            offsets = (directional @ basis.T).transpose(1, 2)
        else:
            offsets = torch.bmm(basis, directional.transpose(1, 2))
        if cues is not None:
            offsets = offsets + torch.bmm(cues, local.transpose(1, 2))
        if latents is not None:
            offsets = offsets + torch.bmm(self.latent(latents), transfer.transpose(1, 2))
        return offsets


def zero_last(layers: nn.Sequential) -> None:
    """Set the last linear layer to zero, so that the whole starts by giving nothing."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
