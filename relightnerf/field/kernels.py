"""The field's inner loops for the CPU, compiled by numba: what torch does in many passes over memory, in one.

Each function gives what its counterpart in torch gives (``grids``, ``sampling``), up to rounding. Sums are split over
threads such that each cell and channel is summed by one thread in the order of the points: the same bytes with any
number of threads.
"""

import functools
from typing import Any, cast, no_type_check

import numba
import numpy as np
import torch
from numba import prange
from torch import Tensor

numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # an old TBB is warned of, even if unused
_compiled = functools.partial(numba.njit, fastmath=True, cache=True, nogil=True)
_parallel = functools.partial(_compiled, parallel=True)
_TRANSPARENT = 1e-4  # what is behind this transmittance cannot be seen
_EVEN_SHARE = 0.01  # of the samples, spread evenly along the ray


class Composite(torch.autograd.Function):
    """Features at points, from three planes and a grid, summed by weight; see ``grids.composite_features``."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, shares: Tensor, planes: Tensor, grid: Tensor) -> Tensor:
        """Take (rays, samples, 3), (rays, samples), (3, side, side, channels) and (g, g, g, k)."""
        points, shares = points.contiguous(), shares.contiguous()
        ctx.save_for_backward(points, shares, planes, grid)
        result = torch.empty(len(points), 2 * planes.shape[-1] + grid.shape[-1])
        _composite(*_arrays(points, shares, planes, grid, result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of shares, planes and grid; points have none."""
        points, shares, planes, grid = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_shares, of_values = torch.empty_like(shares), torch.empty(*shares.shape, 3, planes.shape[-1])
        _composite_backward(*_arrays(points, shares, planes, grid, gradient, of_shares, of_values))
        of_planes = of_grid = None
        if ctx.needs_input_grad[2]:
            of_planes, of_grid = torch.zeros_like(planes), torch.zeros_like(grid)
            _scatter_planes(*_arrays(points, shares, of_values, of_planes), numba.get_num_threads())
            _scatter_grid(*_arrays(points, shares, gradient, of_grid), numba.get_num_threads())
        return None, of_shares, of_planes, of_grid


class Trilinear(torch.autograd.Function):
    """A grid's values at points in [-1, 1]^3, as ``grid_sample`` with aligned corners and border padding gives them."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, values: Tensor) -> Tensor:
        """Take (points, 3) and (side, side, side), the last axis being x; return (points,)."""
        points = points.contiguous()
        ctx.save_for_backward(points)
        ctx.side = values.shape[-1]
        result = torch.empty(len(points))
        _trilinear(*_arrays(points, values, result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the values; points have none."""
        (points,) = ctx.saved_tensors
        of_values = torch.zeros(ctx.side, ctx.side, ctx.side)
        _trilinear_backward(*_arrays(points, gradients[0].contiguous(), of_values), numba.get_num_threads())
        return None, of_values


