"""The field's storage: density on a voxel grid, features on a coarse grid and three planes."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from relightnerf.field.settings import DENSITY


class DensityGrid(nn.Module):
    """Density per contracted length on a voxel grid, interpolated before activation (DVGO, Sun et al. 2022).

    Args:
        resolution: voxels per axis.
    """

    def __init__(self, resolution: int) -> None:
        super().__init__()
        # (1, 1, z, y, x), as ``grid_sample`` and ``interpolate`` take it.
        self.values = nn.Parameter(torch.zeros(1, 1, *[resolution] * 3))
        self.register_buffer("coarse", torch.zeros(1, 1, 1))
        self._nodes: Tensor | None = None
        self.update_coarse()

    def forward(self, points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Return the density at points in [-1, 1]^3, trilinear and differentiable in the grid."""
        return _activate(trilinear(points.reshape(-1, 3), self.values[0, 0])).reshape(points.shape[:-1])

    @torch.no_grad()
    def nodes(self) -> Float[Tensor, "side side side"]:
        """Return the density at the grid's nodes, computed once until ``changed`` is called."""
        if self._nodes is None:
            # Looked up by nearest cell: of ``side`` equal cells, cell i holds node i, at most
            # half a cell from its middle.
            self._nodes = _activate(self.values[0, 0])
        return self._nodes

    def changed(self) -> None:
        """Say that the values are others than when ``nodes`` was called (fused optimizers leave no trace of it)."""
        self._nodes = None

    @torch.no_grad()
    def update_coarse(self) -> None:
        """Refresh ``coarse``, a copy at half the resolution: for placing samples."""
        self.changed()
        # The mean of densities, not of raw values: optical depth adds up, and a thin surface stays visible in its cell.
        side = self.values.shape[-1] // 2
        self.coarse = functional.interpolate(_activate(self.values), size=(side,) * 3, mode="area")[0, 0]

    @torch.no_grad()
    def resize(self, resolution: int) -> None:
        """Change the number of voxels per axis, keeping the values."""
        if self.values.shape[-1] != resolution:
            size = (resolution,) * 3
            # With aligned corners the outer nodes stay at -1 and 1, so nothing moves. Assigned
            # to ``data``: optimisers keep hold of the parameter itself.
            self.values.data = functional.interpolate(self.values, size=size, mode="trilinear", align_corners=True)
            self.values.grad = None
            self.update_coarse()

    def total_variation(self) -> Float[Tensor, ""]:
        """Return the mean squared difference between neighbouring voxels' raw values."""
        # Of raw values: differences of densities would all but vanish in empty space, where softplus is flat.
        values = self.values[0, 0]
        return sum((values.diff(dim=axis)).square().mean() for axis in range(3))  # type: ignore[return-value]


class TriplaneFeatures(nn.Module):
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
        # Channels last: those of one node lie together in memory, and a look-up reads them in one go.
        self.planes = nn.Parameter(torch.rand(3, resolution, resolution, channels) * 0.02 - 0.01)
        self.grid = nn.Parameter(torch.zeros(*[grid_resolution] * 3, grid_channels))
        self.size = 2 * channels + grid_channels

    def forward(
        self, points: Float[Tensor, "rays samples 3"], shares: Float[Tensor, "rays samples"]
    ) -> Float[Tensor, "rays features"]:
        """Return the features at points in [-1, 1]^3, summed over each ray's samples by their shares.

        Linear interpolation, differentiable in the shares and the storage.
        """
        if points.device.type == "cpu":
            from relightnerf.field import kernels

            return kernels.composite(points, shares, self.planes, self.grid)
        return composite_features(points, shares, self.planes, self.grid)

    @torch.no_grad()
    def resize(self, resolution: int) -> None:
        """Change the number of cells per axis of the planes, keeping the values."""
        if self.planes.shape[1] != resolution:
            # ``interpolate`` wants channels before space: (3, channels, side, side), and back again.
            size, planes = (resolution, resolution), self.planes.movedim(-1, 1)
            resized = functional.interpolate(planes, size=size, mode="bilinear", align_corners=True)
            self.planes.data = resized.movedim(1, -1).contiguous()
            self.planes.grad = None


def composite_features(
    points: Float[Tensor, "rays samples 3"],
    shares: Float[Tensor, "rays samples"],
    planes: Float[Tensor, "3 side side channels"],
    grid: Float[Tensor, "depth height width coarse"],
) -> Float[Tensor, "rays features"]:
    """Compute ``TriplaneFeatures.forward`` in plain torch, on any device."""
    flat = points.flatten(0, 1)
    # On xy, xz and yz; the first coordinate runs along a plane's last axis of space: (3, rays * samples, 2).
    projections = torch.stack([flat[:, [0, 1]], flat[:, [0, 2]], flat[:, [1, 2]]])
    # Each (channels, rays * samples).
    a, b, c = _sample(planes.movedim(-1, 1), projections.unsqueeze(2)).squeeze(-1)
    # The grid is (z, y, x, channels); its five-dimensional form makes ``grid_sample`` trilinear.
    coarse = _sample(grid.movedim(-1, 0)[None], flat.reshape(1, -1, 1, 1, 3)).reshape(grid.shape[-1], -1)
    # The product less 1 starts near 0, and a plane at 0 does not silence the other two as in a plain product.
    values = torch.cat([a + b + c, (1.0 + a) * (1.0 + b) * (1.0 + c) - 1.0, coarse])
    return torch.einsum("frs,rs->rf", values.unflatten(1, shares.shape), shares)


def trilinear(points: Float[Tensor, "points 3"], values: Float[Tensor, "side side side"]) -> Float[Tensor, "points"]:
    """Interpolate a grid's values at points in [-1, 1]^3 (x along the last axis), differentiable in the values."""
    if points.device.type == "cpu":
        from relightnerf.field import kernels

        return kernels.trilinear(points, values)
    return _sample(values[None, None], points.reshape(1, -1, 1, 1, 3)).reshape(-1)


def _sample(values: Tensor, points: Tensor) -> Tensor:
    # Aligned corners: -1 and 1 are the first and last node. Contracted space has no outside;
    # the border only pads rounding.
    return functional.grid_sample(values, points, align_corners=True, padding_mode="border")


def _activate(raw: Tensor) -> Tensor:
    # Softplus keeps a gradient in empty space, where a ReLU would have none.
    return DENSITY.gain * functional.softplus(raw + DENSITY.shift)
