"""Training samples of the depth network, as ``datasets/render_depth_samples.py`` writes them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset

from relightnerf.depth_prior import unpacked_costs
from relightnerf.errors import InputError


class DepthSamples(Dataset[dict[str, Tensor]]):
    """Photo, start, costs and truth; sample ``number`` is always the same.

    Args:
        root: folder with one ``.npz`` a scene.
        seed: together with the number, of everything random.
        augment: mirror, change colours, and now and then leave the costs out.
        without_costs: how often they are left out.
        without_up: how often nobody says where up is.
        up_spread_deg: spread of its error to either side; captures tell it no better.

    Raises:
        InputError: there are no scenes, or they are of a version that did not know up.
    """

    def __init__(
        self,
        root: Path,
        seed: int = 0,
        augment: bool = True,
        without_costs: float = 0.2,
        without_up: float = 0.15,
        up_spread_deg: float = 3.0,
    ) -> None:
        self._files = sorted(root.glob("*.npz"))
        if not self._files:
            raise InputError(f"{root}: no scenes (*.npz)", "make them with datasets/render_depth_samples.py")
        self._seed, self._augment, self._without = seed, augment, without_costs
        self._without_up, self._up_spread = without_up, np.deg2rad(up_spread_deg)
        with np.load(self._files[0]) as arrays:
            if "up" not in arrays.files:
                raise InputError(f"{self._files[0]}: does not say where up is", "render the scenes again")
            self._each = len(arrays["reach"])

    def __len__(self) -> int:
        return len(self._files) * self._each

    def __getitem__(self, number: int) -> dict[str, Tensor]:
        """Return ``photo, slopes, start, reach, costs, has_costs, up`` as the network takes them, ``depth, normal``."""
        rng = np.random.default_rng([self._seed, number])
        # Every sample once, in another order each time around.
        around, place = divmod(number, len(self)) if self._augment else (0, number % len(self))
        if self._augment:
            place = int(np.random.default_rng([self._seed, 1, around]).permutation(len(self))[place])
        with np.load(self._files[place // self._each]) as arrays:
            sample = {name: arrays[name][place % self._each] for name in arrays.files}
        photo = sample["photo"].astype(np.float32) / 255.0
        costs = unpacked_costs(sample["costs"])
        up = sample["up"].astype(np.float64)
        has_costs = 1.0
        if self._augment:
            gamma, gains = np.exp(rng.normal(0.0, 0.15)), np.exp(rng.normal(0.0, 0.08, 3))
            photo = np.clip(photo**gamma * gains, 0.0, 1.0)
            has_costs = float(rng.random() >= self._without)
            up = _tilted(up, self._up_spread, rng) * (rng.random() >= self._without_up)
        planes: dict[str, Any] = {
            "photo": np.moveaxis(photo, -1, 0),
            "slopes": np.moveaxis(sample["slopes"].astype(np.float32), -1, 0),
            "start": sample["start"][None],
            "costs": costs * has_costs,
            "depth": sample["depth"][None],
            "normal": np.moveaxis(sample["normal"].astype(np.float32) / 127.0, -1, 0),
        }
        if self._augment and rng.random() < 0.5:
            planes = {name: plane[..., ::-1] for name, plane in planes.items()}
            planes["slopes"] = planes["slopes"] * np.array([-1.0, 1.0])[:, None, None]
            planes["normal"] = planes["normal"] * np.array([-1.0, 1.0, 1.0])[:, None, None]
            up = up * np.array([-1.0, 1.0, 1.0])
        tensors = {name: torch.from_numpy(np.ascontiguousarray(plane, np.float32)) for name, plane in planes.items()}
        tensors["up"] = torch.from_numpy(up.astype(np.float32))
        return {**tensors, "reach": torch.tensor(float(sample["reach"])), "has_costs": torch.tensor(has_costs)}


def _tilted(unit: Float[np.ndarray, "3"], spread_rad: float, rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Return a unit vector that is off by a random small angle."""
    tilted = unit + rng.normal(0.0, spread_rad, 3)
    return tilted / np.linalg.norm(tilted)