def place_samples(
    origins: Tensor, directions: Tensor, density: Tensor, near: float, far: float, where: Tensor, fine: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place the samples of rays where a coarse density is; see ``sampling.place_samples``."""
    rays, intervals = len(origins), fine.shape[1] - 1
    unit, edges = torch.empty(rays, intervals + 1), torch.empty(rays, intervals + 1)
    middles, lengths = torch.empty(rays, intervals, 3), torch.empty(rays, intervals)
    inputs = _arrays(origins.contiguous(), directions.contiguous(), density, where.contiguous(), fine.contiguous())
    _place_samples(*inputs, near, far, *_arrays(unit, edges, middles, lengths))
    return unit, edges, middles, lengths


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


@_compiled(inline="always")
@no_type_check
def _cell(position: float, side: int) -> tuple[int, float]:
    """Return the cell before a position in [-1, 1] on an axis of ``side`` nodes, and how far into it."""
    scaled = min(max((position + np.float32(1.0)) * np.float32(0.5) * np.float32(side - 1), 0.0), side - 1.0)
    index = min(int(scaled), side - 2)
    return index, np.float32(scaled - index)


@_compiled(inline="always")
@no_type_check
def _plane_axes(plane: int) -> tuple[int, int]:
    """Return the axes of space along a plane's columns and rows: xy, xz, yz."""
    return (0, 1) if plane == 0 else ((0, 2) if plane == 1 else (1, 2))


@_compiled
@no_type_check
def _plane_values(point: np.ndarray, planes: np.ndarray, values: np.ndarray) -> None:
    side, channels = planes.shape[1], planes.shape[3]
    for plane in range(3):
        first, second = _plane_axes(plane)
        i, x = _cell(point[first], side)
        j, y = _cell(point[second], side)
        near, right, up, far = (
            planes[plane, j, i],
            planes[plane, j, i + 1],
            planes[plane, j + 1, i],
            planes[plane, j + 1, i + 1],
        )
        a, b, c, d = (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y
        for q in range(channels):
            values[plane, q] = a * near[q] + b * right[q] + c * up[q] + d * far[q]


@_parallel
@no_type_check
def _composite(
    points: np.ndarray, shares: np.ndarray, planes: np.ndarray, grid: np.ndarray, result: np.ndarray
) -> None:
    side, channels, coarse = grid.shape[0], planes.shape[3], grid.shape[3]
    for ray in prange(len(points)):
        values = np.empty((3, channels), np.float32)
        total = np.zeros(2 * channels + coarse, np.float32)
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            if share == 0.0:
                continue
            _plane_values(point, planes, values)
            for q in range(channels):
                a, b, c = values[0, q], values[1, q], values[2, q]
                total[q] += share * (a + b + c)
                total[channels + q] += share * ((1 + a) * (1 + b) * (1 + c) - 1)
            i, x = _cell(point[0], side)
            j, y = _cell(point[1], side)
            k, z = _cell(point[2], side)
            for corner in range(8):
                dx, dy, dz = corner & 1, (corner >> 1) & 1, corner >> 2
                weight = share * (x if dx else 1 - x) * (y if dy else 1 - y) * (z if dz else 1 - z)
                cell = grid[k + dz, j + dy, i + dx]
                for q in range(coarse):
                    total[2 * channels + q] += weight * cell[q]
        result[ray] = total


@_parallel
@no_type_check
def _composite_backward(
    points: np.ndarray,
    shares: np.ndarray,
    planes: np.ndarray,
    grid: np.ndarray,
    gradient: np.ndarray,
    of_shares: np.ndarray,
    of_values: np.ndarray,
) -> None:
    side, channels, coarse = grid.shape[0], planes.shape[3], grid.shape[3]
    for ray in prange(len(points)):
        values = np.empty((3, channels), np.float32)
        given = gradient[ray]
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            if share == 0.0:
                of_shares[ray, sample] = 0.0
                continue
            _plane_values(point, planes, values)
            of_value = of_values[ray, sample]
            of_share = np.float32(0.0)
            for q in range(channels):
                a, b, c = values[0, q], values[1, q], values[2, q]
                of_sum, of_product = given[q], given[channels + q]
                of_share += of_sum * (a + b + c) + of_product * ((1 + a) * (1 + b) * (1 + c) - 1)
                of_value[0, q] = share * (of_sum + of_product * (1 + b) * (1 + c))
                of_value[1, q] = share * (of_sum + of_product * (1 + a) * (1 + c))
                of_value[2, q] = share * (of_sum + of_product * (1 + a) * (1 + b))
            i, x = _cell(point[0], side)
            j, y = _cell(point[1], side)
            k, z = _cell(point[2], side)
            for corner in range(8):
                dx, dy, dz = corner & 1, (corner >> 1) & 1, corner >> 2
                weight = (x if dx else 1 - x) * (y if dy else 1 - y) * (z if dz else 1 - z)
                cell = grid[k + dz, j + dy, i + dx]
                for q in range(coarse):
                    of_share += weight * cell[q] * given[2 * channels + q]
            of_shares[ray, sample] = of_share


@_parallel
@no_type_check
def _scatter_planes(
    points: np.ndarray, shares: np.ndarray, of_values: np.ndarray, of_planes: np.ndarray, groups: int
) -> None:
    side, channels = of_planes.shape[1], of_planes.shape[3]
    each = (channels + groups - 1) // groups
    for task in prange(3 * groups):
        plane, first = task % 3, task // 3 * each
        last = min(first + each, channels)
        across, along = _plane_axes(plane)
        for ray in range(points.shape[0]):
            for sample in range(points.shape[1]):
                if shares[ray, sample] == 0.0:
                    continue
                i, x = _cell(points[ray, sample, across], side)
                j, y = _cell(points[ray, sample, along], side)
                a, b, c, d = (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y
                near, right = of_planes[plane, j, i], of_planes[plane, j, i + 1]
                up, far = of_planes[plane, j + 1, i], of_planes[plane, j + 1, i + 1]
                value = of_values[ray, sample, plane]
                for q in range(first, last):
                    near[q] += a * value[q]
                    right[q] += b * value[q]
                    up[q] += c * value[q]
                    far[q] += d * value[q]


@_parallel
@no_type_check
def _scatter_grid(
    points: np.ndarray, shares: np.ndarray, gradient: np.ndarray, of_grid: np.ndarray, groups: int
) -> None:
    side, channels = of_grid.shape[0], of_grid.shape[3]
    before = gradient.shape[1] - channels
    each = (channels + groups - 1) // groups
    for task in prange(groups):
        first, last = task * each, min(task * each + each, channels)
        for ray in range(points.shape[0]):
            for sample in range(points.shape[1]):
                if shares[ray, sample] == 0.0:
                    continue
                i, x = _cell(points[ray, sample, 0], side)
                j, y = _cell(points[ray, sample, 1], side)
                k, z = _cell(points[ray, sample, 2], side)
                for corner in range(8):
                    dx, dy, dz = corner & 1, (corner >> 1) & 1, corner >> 2
                    weight = (x if dx else 1 - x) * (y if dy else 1 - y) * (z if dz else 1 - z)
                    weight *= shares[ray, sample]
                    cell = of_grid[k + dz, j + dy, i + dx]
                    for q in range(first, last):
                        cell[q] += weight * gradient[ray, before + q]


@_parallel
@no_type_check
def _trilinear(points: np.ndarray, values: np.ndarray, result: np.ndarray) -> None:
    side = values.shape[0]
    for point in prange(len(points)):
        i, x = _cell(points[point, 0], side)
        j, y = _cell(points[point, 1], side)
        k, z = _cell(points[point, 2], side)
        a = (1 - x) * values[k, j, i] + x * values[k, j, i + 1]
        b = (1 - x) * values[k, j + 1, i] + x * values[k, j + 1, i + 1]
        c = (1 - x) * values[k + 1, j, i] + x * values[k + 1, j, i + 1]
        d = (1 - x) * values[k + 1, j + 1, i] + x * values[k + 1, j + 1, i + 1]
        result[point] = (1 - z) * ((1 - y) * a + y * b) + z * ((1 - y) * c + y * d)


@_parallel
@no_type_check
def _trilinear_backward(points: np.ndarray, gradient: np.ndarray, of_values: np.ndarray, groups: int) -> None:
    side = of_values.shape[0]
    each = (side + groups - 1) // groups
    for task in prange(groups):
        first, last = task * each, min(task * each + each, side)
        for point in range(len(points)):
            k, z = _cell(points[point, 2], side)
            if k + 1 < first or k >= last:
                continue
            i, x = _cell(points[point, 0], side)
            j, y = _cell(points[point, 1], side)
            for layer in range(max(k, first), min(k + 2, last)):
                given = gradient[point] * (z if layer > k else 1 - z)
                of_values[layer, j, i] += given * (1 - x) * (1 - y)
                of_values[layer, j, i + 1] += given * x * (1 - y)
                of_values[layer, j + 1, i] += given * (1 - x) * y
                of_values[layer, j + 1, i + 1] += given * x * y


@_compiled(inline="always")
@no_type_check
def _distance(unit: float, near: float, far: float, turn: float) -> float:
    share = np.float32(0.7)
    if unit < share:
        return near + (turn - near) * unit / share
    inverse = 1 / turn + (1 / far - 1 / turn) * (unit - share) / (1 - share)
    return 1 / min(max(inverse, 1 / far), 1 / near)


@_compiled(inline="always")
@no_type_check
def _contracted(origin: np.ndarray, direction: np.ndarray, distance: float) -> tuple[float, float, float]:
    x = origin[0] + direction[0] * distance
    y = origin[1] + direction[1] * distance
    z = origin[2] + direction[2] * distance
    radius = max(abs(x), abs(y), abs(z), np.float32(1.0))
    scale = (np.float32(1.0) - np.float32(0.5) / radius) / radius
    return x * scale, y * scale, z * scale


@_parallel
@no_type_check
def _place_samples(
    origins: np.ndarray,
    directions: np.ndarray,
    density: np.ndarray,
    where: np.ndarray,
    fine: np.ndarray,
    near: float,
    far: float,
    unit: np.ndarray,
    edges: np.ndarray,
    middles: np.ndarray,
    lengths: np.ndarray,
) -> None:
    side, steps, intervals = density.shape[0], where.shape[1], fine.shape[1] - 1
    near, far = np.float32(near), np.float32(far)
    for ray in prange(len(origins)):
        origin, direction = origins[ray], directions[ray]
        turn = np.float32(np.sqrt(origin[0] ** 2 + origin[1] ** 2 + origin[2] ** 2) + 1.5)
        weights = np.zeros(steps + 2, np.float32)
        transmittance = np.float32(1.0)
        x, y, z = _contracted(origin, direction, _distance(np.float32(0.0), near, far, turn))
        for step in range(steps):
            end = _distance(np.float32((step + 1) / steps), near, far, turn)
            nx, ny, nz = _contracted(origin, direction, end)
            share = where[ray, step]
            i = min(max(int((x + (nx - x) * share + 1) * 0.5 * side), 0), side - 1)
            j = min(max(int((y + (ny - y) * share + 1) * 0.5 * side), 0), side - 1)
            k = min(max(int((z + (nz - z) * share + 1) * 0.5 * side), 0), side - 1)
            length = np.sqrt((nx - x) ** 2 + (ny - y) ** 2 + (nz - z) ** 2)
            # a coarse cell at a silhouette looks solid: what is behind it must get samples too
            left = transmittance * np.exp(-min(density[k, j, i] * length, np.float32(1.0)))
            weights[step + 1] = transmittance - left
            transmittance = left
            x, y, z = nx, ny, nz
            if transmittance < _TRANSPARENT:
                break
        widened = np.empty(steps, np.float32)
        total = np.float32(0.0)
        for step in range(steps):
            widened[step] = max(weights[step], weights[step + 1], weights[step + 2]) + _EVEN_SHARE / steps
            total += widened[step]
        step, reached = 0, np.float32(0.0)
        for edge in range(intervals + 1):
            wanted = fine[ray, edge] * total
            while step < steps - 1 and reached + widened[step] <= wanted:
                reached += widened[step]
                step += 1
            inside = min(max((wanted - reached) / widened[step], np.float32(0.0)), np.float32(1.0))
            unit[ray, edge] = (step + inside) / steps
            edges[ray, edge] = _distance(unit[ray, edge], near, far, turn)
            nx, ny, nz = _contracted(origin, direction, edges[ray, edge])
            if edge > 0:
                middles[ray, edge - 1, 0] = np.float32(0.5) * (x + nx)
                middles[ray, edge - 1, 1] = np.float32(0.5) * (y + ny)
                middles[ray, edge - 1, 2] = np.float32(0.5) * (z + nz)
                lengths[ray, edge - 1] = np.sqrt((nx - x) ** 2 + (ny - y) ** 2 + (nz - z) ** 2)
            x, y, z = nx, ny, nz


composite = cast(Any, Composite.apply)
"""``(points, shares, planes, grid) -> (rays, features)``."""
trilinear = cast(Any, Trilinear.apply)
"""``(points, values) -> (points,)``."""
