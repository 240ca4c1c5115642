"""Training of the depth network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.data import default_collate

from relightnerf.depth_prior import COST_STEPS, DepthEstimate, DepthUNet, load_depth_network
from relightnerf.evaluation.metrics import mean_scores
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.training.config import DepthRun
from relightnerf.training.data.depth_samples import DepthSamples
from relightnerf.training.losses import angles_deg, charbonnier
from relightnerf.training.trainer import Batch, Validation, train

_SHOWN = 12
"""Validation samples on the sheet of pictures."""
_INPUTS = ("photo", "slopes", "start", "reach", "costs", "has_costs", "up")


@dataclass(frozen=True)
class DepthLossSettings:
    """The loss of the depth network: all terms are means over pixels with a surface."""

    offset: float = 1.0
    """Weight of the mean error of log depth, in units of the reach."""
    bins: float = 0.1
    """Weight of the cross entropy of the depths that are tried."""
    normal: float = 0.7
    """Weight of the distance of unit normals."""
    scale: float = 0.05
    """Weight of the likelihood of the error's expected size."""
    most_missed: float = 8.0
    """Errors in units of the reach count as no larger, for the likelihood."""
    surface: float = 0.1
    """Weight of the cross entropy of "surface"."""
    small: float = 0.05
    """Distance of unit vectors (3 degrees) below which the loss of normals is nearly a square."""
    small_offset: float = 0.02
    """Error in units of the reach below which its loss is nearly a square."""


_LOSS = DepthLossSettings()


