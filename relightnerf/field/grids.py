"""The field's storage: density on a voxel grid, features on a coarse grid and three planes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_SHIFT, _GAIN = -4.5, 60.0


class DensityGrid(nn.Module):
    """Density per contracted length on a voxel grid, interpolated before activation (DVGO, Sun et al. 2022).

    Args:
        resolution: voxels per axis.
    """

    def __init__(self, resolution: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.zeros(1, 1, *[resolution] * 3))
        self.register_buffer("coarse", torch.zeros(1))
        self.update_coarse()

    def forward(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Return the density at points in [-1, 1]^3, trilinear and differentiable in the grid."""
        raw = _sample(self.values, points.reshape(1, -1, 1, 1, 3))
        return _activate(raw).reshape(points.shape[:-1])

    def lookup(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Return the density of the nearest voxel of a half-resolution copy, without gradient: for placing samples."""
        side = round(self.coarse.numel() ** (1 / 3))
        index = ((points + 1.0) * (0.5 * side)).long().clamp_(0, side - 1)
        x, y, z = index.unbind(-1)
        return torch.take(self.coarse, (z * side + y) * side + x)

    @torch.no_grad()
    def update_coarse(self) -> None:
        """Refresh the copy that ``lookup`` reads."""
        density = _activate(self.values)
        side = self.values.shape[-1] // 2
        self.coarse = functional.interpolate(density, size=(side,) * 3, mode="area").reshape(-1)

    @torch.no_grad()
    def resize(self, resolution: int) -> None:
        """Change the number of voxels per axis, keeping the values."""
        if self.values.shape[-1] != resolution:
            size = (resolution,) * 3
            self.values.data = functional.interpolate(self.values, size=size, mode="trilinear", align_corners=True)
            self.values.grad = None
            self.update_coarse()

    def total_variation(self) -> Float[Tensor, ""]:
        """Return the mean squared difference between neighbouring voxels' raw values."""
        values = self.values[0, 0]
        return sum((values.diff(dim=axis)).square().mean() for axis in range(3))  # type: ignore[return-value]


class Features(nn.Module):
    """A coarse voxel grid of features, and three axis-aligned planes for what is finer.

    A point has the grid's features, and the sum and the product of its three projections on the planes (products of
    planes: K-Planes, Fridovich-Keil et al. 2023). The grid learns first and fast; planes alone repeat what they learn
    along their axes.

    Args:
        resolution: cells per axis of the planes.
        channels: features per plane; a point has twice as many of these.
        grid_resolution: voxels per axis of the grid.
        grid_channels: features of the grid.
    """

    def __init__(self, resolution: int, channels: int, grid_resolution: int, grid_channels: int) -> None:
        super().__init__()
        self.planes = nn.Parameter(torch.rand(3, channels, resolution, resolution) * 0.02 - 0.01)
        self.grid = nn.Parameter(torch.zeros(1, grid_channels, *[grid_resolution] * 3))
        self.size = 2 * channels + grid_channels

    def forward(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points features"]:
        """Return the features at points in [-1, 1]^3, linearly interpolated and differentiable in the storage."""
        projections = torch.stack([points[:, [0, 1]], points[:, [0, 2]], points[:, [1, 2]]])
        a, b, c = _sample(self.planes, projections.unsqueeze(2)).squeeze(-1)
        coarse = _sample(self.grid, points.reshape(1, -1, 1, 1, 3)).reshape(self.grid.shape[1], -1)
        return torch.cat([a + b + c, (1.0 + a) * (1.0 + b) * (1.0 + c) - 1.0, coarse]).t()

    @torch.no_grad()
    def resize(self, resolution: int) -> None:
        """Change the number of cells per axis of the planes, keeping the values."""
        if self.planes.shape[-1] != resolution:
            size = (resolution, resolution)
            self.planes.data = functional.interpolate(self.planes, size=size, mode="bilinear", align_corners=True)
            self.planes.grad = None


def _sample(values: Tensor, points: Tensor) -> Tensor:
    return functional.grid_sample(values, points, align_corners=True, padding_mode="border")


def _activate(raw: Tensor) -> Tensor:
    return _GAIN * functional.softplus(raw + _SHIFT)
