"""The field's storage: a voxel grid of density and three planes of features over contracted space."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

_SHIFT, _GAIN = -6.0, 60.0


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
        grid = points.reshape(1, -1, 1, 1, 3)
        raw = functional.grid_sample(self.values, grid, align_corners=True, padding_mode="border")
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


class FeaturePlanes(nn.Module):
    """Three axis-aligned planes of features; a point has the sum and the product of its three projections.

    Products of planes: K-Planes (Fridovich-Keil et al. 2023).

    Args:
        resolution: cells per axis.
        channels: features per plane; a point has twice as many.
    """

    def __init__(self, resolution: int, channels: int) -> None:
        super().__init__()
        planes = torch.rand(3, channels, resolution, resolution) * 0.2 - 0.1
        self.planes = nn.Parameter(planes.contiguous(memory_format=torch.channels_last))

    def forward(self, points: Float[Tensor, "points 3"]) -> Float[Tensor, "points features"]:
        """Return the features at points in [-1, 1]^3, bilinear and differentiable in the planes."""
        projections = torch.stack([points[:, [0, 1]], points[:, [0, 2]], points[:, [1, 2]]])
        grid = projections.unsqueeze(2)
        a, b, c = functional.grid_sample(self.planes, grid, align_corners=True, padding_mode="border").squeeze(-1)
        return torch.cat([a + b + c, (1.0 + a) * (1.0 + b) * (1.0 + c) - 1.0]).t()

    @torch.no_grad()
    def resize(self, resolution: int) -> None:
        """Change the number of cells per axis, keeping the values."""
        if self.planes.shape[-1] != resolution:
            size = (resolution, resolution)
            planes = functional.interpolate(self.planes, size=size, mode="bilinear", align_corners=True)
            self.planes.data = planes.contiguous(memory_format=torch.channels_last)
            self.planes.grad = None


def _activate(raw: Tensor) -> Tensor:
    return _GAIN * functional.softplus(raw + _SHIFT)
