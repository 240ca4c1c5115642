"""Joint bilateral upsampling: a small map is enlarged along the edges of a large picture.

Method: Kopf et al., "Joint Bilateral Upsampling", SIGGRAPH 2007. All pixels of a small pixel's cell share its
neighbours, so a cell's result is one small matrix product, (pixels x neighbours) @ (neighbours x channels), and weights
that several maps share are computed once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

_CHUNK_VALUES = 1 << 24
"""About how many values of weights, or of results, are in memory at a time."""


@dataclass(frozen=True)
class Kernel:
    """The weights of joint bilateral upsampling."""

    radius: int = 2
    """Neighbours to each side: (2 radius + 1)^2 in all. Two are nearly 3 standard deviations; what is further away
    would weigh 2 % at most, and cost as much."""
    sigma_cells: float = 0.7
    """Spatial standard deviation in small pixels; it shrinks to 0 as the sizes become equal. Less shows the grid of
    small pixels, more blurs the map where the guide is flat."""
    fallback: float = 1e-3
    """Weight of bilinear interpolation, next to 1 for a neighbour that is equal and near: it decides where none is."""


@dataclass(frozen=True)
class _Axis:
    """Which pixels lie in which cell, along one side."""

    pixels: Int[Tensor, "cells per_cell"]
    """The pixels of each cell; where it has fewer than others, further ones, which ``places`` leaves out."""
    places: Int[Tensor, " size"]
    """Where each pixel stands in ``pixels``, flattened."""
    distances: Float[Tensor, "cells per_cell neighbours"]
    """From each pixel to its cell's neighbours, in cells."""

    @classmethod
    def of(cls, size: int, cells: int, radius: int, device: torch.device) -> "_Axis":
        pixel = torch.arange(size, device=device)
        # The cell that holds the pixel's centre, floor((p + 0.5) cells / size), in whole numbers.
        cell = (2 * pixel + 1) * cells // (2 * size)
        # Cells are in order, so this is each cell's first pixel; a pixel's rank counts from there.
        first = torch.searchsorted(cell, torch.arange(cells, device=device))
        rank = pixel - first[cell]
        per_cell = int(rank.max()) + 1
        pixels = (first[:, None] + torch.arange(per_cell, device=device)).clamp(max=size - 1)
        # Place of the pixel's centre in cells, from its own cell's centre: (cells, per_cell).
        centre = (pixels + 0.5) * (cells / size) - 0.5 - torch.arange(cells, device=device)[:, None]
        steps = torch.arange(-radius, radius + 1, device=device)
        return cls(pixels, cell * per_cell + rank, centre[:, :, None] - steps)

    def rows(self, start: int, end: int) -> "_Axis":
        """Return the part of the cells from ``start`` to ``end``; places count from its first pixel on."""
        per_cell = self.pixels.shape[1]
        inside = (self.places >= start * per_cell) & (self.places < end * per_cell)
        return _Axis(self.pixels[start:end], self.places[inside] - start * per_cell, self.distances[start:end])


