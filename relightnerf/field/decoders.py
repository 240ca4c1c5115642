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
        # At first all views of a place have one colour; the view's part grows from what that leaves over.
        zero_last(self.view)

    def forward(
        self, features: Float[Tensor, "rays features"], directions: Float[Tensor, "rays 3"]
    ) -> Float[Tensor, "rays 3"]:
        """Return logits of sRGB colours; ``directions`` are the rays' unit directions."""
        # Directions as spherical harmonics of degrees 0 to 3: 16 smooth functions in place of 3 coordinates.
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
        self.cues, size = cues, basis + cues
        # A transfer vector for each colour channel.
        self.transfer = nn.Sequential(
            nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3 * size)
        )
        # Without a bias, so that the mean latent, 0, changes nothing.
        self.latent = nn.Linear(latents, size, bias=False)
        # One vector for all channels: most highlights have the colour of the light, not of the surface.
        self.gloss = nn.Sequential(nn.Linear(features + SH_COEFFICIENTS, 32), nn.ReLU(), nn.Linear(32, size))
        self.light = nn.Sequential(
            nn.Linear(SH_COEFFICIENTS, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, basis)
        )
        # Transfer vectors of 0 make every light's offset 0: training starts from the capture's own colours.
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
        # (rays, 3, size) + (rays, 1, size).
        return transfer + gloss[:, None]

    def encode_lights(
        self, directions: Float[Tensor, "*lights 3"], latents: Float[Tensor, "*lights latents"] | None = None
    ) -> Float[Tensor, "*lights transfer"]:
        """Return what transfer vectors are multiplied with: the basis at lights' unit directions, 0 for the cues.

        A picture's latent adds to all of it: as if its light were another than was asked for.
        """
        basis = self.light(spherical_harmonics(directions))
        # The cues differ for each ray, so they are added in ``forward``; here their places hold 0.
        values = nn.functional.pad(basis, (0, self.cues))
        return values if latents is None else values + self.latent(latents)

    def forward(
        self,
        transfer: Float[Tensor, "rays 3 transfer"],
        lights: Float[Tensor, "*rays lights transfer"],
        cues: Float[Tensor, "rays lights cues"] | None = None,
    ) -> Float[Tensor, "rays lights 3"]:
        """Return the offset of the logits under encoded lights that all rays share, or under each ray's own."""
        if lights.dim() == 2:  # noqa: PLR2004
            # offset_rlc = sum_b transfer_rcb * light_lb.
            offsets = (transfer @ lights.T).transpose(1, 2)
        else:
            offsets = torch.bmm(lights, transfer.transpose(1, 2))
        # The last entries of a transfer vector are the weights of the cues: a basis that depends on the place too.
        return offsets if cues is None else offsets + torch.bmm(cues, transfer[..., -self.cues :].transpose(1, 2))


def zero_last(layers: nn.Sequential) -> None:
    """Set the last linear layer to zero, so that the whole starts by giving nothing."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
