"""Training of the network that corrects normals."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import default_collate

from relightnerf.diffusion.normals import NormalUNet, load_normals
from relightnerf.evaluation.metrics import mean_scores
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.training.config import NormalsRun
from relightnerf.training.data.normal_samples import NormalSamples
from relightnerf.training.losses import angles_deg, charbonnier
from relightnerf.training.trainer import Batch, Validation, check_size, train

_SHOWN = 8
"""Validation samples on the sheet of pictures."""


@dataclass(frozen=True)
class NormalLossSettings:
    """The loss of normals."""

    small: float = 0.05
    """Distance of unit vectors (3 degrees) below which the loss is nearly a square, above which nearly a distance. A
    distance heeds outliers less than a square, as few normals are far off; but it pulls at normals that are right as
    hard as at others, so that it never settles on noise smaller than this."""


_LOSS = NormalLossSettings()


class NormalsObjective:
    """Bring the normals of inexact geometry to the true ones: mean distance of unit vectors."""

    def __init__(self, run: NormalsRun, network: NormalUNet) -> None:
        """Open the data.

        Args:
            run: settings.
            network: what is trained.

        Raises:
            InputError: there is no usable data, or the pictures cannot be cut into the network's blocks.
        """
        check_size(run.size, network.granularity)
        self._run, self._network = run, network
        self.module: nn.Module = network
        self.dataset = NormalSamples(run.data, run.size, run.seed)
        self.validation = None
        if run.validation:
            self.validation = NormalSamples(run.validation, run.size, run.seed, augment=False)

    def to(self, device: torch.device) -> None:
        """Everything is in the module."""

    def loss(self, module: nn.Module, batch: Batch, generators: Sequence[torch.Generator]) -> Float[Tensor, ""]:
        """Return the mean distance of corrected and true normals, nearly squared where it is small."""
        corrected = module(batch["photo"], batch["depth"], batch["normal"], batch["slopes"])
        square = (corrected - batch["truth"]).square().sum(1, keepdim=True)
        distance = charbonnier(square, _LOSS.small)
        return (distance * batch["weight"]).sum() / batch["weight"].sum().clamp(min=1.0)

    @torch.no_grad()
    def validate(self) -> Validation | None:
        """Correct validation samples; mean angles to the truth, before and after, in degrees."""
        if self.validation is None:
            return None
        scores, shown = [], []
        device = next(self.module.parameters()).device
        for number in range(self._run.validation_samples):
            sample = default_collate([self.validation[number]])
            inputs = [sample[name].to(device) for name in ("photo", "depth", "normal", "slopes")]
            corrected = self._network(*inputs).cpu()
            angles = {"given_deg": sample["normal"], "corrected_deg": corrected}
            scores.append({name: _angle_deg(found, sample) for name, found in angles.items()})
            if number < _SHOWN:
                normals = [sample[name] for name in ("normal", "truth")]
                pictures = [sample["photo"], *(found / 2.0 + 0.5 for found in (*normals, corrected))]
                shown += [to_uint8(picture[0].movedim(0, -1).numpy()) for picture in pictures]
        return mean_scores(scores), contact_sheet(
            shown, ["photo", "given", "truth", "corrected"] * (len(shown) // 4), 8
        )

    def save(self, folder: Path) -> None:
        """Write the network."""
        self._network.save_pretrained(folder)


def train_normals(run: NormalsRun) -> list[float]:
    """Train as the run says; returns the losses of the steps taken now. The network is in ``<output>/model``.

    Raises:
        InputError: a setting, the data or the output folder cannot be used.
    """
    return train(run, NormalsObjective(run, new_network(run)))


def new_network(run: NormalsRun) -> NormalUNet:
    """Return the network that a run starts from.

    Raises:
        InputError: the one that it goes on from cannot be loaded.
    """
    torch.manual_seed(run.seed)
    if run.start_from:
        return load_normals(run.start_from).train()
    return NormalUNet.of_levels(run.channels)


def _angle_deg(found: Float[Tensor, "1 3 height width"], sample: Batch) -> float:
    angles = angles_deg(found, sample["truth"], sample["weight"] > 0)
    return float(angles.mean()) if len(angles) else 0.0