def upsampled_chunks(
    values: Float[Tensor, "batch channels low_height low_width"],
    guides: Sequence[Float[Tensor, "_ _ height width"]],
    kernel: Kernel,
) -> Iterator[Float[Tensor, "batch channels rows width"]]:
    """Give the upsampled map from its top to its bottom, in pieces that bound the memory.

    Args:
        values: the small maps.
        guides: channels that tell surfaces apart, in units of their standard deviations, each group of them one for
            each map, or one for all, which costs its share of the work once.
        kernel: the weights.
    """
    cells = values.shape[-2:]
    rows, columns = (
        _Axis.of(size, count, kernel.radius, values.device)
        for size, count in zip(guides[0].shape[-2:], cells, strict=True)
    )
    # Area means of the guide are what a cell stands for; replicated borders give every cell all its neighbours.
    low_guides = [functional.interpolate(guide, cells, mode="area") for guide in guides]
    pad = [kernel.radius] * 4
    values, *low_guides = (functional.pad(low, pad, mode="replicate") for low in (values, *low_guides))
    # Weights take pixels x neighbours x guides, results pixels x channels: the larger of both sets the chunk.
    pixels_per_row = rows.pixels.shape[1] * columns.pixels.numel()
    per_pixel = max((2 * kernel.radius + 1) ** 2 * max(map(len, guides)), values.shape[0] * values.shape[1])
    step = max(1, _CHUNK_VALUES // (pixels_per_row * per_pixel))
    for start in range(0, cells[0], step):
        end = min(start + step, cells[0])
        # In padded maps a cell's window starts at the cell's own number, so 2 radius more rows are needed.
        part, low_rows = rows.rows(start, end), slice(start, end + 2 * kernel.radius)
        squares = [
            _squares(guide, low[:, :, low_rows], part, columns, kernel)
            for guide, low in zip(guides, low_guides, strict=True)
        ]
        weights = _weights(sum(squares[1:], squares[0]), part, columns, kernel)
        yield _weighted(values[:, :, low_rows], weights, part, columns, kernel)


def _squares(
    guide: Float[Tensor, "guides guide_channels height width"],
    low_guide: Float[Tensor, "guides guide_channels padded_height padded_width"],
    rows: _Axis,
    columns: _Axis,
    kernel: Kernel,
) -> Float[Tensor, "guides cells pixels neighbours"]:
    """Return the squared distance, in the guide, from each pixel of each cell to the cell's neighbours."""
    # From (guides, channels, rows, columns) to (guides, cells, pixels, channels): both sides split into cells and
    # places in them, the two cell axes next to each other, and the two of places.
    here = guide[:, :, rows.pixels.flatten()][..., columns.pixels.flatten()]
    here = here.unflatten(3, columns.pixels.shape).unflatten(2, rows.pixels.shape)
    here = here.permute(0, 2, 4, 3, 5, 1).flatten(3, 4).flatten(1, 2)
    there = _neighbours(low_guide, kernel)
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b: one matrix product instead of all differences in memory
    return here.square().sum(-1, keepdim=True) + there.square().sum(-2, keepdim=True) - 2 * here @ there


def _weights(
    squares: Float[Tensor, "guides cells pixels neighbours"], rows: _Axis, columns: _Axis, kernel: Kernel
) -> Float[Tensor, "guides cells pixels neighbours"]:
    """Return each neighbour's weight for each pixel of each cell; they add up to 1."""
    # as sizes become equal, each pixel becomes its own sample: upsampling by 1 returns the map
    factor = rows.pixels.shape[1] * columns.pixels.shape[1]
    sigma = max(kernel.sigma_cells * max(0.0, 1 - 1 / factor) ** 0.5, 1e-3)
    # The Gaussian of space and the bilinear hat are products of one function a side: (cells, pixels, neighbours).
    near, bilinear = (
        torch.einsum("apk,bql->abpqkl", along_rows, along_columns).flatten(4, 5).flatten(2, 3).flatten(0, 1)
        for along_rows, along_columns in (
            [(-0.5 * (axis.distances / sigma).square()).exp() for axis in (rows, columns)],
            [(1 - axis.distances.abs()).clamp(min=0) for axis in (rows, columns)],
        )
    )
    # The last formula of ``_squares`` may round to below 0. The hats add up to 1, so the sum of weights is at least the
    # fallback's, and the division is safe.
    weights = near * (-0.5 * squares.clamp(min=0)).exp() + kernel.fallback * bilinear
    return weights / weights.sum(-1, keepdim=True)


def _neighbours(
    padded: Float[Tensor, "batch channels padded_height padded_width"], kernel: Kernel
) -> Float[Tensor, "batch cells channels neighbours"]:
    size = 2 * kernel.radius + 1
    # (batch, cells, size, size) windows as a view of the padded map: nothing is copied until they are flattened.
    windows = padded.unfold(2, size, 1).unfold(3, size, 1)
    return windows.permute(0, 2, 3, 1, 4, 5).flatten(4, 5).flatten(1, 2)


def _weighted(
    values: Float[Tensor, "batch channels padded_height padded_width"],
    weights: Float[Tensor, "guides cells pixels neighbours"],
    rows: _Axis,
    columns: _Axis,
    kernel: Kernel,
) -> Float[Tensor, "batch channels rows width"]:
    """Return the weighted means of the neighbours' values, pixel by pixel."""
    # Weights that all maps share multiply them in one product, with the maps as channels.
    shared = len(weights) == 1
    stacked = values.flatten(0, 1)[None] if shared else values
    means = weights @ _neighbours(stacked, kernel).transpose(2, 3)
    # The way back: (guides, cells, pixels, channels) to (guides, channels, rows, columns).
    grid = means.unflatten(2, (rows.pixels.shape[1], columns.pixels.shape[1]))
    grid = grid.unflatten(1, (rows.pixels.shape[0], columns.pixels.shape[0]))
    picture = grid.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)
    picture = picture.reshape(*values.shape[:2], *picture.shape[2:])
    # Cells with fewer pixels than others were filled up; their surplus is dropped.
    for dim, axis in ((2, rows), (3, columns)):
        if axis.places.numel() < axis.pixels.numel():
            picture = picture.index_select(dim, axis.places)
    return picture
