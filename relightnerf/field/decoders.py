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

    The first layer is a sum of a part per ray and a part per light, so that a ray's part is computed once and kept.

    Args:
        features: length of the feature vector.
        latents: length of the latent vector of a training view (it takes in what views disagree on).
        hidden: units of each of the two hidden layers.
    """

    def __init__(self, features: int, latents: int, hidden: int) -> None:
        super().__init__()
        self.surface = nn.Linear(features, hidden)
        self.light = nn.Linear(SH_COEFFICIENTS, hidden, bias=False)
        self.latent = nn.Linear(latents, hidden, bias=False)
        self.offset = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3))
        zero_last(self.offset)

    def encode(
        self, features: Float[Tensor, "rays features"], latent: Float[Tensor, "*rays latents"]
    ) -> Float[Tensor, "rays hidden"]:
        """Return the part of the first layer that does not depend on the light."""
        return self.surface(features) + self.latent(latent)

    def forward(
        self, encoded: Float[Tensor, "*#rays hidden"], light: Float[Tensor, "*#rays 3"]
    ) -> Float[Tensor, "*#rays 3"]:
        """Return the offset of the logits under the light from a unit direction (the field's frame)."""
        return self.offset(encoded + self.light(spherical_harmonics(light)))


def zero_last(layers: nn.Sequential) -> None:
    """Set the last linear layer to zero, so that the whole starts by giving nothing."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
