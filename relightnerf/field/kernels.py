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
# Without fastmath: with it, loops of this size are optimised otherwise when they have just been compiled than when they
# come from the cache, and a training that goes on in another process would differ in its last bits.
_exact = functools.partial(numba.njit, cache=True, nogil=True, parallel=True)
_NEXT = np.uintp(1)  # nodes and channels are counted without sign: numba checks signed indices, which is slow
_TRANSPARENT = 1e-4  # what is behind this transmittance cannot be seen
_OPAQUE = 10.0  # optical depth that lets nothing through
_EVEN_SHARE = 0.01  # of the samples, spread evenly along the ray


class Composite(torch.autograd.Function):
    """Features at points, from three planes and a grid, summed by weight; see ``grids.composite_features``."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, shares: Tensor, planes: Tensor, grid: Tensor) -> Tensor:
        """Take (rays, samples, 3), (rays, samples), (3, side, side, channels) and (g, g, g, k)."""
        points, shares = points.contiguous(), shares.contiguous()
        ctx.save_for_backward(points, shares, planes, grid)
        result = torch.empty(len(points), 2 * planes.shape[-1] + grid.shape[-1])
        _composite(*_arrays(points, shares), *_nodes(planes, 2), *_nodes(grid, 3), *_arrays(result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of shares, planes and grid; points have none."""
        points, shares, planes, grid = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        of_shares, of_values = torch.empty_like(shares), torch.empty(*shares.shape, 3, planes.shape[-1])
        results = _arrays(gradient, of_shares, of_values)
        _composite_backward(*_arrays(points, shares), *_nodes(planes, 2), *_nodes(grid, 3), *results)
        of_planes = of_grid = None
        if ctx.needs_input_grad[2]:
            of_planes, of_grid = torch.zeros_like(planes), torch.zeros_like(grid)
            threads = numba.get_num_threads()
            _scatter_planes(*_arrays(points, shares, of_values), *_nodes(of_planes, 2), threads)
            _scatter_grid(*_arrays(points, shares, gradient), *_nodes(of_grid, 3), threads)
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
        _trilinear(*_arrays(points), *_nodes(values[..., None], 3), *_arrays(result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradient of the values; points have none."""
        (points,) = ctx.saved_tensors
        of_values = torch.zeros(ctx.side, ctx.side, ctx.side)
        nodes = _nodes(of_values[..., None], 3)
        _trilinear_backward(*_arrays(points, gradients[0].contiguous()), *nodes, numba.get_num_threads())
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


def visibility(points: Tensor, lights: Tensor, reach: Tensor, density: Tensor, ends: Tensor) -> Tensor:
    """Return how much of each light arrives; see ``visibility.visibility``."""
    result = torch.empty(lights.shape[:2])
    _visibility(*_arrays(points.contiguous(), lights.contiguous(), reach.contiguous(), density, ends, result))
    return result


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _nodes(values: Tensor, axes: int) -> tuple[np.ndarray, int]:
    """Return values (..., channels) with their ``axes`` axes of space as one, and the nodes of such an axis."""
    return values.detach().flatten(-1 - axes, -2).numpy(), values.shape[-2]


@_compiled(inline="always")
@no_type_check
def _cell(position: float, side: int) -> tuple[int, float]:
    """Return the cell before a position in [-1, 1] on an axis of ``side`` nodes, and how far into it."""
    last = np.float32(side - 1)
    scaled = min(max((position + np.float32(1.0)) * np.float32(0.5) * last, np.float32(0.0)), last)
    index = min(int(scaled), side - 2)
    return index, np.float32(scaled - index)


@_compiled(inline="always")
@no_type_check
def _square(across: float, along: float, side: int) -> tuple[int, float, float, float, float]:
    """Return the first of the four nodes around a place on a square of ``side`` rows, and the nodes' weights."""
    i, x = _cell(across, side)
    j, y = _cell(along, side)
    before_x, before_y = np.float32(1.0) - x, np.float32(1.0) - y
    return np.uintp(j * side + i), before_x * before_y, x * before_y, before_x * y, x * y


@_compiled(inline="always")
@no_type_check
def _mixed(nodes: np.ndarray, node: int, row: int, a: float, b: float, c: float, d: float, channel: int) -> float:
    """Return one channel of four neighbouring nodes, mixed by their weights."""
    return (
        a * nodes[node, channel]
        + b * nodes[node + _NEXT, channel]
        + c * nodes[node + row, channel]
        + d * nodes[node + row + _NEXT, channel]
    )


@_compiled(inline="always")
@no_type_check
def _give(
    nodes: np.ndarray, node: int, row: int, a: float, b: float, c: float, d: float, channel: int, value: float
) -> None:
    """Add a value to one channel of four neighbouring nodes, by their weights."""
    nodes[node, channel] += a * value
    nodes[node + _NEXT, channel] += b * value
    nodes[node + row, channel] += c * value
    nodes[node + row + _NEXT, channel] += d * value


@_exact
@no_type_check
def _composite(
    points: np.ndarray, shares: np.ndarray, planes: np.ndarray, side: int, grid: np.ndarray, depth: int, out: np.ndarray
) -> None:
    xy, xz, yz = planes[0], planes[1], planes[2]
    channels, coarse, one = np.uintp(planes.shape[2]), np.uintp(grid.shape[1]), np.float32(1.0)
    row, grid_row, layer = np.uintp(side), np.uintp(depth), np.uintp(depth * depth)
    for ray in prange(len(points)):
        total = out[ray]
        total[:] = 0.0
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            if share == 0.0:
                continue
            i, a0, a1, a2, a3 = _square(point[0], point[1], side)
            j, b0, b1, b2, b3 = _square(point[0], point[2], side)
            k, c0, c1, c2, c3 = _square(point[1], point[2], side)
            for q in range(channels):
                u = _mixed(xy, i, row, a0, a1, a2, a3, q)
                v = _mixed(xz, j, row, b0, b1, b2, b3, q)
                w = _mixed(yz, k, row, c0, c1, c2, c3, q)
                total[q] += share * (u + v + w)
                total[channels + q] += share * ((one + u) * (one + v) * (one + w) - one)
            node, a0, a1, a2, a3 = _square(point[0], point[1], depth)
            deep, z = _cell(point[2], depth)
            node += np.uintp(deep * depth * depth)
            near, far = share * (one - z), share * z
            for q in range(coarse):
                value = near * _mixed(grid, node, grid_row, a0, a1, a2, a3, q)
                total[channels + channels + q] += value + far * _mixed(grid, node + layer, grid_row, a0, a1, a2, a3, q)


@_exact
@no_type_check
def _composite_backward(
    points: np.ndarray,
    shares: np.ndarray,
    planes: np.ndarray,
    side: int,
    grid: np.ndarray,
    depth: int,
    gradient: np.ndarray,
    of_shares: np.ndarray,
    of_values: np.ndarray,
) -> None:
    xy, xz, yz = planes[0], planes[1], planes[2]
    channels, coarse, one = np.uintp(planes.shape[2]), np.uintp(grid.shape[1]), np.float32(1.0)
    row, grid_row, layer = np.uintp(side), np.uintp(depth), np.uintp(depth * depth)
    for ray in prange(len(points)):
        given = gradient[ray]
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            of_share = np.float32(0.0)
            if share == 0.0:
                of_shares[ray, sample] = of_share
                continue
            i, a0, a1, a2, a3 = _square(point[0], point[1], side)
            j, b0, b1, b2, b3 = _square(point[0], point[2], side)
            k, c0, c1, c2, c3 = _square(point[1], point[2], side)
            of_u, of_v, of_w = of_values[ray, sample, 0], of_values[ray, sample, 1], of_values[ray, sample, 2]
            for q in range(channels):
                u = _mixed(xy, i, row, a0, a1, a2, a3, q)
                v = _mixed(xz, j, row, b0, b1, b2, b3, q)
                w = _mixed(yz, k, row, c0, c1, c2, c3, q)
                of_sum, of_product = given[q], given[channels + q]
                of_share += of_sum * (u + v + w) + of_product * ((one + u) * (one + v) * (one + w) - one)
                of_u[q] = share * (of_sum + of_product * (one + v) * (one + w))
                of_v[q] = share * (of_sum + of_product * (one + u) * (one + w))
                of_w[q] = share * (of_sum + of_product * (one + u) * (one + v))
            node, a0, a1, a2, a3 = _square(point[0], point[1], depth)
            deep, z = _cell(point[2], depth)
            node += np.uintp(deep * depth * depth)
            for q in range(coarse):
                value = (one - z) * _mixed(grid, node, grid_row, a0, a1, a2, a3, q)
                value += z * _mixed(grid, node + layer, grid_row, a0, a1, a2, a3, q)
                of_share += value * given[channels + channels + q]
            of_shares[ray, sample] = of_share


@_parallel
@no_type_check
def _scatter_planes(
    points: np.ndarray, shares: np.ndarray, of_values: np.ndarray, of_planes: np.ndarray, side: int, groups: int
) -> None:
    channels, row = of_planes.shape[2], np.uintp(side)
    each = (channels + groups - 1) // groups
    for task in prange(3 * groups):
        plane, begin = task % 3, task // 3 * each
        first, last = np.uintp(begin), np.uintp(min(begin + each, channels))
        across, along = (0, 1) if plane == 0 else ((0, 2) if plane == 1 else (1, 2))
        nodes = of_planes[plane]
        for ray in range(points.shape[0]):
            for sample in range(points.shape[1]):
                if shares[ray, sample] == 0.0:
                    continue
                node, a, b, c, d = _square(points[ray, sample, across], points[ray, sample, along], side)
                value = of_values[ray, sample, plane]
                for q in range(first, last):
                    _give(nodes, node, row, a, b, c, d, q, value[q])


@_parallel
@no_type_check
def _scatter_grid(
    points: np.ndarray, shares: np.ndarray, gradient: np.ndarray, of_grid: np.ndarray, side: int, groups: int
) -> None:
    channels, row, layer = of_grid.shape[1], np.uintp(side), np.uintp(side * side)
    before = np.uintp(gradient.shape[1] - channels)
    each = (channels + groups - 1) // groups
    for task in prange(groups):
        first, last = np.uintp(task * each), np.uintp(min(task * each + each, channels))
        for ray in range(points.shape[0]):
            given = gradient[ray]
            for sample in range(points.shape[1]):
                share = shares[ray, sample]
                if share == 0.0:
                    continue
                node, a, b, c, d = _square(points[ray, sample, 0], points[ray, sample, 1], side)
                deep, z = _cell(points[ray, sample, 2], side)
                node += np.uintp(deep * side * side)
                near, far = share * (np.float32(1.0) - z), share * z
                for q in range(first, last):
                    _give(of_grid, node, row, a, b, c, d, q, near * given[before + q])
                    _give(of_grid, node + layer, row, a, b, c, d, q, far * given[before + q])


@_parallel
@no_type_check
def _trilinear(points: np.ndarray, values: np.ndarray, side: int, result: np.ndarray) -> None:
    row, layer, only = np.uintp(side), np.uintp(side * side), np.uintp(0)
    for point in prange(len(points)):
        node, a, b, c, d = _square(points[point, 0], points[point, 1], side)
        deep, z = _cell(points[point, 2], side)
        node += np.uintp(deep * side * side)
        near = _mixed(values, node, row, a, b, c, d, only)
        result[point] = near + z * (_mixed(values, node + layer, row, a, b, c, d, only) - near)


@_parallel
@no_type_check
def _trilinear_backward(
    points: np.ndarray, gradient: np.ndarray, of_values: np.ndarray, side: int, groups: int
) -> None:
    row, layer, only = np.uintp(side), np.uintp(side * side), np.uintp(0)
    each = (side + groups - 1) // groups
    for task in prange(groups):
        first, last = task * each, min(task * each + each, side)
        for point in range(len(points)):
            k, z = _cell(points[point, 2], side)
            if k + 1 < first or k >= last:
                continue
            node, a, b, c, d = _square(points[point, 0], points[point, 1], side)
            node += np.uintp(k * side * side)
            if k >= first:
                _give(of_values, node, row, a, b, c, d, only, gradient[point] * (np.float32(1.0) - z))
            if k + 1 < last:
                _give(of_values, node + layer, row, a, b, c, d, only, gradient[point] * z)


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
def _nearest(position: float, side: int) -> int:
    """Return the cell that holds a position in [-1, 1] on an axis of ``side`` cells."""
    return np.uintp(min(max(int((position + np.float32(1.0)) * np.float32(0.5) * np.float32(side)), 0), side - 1))


@_compiled(inline="always")
@no_type_check
def _contraction(x: float, y: float, z: float) -> float:
    """Return the factor that brings a point into the contracted space, scaled to [-1, 1]^3."""
    radius, scale = max(abs(x), abs(y), abs(z)), np.float32(0.5)
    if radius > np.float32(1.0):
        scale = (np.float32(1.0) - np.float32(0.5) / radius) / radius
    return scale


@_compiled(inline="always")
@no_type_check
def _contracted(origin: np.ndarray, direction: np.ndarray, distance: float) -> tuple[float, float, float]:
    x = origin[0] + direction[0] * distance
    y = origin[1] + direction[1] * distance
    z = origin[2] + direction[2] * distance
    scale = _contraction(x, y, z)
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
            i = _nearest(x + (nx - x) * share, side)
            j = _nearest(y + (ny - y) * share, side)
            k = _nearest(z + (nz - z) * share, side)
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


@_parallel
@no_type_check
def _visibility(
    points: np.ndarray, lights: np.ndarray, reach: np.ndarray, density: np.ndarray, ends: np.ndarray, out: np.ndarray
) -> None:
    side, opaque = density.shape[0], np.float32(_OPAQUE)
    for ray in prange(len(points)):
        px, py, pz = points[ray, 0], points[ray, 1], points[ray, 2]
        for light in range(lights.shape[1]):
            lx, ly, lz = lights[ray, light, 0], lights[ray, light, 1], lights[ray, light, 2]
            farthest, passed = reach[ray, light], np.float32(0.0)
            for step in range(len(ends) - 1):
                start, end = ends[step], ends[step + 1]
                if end > farthest or passed > opaque:
                    break
                middle = np.float32(0.5) * (start + end)
                x, y, z = px + lx * middle, py + ly * middle, pz + lz * middle
                scale = _contraction(x, y, z)
                cell = density[_nearest(z * scale, side), _nearest(y * scale, side), _nearest(x * scale, side)]
                passed += cell * scale * (end - start)
            out[ray, light] = np.exp(-passed)


composite = cast(Any, Composite.apply)
"""``(points, shares, planes, grid) -> (rays, features)``."""
trilinear = cast(Any, Trilinear.apply)
"""``(points, values) -> (points,)``."""