class DepthObjective:
    """Bring depth and normals to the true ones."""

    def __init__(self, run: DepthRun, network: DepthUNet) -> None:
        """Open the data.

        Args:
            run: settings.
            network: what is trained.

        Raises:
            InputError: there is no usable data.
        """
        self._run, self._network = run, network
        self.module: nn.Module = network
        self.dataset = DepthSamples(run.data, run.seed)
        self.validation = DepthSamples(run.validation, run.seed, augment=False) if run.validation else None

    def to(self, device: torch.device) -> None:
        """Everything is in the module."""

    def loss(self, module: nn.Module, batch: Batch, generators: Sequence[torch.Generator]) -> Float[Tensor, ""]:
        """Return the weighted sum of the terms of ``DepthLossSettings``."""
        return depth_loss(module(*(batch[name] for name in _INPUTS)), batch)

    @torch.no_grad()
    def validate(self) -> Validation | None:
        """Mean errors with costs and without: depth in units of the reach, share off by 2 %, normals in degrees."""
        if self.validation is None:
            return None
        scores, shown = [], []
        device = next(self.module.parameters()).device
        for number in range(min(self._run.validation_samples, len(self.validation))):
            sample = {name: value.to(device) for name, value in default_collate([self.validation[number]]).items()}
            found = self._network(*(sample[name] for name in _INPUTS))
            alone = self._network(*(sample[n] if n != "has_costs" else torch.zeros(1, device=device) for n in _INPUTS))
            kind = ("coarse", "middle", "fine")[number % 3]
            own = _scores(found, sample)
            scores.append({**own, **_named(f"{kind}/", own), **_named("photo_", _scores(alone, sample))})
            if number < _SHOWN:
                shown += _pictures(found, alone, sample)
        labels = ["photo", "truth", "normals", "photo's alone", "start", "depth", "true depth", "scale"]
        return _means(scores), contact_sheet(shown, labels * (len(shown) // 8), 8)

    def save(self, folder: Path) -> None:
        """Write the network."""
        self._network.save_pretrained(folder)


def depth_loss(found: DepthEstimate, batch: Batch, settings: DepthLossSettings = _LOSS) -> Float[Tensor, ""]:
    """Return the loss of an estimate.

    Args:
        found: what the network says.
        batch: with true ``depth`` (0: no surface), ``normal``, ``start`` and ``reach``.
        settings: weights of the terms.
    """
    known = (batch["depth"] > 0).float()
    span = batch["reach"][:, None, None, None]
    target = torch.where(known > 0, batch["depth"], batch["start"]).div(batch["start"]).log() / span
    # Where the truth lies outside of the search, the nearest end is right, and little is to be learned.
    inside = known * torch.where(target.abs() < 1.0, 1.0, 0.2)
    # Laplace: |error| / b + log b, in units of the reach; the error is given, only its size is learned. Here truth
    # outside of the search counts in full: that it is not within is what the scale has to say.
    scale = found.scale / span
    missed = (found.offset / span - target).detach().abs().clamp(max=settings.most_missed)
    likelihood = (missed / scale + scale.log()) * known
    target = target.clamp(-1.0, 1.0)
    count = inside.sum().clamp(min=1.0)
    offset = charbonnier((found.offset / span - target).square(), settings.small_offset) * inside
    # The target lies between two of the depths, and is shared out to them.
    place = (target + 1.0) / 2.0 * (COST_STEPS - 1)
    low = place.floor().clamp(0, COST_STEPS - 2)
    part = place - low
    logs = found.logits.log_softmax(dim=1)
    at_low, at_high = (logs.gather(1, (low + step).long()) for step in (0, 1))
    bins = -((1.0 - part) * at_low + part * at_high) * inside
    square = (found.normal - batch["normal"]).square().sum(1, keepdim=True)
    normal = charbonnier(square, settings.small) * known
    surface = nn.functional.binary_cross_entropy_with_logits(found.surface, known)
    searched = (settings.offset * offset + settings.bins * bins).sum() / count
    everywhere = (settings.normal * normal + settings.scale * likelihood).sum() / known.sum().clamp(min=1.0)
    return searched + everywhere + settings.surface * surface


def train_depth(run: DepthRun) -> list[float]:
    """Train as the run says; returns the losses of the steps taken now. The network is in ``<output>/model``.

    Raises:
        InputError: a setting, the data or the output folder cannot be used.
    """
    torch.manual_seed(run.seed)
    network = load_depth_network(run.start_from).train() if run.start_from else DepthUNet.of_levels(run.channels)
    return train(run, DepthObjective(run, network))


def _scores(found: DepthEstimate, sample: Batch) -> dict[str, float]:
    known = sample["depth"] > 0
    depth = sample["start"] * found.offset.exp()
    off = (depth / sample["depth"].clamp(min=1e-9)).log().abs()[known]
    return {
        "depth": float((off / sample["reach"]).clamp(max=1.0).mean()),
        "off_2": float((off > 0.02).float().mean()),
        "normal_deg": float(angles_deg(found.normal, sample["normal"], known).mean()),
    }


def _named(prefix: str, scores: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}{name}": value for name, value in scores.items()}


def _means(scores: list[dict[str, float]]) -> dict[str, float]:
    names = {name for score in scores for name in score}
    return {name: mean_scores([{name: s[name]} for s in scores if name in s])[name] for name in sorted(names)}


def _pictures(found: DepthEstimate, alone: DepthEstimate, sample: Batch) -> list:
    logs = sample["depth"].clamp(min=1e-9).log()
    near, far = torch.quantile(logs[sample["depth"] > 0], torch.tensor([0.02, 0.98], device=logs.device))
    start = sample["start"].log()
    grey = [((value - near) / (far - near)).expand(-1, 3, -1, -1) for value in (start, start + found.offset, logs)]
    scale = (found.scale / sample["reach"] / 0.5).expand(-1, 3, -1, -1)
    normals = [normal / 2.0 + 0.5 for normal in (sample["normal"], found.normal, alone.normal)]
    pictures = [sample["photo"], *normals, *grey, scale]
    return [to_uint8(picture[0].clamp(0.0, 1.0).movedim(0, -1).cpu().numpy()) for picture in pictures]
