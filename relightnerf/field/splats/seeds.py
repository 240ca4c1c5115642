"""Gaussians to start from, brought into the field's frame."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from relightnerf.field.frame import FieldFrame
from relightnerf.io.gaussians import load_gaussians

_WHOLE = 1e-4
"""Nearest that opacities and colours come to 0 and 1, so that their logits can be learned away from."""


def seeded(path: Path, frame: FieldFrame) -> dict[str, Tensor]:
    """Return a file's Gaussians in the field's frame, as splatfacto's parameters before their activations.

    Args:
        path: a file of Gaussians in the capture's world.
        frame: of the field.

    Raises:
        InputError: the file cannot be used.
    """
    from scipy.spatial.transform import Rotation

    seeds = load_gaussians(path)
    turned = Rotation.from_matrix(frame.rotation) * Rotation.from_quat(seeds.rotations[:, [1, 2, 3, 0]])
    values = {
        "means": frame.points(seeds.means),
        "scales": np.log(seeds.scales * frame.scale),
        "quats": turned.as_quat()[:, [3, 0, 1, 2]],
        "opacities": _logit(seeds.opacities)[:, None],
        "features_dc": _logit(seeds.colors),
    }
    return {name: torch.as_tensor(value, dtype=torch.float32) for name, value in values.items()}


def _logit(values: np.ndarray) -> np.ndarray:
    values = values.clip(_WHOLE, 1.0 - _WHOLE)
    return np.log(values / (1.0 - values))
