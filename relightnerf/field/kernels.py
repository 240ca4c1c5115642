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

from relightnerf.field.settings import RAYS

numba.config.THREADING_LAYER_PRIORITY = ["omp", "tbb", "workqueue"]  # an old TBB is warned of, even if unused
_inlined = functools.partial(numba.njit, cache=True, nogil=True, inline="always")
# Without fastmath: with it, a loop is optimised otherwise when it has just been compiled than when it comes from the
# cache, and a training that goes on in another process would differ in its last bits.
_exact = functools.partial(numba.njit, cache=True, nogil=True, parallel=True)
_NEXT = np.uintp(1)  # nodes and channels are counted without sign: numba checks signed indices, which is slow
_TRANSPARENT = 1e-4  # what is behind this transmittance cannot be seen
_OPAQUE = 10.0  # optical depth that lets nothing through
_BLOCK = 64  # rays that share scratch memory; their loops fill it step by step, as vector instructions do


class Composite(torch.autograd.Function):
    """Features at points, from three planes and a grid, summed by weight; see ``grids.composite_features``."""

    @staticmethod
    def forward(ctx: Any, points: Tensor, shares: Tensor, planes: Tensor, grid: Tensor) -> Tensor:
        """Take (rays, samples, 3), (rays, samples), (3, side, side, channels) and (g, g, g, k)."""
        points, shares = points.contiguous(), shares.contiguous()
        ctx.save_for_backward(points, shares, planes, grid)
        # In this order: the sum over the planes (C), their product (C), and the coarse grid (k).
        result = torch.empty(len(points), 2 * planes.shape[-1] + grid.shape[-1])
        _composite(*_arrays(points, shares), *_nodes(planes, 2), *_nodes(grid, 3), *_arrays(result))
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of shares, planes and grid; points have none."""
        points, shares, planes, grid = ctx.saved_tensors
        gradient = gradients[0].contiguous()
        # The gradients of the planes' interpolated values are kept, (rays, samples, 3, C): the scatter then needs
        # no second look at the planes. Samples of share 0 leave theirs unwritten, and the scatter skips them.
        of_shares, of_values = torch.empty_like(shares), torch.empty(*shares.shape, 3, planes.shape[-1])
        results = _arrays(gradient, of_shares, of_values)
        _composite_backward(*_arrays(points, shares), *_nodes(planes, 2), *_nodes(grid, 3), *results)
        of_planes = of_grid = None
        # Frozen planes and grids need no scatter, only the shares' gradient.
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
        # A view of the same memory: what is added to the nodes is added to the gradient.
        nodes = _nodes(of_values[..., None], 3)
        _trilinear_backward(*_arrays(points, gradients[0].contiguous()), *nodes, numba.get_num_threads())
        return None, of_values


def place_samples(
    origins: Tensor, directions: Tensor, density: Tensor, near: float, far: float, where: Tensor, fine: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Place the samples of rays where a coarse density is; see ``sampling.place_samples``."""
    # Edges are distances in the field's units; middles and lengths are of contracted, scaled space.
    rays, intervals = len(origins), fine.shape[1] - 1
    unit, edges = torch.empty(rays, intervals + 1), torch.empty(rays, intervals + 1)
    middles, lengths = torch.empty(rays, intervals, 3), torch.empty(rays, intervals)
    field = *_arrays(origins.contiguous(), directions.contiguous(), density.flatten()), len(density)
    shares = _arrays(where.contiguous(), fine.contiguous())
    # handed over, not read as globals: numba's cache knows nothing of other modules, and would keep their old values
    settings = RAYS.linear_share, RAYS.past_center, RAYS.coarse_depth_limit, RAYS.even_share
    _place_samples(*field, *shares, near, far, *settings, *_arrays(unit, edges, middles, lengths))
    return unit, edges, middles, lengths


def visibility(points: Tensor, lights: Tensor, reach: Tensor, density: Tensor, ends: Tensor) -> Tensor:
    """Return how much of each light arrives; see ``visibility.visibility``."""
    result = torch.empty(len(points), lights.shape[-2])
    middles, steps = 0.5 * (ends[1:] + ends[:-1]), ends.diff()
    own = lights.reshape(-1, *lights.shape[-2:]), reach.reshape(-1, lights.shape[-2])  # of each point, or of one
    field = *_arrays(points.contiguous(), *own, density.flatten()), len(density)
    _visibility(*field, *_arrays(middles, steps, ends[1:], result))
    return result


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    return tuple(tensor.detach().numpy() for tensor in tensors)


def _nodes(values: Tensor, axes: int) -> tuple[np.ndarray, int]:
    """Return values (..., channels) with their ``axes`` axes of space as one, and the nodes of such an axis."""
    return values.detach().flatten(-1 - axes, -2).numpy(), values.shape[-2]


@_inlined
@no_type_check
def _cell(position: float, side: int) -> tuple[int, float]:
    """Return the cell before a position in [-1, 1] on an axis of ``side`` nodes, and how far into it."""
    # With aligned corners, -1 and 1 are the first and the last node: (p + 1) / 2 * (side - 1)
    # cells from the first. Clamping it is border padding.
    last = np.float32(side - 1)
    scaled = min(max((position + np.float32(1.0)) * np.float32(0.5) * last, np.float32(0.0)), last)
    # The last node ends the last cell, at 1, and begins none.
    index = min(int(scaled), side - 2)
    return index, np.float32(scaled - index)


@_inlined
@no_type_check
def _square(across: float, along: float, side: int) -> tuple[int, float, float, float, float]:
    """Return the first of the four nodes around a place on a square of ``side`` rows, and the nodes' weights."""
    i, x = _cell(across, side)
    j, y = _cell(along, side)
    # Bilinear weights of the nodes (i, j), (i + 1, j), (i, j + 1) and (i + 1, j + 1); rows along x follow each other.
    before_x, before_y = np.float32(1.0) - x, np.float32(1.0) - y
    return np.uintp(j * side + i), before_x * before_y, x * before_y, before_x * y, x * y


@_inlined
@no_type_check
def _mixed(nodes: np.ndarray, node: int, row: int, a: float, b: float, c: float, d: float, channel: int) -> float:
    """Return one channel of four neighbouring nodes, mixed by their weights."""
    return (
        a * nodes[node, channel]
        + b * nodes[node + _NEXT, channel]
        + c * nodes[node + row, channel]
        + d * nodes[node + row + _NEXT, channel]
    )


@_inlined
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
    # Space is one flat axis of memory, the first coordinate fastest: neighbours are 1, a row or a layer apart.
    xy, xz, yz = planes[0], planes[1], planes[2]
    channels, coarse, one = np.uintp(planes.shape[2]), np.uintp(grid.shape[1]), np.float32(1.0)
    row, grid_row, layer = np.uintp(side), np.uintp(depth), np.uintp(depth * depth)
    for ray in prange(len(points)):
        # One thread owns a ray and adds its samples in their order, so the bytes do not depend on the threads.
        total = out[ray]
        total[:] = 0.0
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            if share == 0.0:
                continue
            # The node before the point and the weights around it, on xy, xz and yz.
            i, a0, a1, a2, a3 = _square(point[0], point[1], side)
            j, b0, b1, b2, b3 = _square(point[0], point[2], side)
            k, c0, c1, c2, c3 = _square(point[1], point[2], side)
            for q in range(channels):
                u = _mixed(xy, i, row, a0, a1, a2, a3, q)
                v = _mixed(xz, j, row, b0, b1, b2, b3, q)
                w = _mixed(yz, k, row, c0, c1, c2, c3, q)
                total[q] += share * (u + v + w)
                # It is 0 for planes of zeros, and a plane at 0 leaves the product of the other two as it is.
                total[channels + q] += share * ((one + u) * (one + v) * (one + w) - one)
            # Trilinear as two bilinear squares, one layer apart in z, weighted by 1 - z and z.
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
        # The output is sum_s share_s f_s. With g its gradient, share_s has g . f_s, and f_s has share_s g.
        given = gradient[ray]
        for sample in range(points.shape[1]):
            share, point = shares[ray, sample], points[ray, sample]
            of_share = np.float32(0.0)
            if share == 0.0:
                # A sample that adds nothing is taken to have no gradient: its features are not looked up.
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
                # d(u + v + w) / du = 1, and d((1 + u) (1 + v) (1 + w) - 1) / du = (1 + v) (1 + w).
                of_u[q] = share * (of_sum + of_product * (one + v) * (one + w))
                of_v[q] = share * (of_sum + of_product * (one + u) * (one + w))
                of_w[q] = share * (of_sum + of_product * (one + u) * (one + v))
            node, a0, a1, a2, a3 = _square(point[0], point[1], depth)
            deep, z = _cell(point[2], depth)
            node += np.uintp(deep * depth * depth)
            # The grid's own gradient is left to ``_scatter_grid``; only its part of the share's is summed here.
            for q in range(coarse):
                value = (one - z) * _mixed(grid, node, grid_row, a0, a1, a2, a3, q)
                value += z * _mixed(grid, node + layer, grid_row, a0, a1, a2, a3, q)
                of_share += value * given[channels + channels + q]
            of_shares[ray, sample] = of_share


@_exact
@no_type_check
def _scatter_planes(
    points: np.ndarray, shares: np.ndarray, of_values: np.ndarray, of_planes: np.ndarray, side: int, groups: int
) -> None:
    channels, row = of_planes.shape[2], np.uintp(side)
    # A task is a plane and a block of channels. No two tasks write to the same memory, so there are no
    # races, and each sum has the order of the points. Rounded up, the last tasks may have no channels.
    each = (channels + groups - 1) // groups
    for task in prange(3 * groups):
        plane, begin = task % 3, task // 3 * each
        first, last = np.uintp(begin), np.uintp(min(begin + each, channels))
        # Planes in the order xy, xz, yz.
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


@_exact
@no_type_check
def _scatter_grid(
    points: np.ndarray, shares: np.ndarray, gradient: np.ndarray, of_grid: np.ndarray, side: int, groups: int
) -> None:
    channels, row, layer = of_grid.shape[1], np.uintp(side), np.uintp(side * side)
    # The grid's channels are the last of the features.
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
                # The gradient of a node is share * (its trilinear weight) * g: the layers'
                # weights here, the square's in ``_give``.
                near, far = share * (np.float32(1.0) - z), share * z
                for q in range(first, last):
                    _give(of_grid, node, row, a, b, c, d, q, near * given[before + q])
                    _give(of_grid, node + layer, row, a, b, c, d, q, far * given[before + q])


@_exact
@no_type_check
def _trilinear(points: np.ndarray, values: np.ndarray, side: int, result: np.ndarray) -> None:
    row, layer, only = np.uintp(side), np.uintp(side * side), np.uintp(0)
    for point in prange(len(points)):
        node, a, b, c, d = _square(points[point, 0], points[point, 1], side)
        deep, z = _cell(points[point, 2], side)
        node += np.uintp(deep * side * side)
        # near + z (far - near) is (1 - z) near + z far.
        near = _mixed(values, node, row, a, b, c, d, only)
        result[point] = near + z * (_mixed(values, node + layer, row, a, b, c, d, only) - near)


@_exact
@no_type_check
def _trilinear_backward(
    points: np.ndarray, gradient: np.ndarray, of_values: np.ndarray, side: int, groups: int
) -> None:
    row, layer, only = np.uintp(side), np.uintp(side * side), np.uintp(0)
    # With one channel, layers of z are shared out in place of channels: a task writes to the layers [first, last) only.
    each = (side + groups - 1) // groups
    for task in prange(groups):
        first, last = task * each, min(task * each + each, side)
        for point in range(len(points)):
            k, z = _cell(points[point, 2], side)
            # A point in cell k touches the layers k and k + 1, which may belong to two tasks; each adds its own.
            if k + 1 < first or k >= last:
                continue
            node, a, b, c, d = _square(points[point, 0], points[point, 1], side)
            node += np.uintp(k * side * side)
            if k >= first:
                _give(of_values, node, row, a, b, c, d, only, gradient[point] * (np.float32(1.0) - z))
            if k + 1 < last:
                _give(of_values, node + layer, row, a, b, c, d, only, gradient[point] * z)


@_inlined
@no_type_check
def _distance(unit: float, near: float, far: float, turn: float, share: float) -> float:
    """Return the distance from the origin of a place in [0, 1] along a ray; see ``sampling.ray_edges``."""
    one = np.float32(1.0)
    first, last = one / turn, one / far
    # Past the turn 1 / t is linear in the position, from 1 / turn to 1 / far; before it t is linear.
    inverse = first + (last - first) * (unit - share) / (one - share)
    bent = one / min(max(inverse, last), one / near)
    return near + (turn - near) * unit / share if unit < share else bent


@_inlined
@no_type_check
def _nearest(position: float, side: float) -> float:
    """Return the cell, a whole number, that holds a position in [-1, 1] on an axis of ``side`` cells."""
    one, half = np.float32(1.0), np.float32(0.5)
    return np.floor(min(max((position + one) * half * side, np.float32(0.0)), side - one))


@_inlined
@no_type_check
def _contraction(x: float, y: float, z: float) -> float:
    """Return the factor that brings a point into the contracted space, scaled to [-1, 1]^3.

    ``sampling.contract`` gives (2 - 1 / r) / r; half of it, as that space is [-2, 2]^3, is (1 - 0.5 / r) / r.
    """
    one = np.float32(1.0)
    # 1 / r with r the maximum norm, at least 1: in the inner cube the factor is 0.5.
    inverse = one / max(abs(x), abs(y), abs(z), one)
    return (one - np.float32(0.5) * inverse) * inverse


@_inlined
@no_type_check
def _place(origin: np.ndarray, direction: np.ndarray, distances: np.ndarray, places: np.ndarray) -> None:
    """Write the contracted, scaled places (3, many) at distances from a ray's origin."""
    ox, oy, oz, dx, dy, dz = origin[0], origin[1], origin[2], direction[0], direction[1], direction[2]
    for i in range(np.uintp(len(distances))):
        distance = distances[i]
        x, y, z = ox + dx * distance, oy + dy * distance, oz + dz * distance
        scale = _contraction(x, y, z)
        places[0, i], places[1, i], places[2, i] = x * scale, y * scale, z * scale


@_inlined
@no_type_check
def _lengths(places: np.ndarray, lengths: np.ndarray) -> None:
    """Write the distances between places (3, many + 1) that follow each other."""
    for i in range(np.uintp(len(lengths))):
        x = places[0, i + _NEXT] - places[0, i]
        y = places[1, i + _NEXT] - places[1, i]
        z = places[2, i + _NEXT] - places[2, i]
        lengths[i] = np.sqrt(x * x + y * y + z * z)


@_exact
@no_type_check
def _place_samples(
    origins: np.ndarray,
    directions: np.ndarray,
    density: np.ndarray,
    side: int,
    where: np.ndarray,
    fine: np.ndarray,
    near: float,
    far: float,
    linear: float,
    past: float,
    limit: float,
    even: float,
    unit: np.ndarray,
    edges: np.ndarray,
    middles: np.ndarray,
    lengths: np.ndarray,
) -> None:
    # All in float32, as in torch: with a float64 operand, numba would compute in float64.
    steps, intervals = np.uintp(where.shape[1]), np.uintp(fine.shape[1] - 1)
    near, far, cells, layer = np.float32(near), np.float32(far), np.float32(side), np.int64(side * side)
    linear, limit, even = np.float32(linear), np.float32(limit), np.float32(even)
    for block in prange((len(origins) + _BLOCK - 1) // _BLOCK):
        # Scratch of a block: allocated once for its rays, small enough to stay in a core's cache.
        distances, lines = np.empty(steps + _NEXT, np.float32), np.empty(steps, np.float32)
        places, ends = np.empty((3, steps + _NEXT), np.float32), np.empty((3, intervals + _NEXT), np.float32)
        line, height = np.empty(steps, np.int32), np.empty(steps, np.int32)
        # One zero at either end stands for the missing neighbours when weights are widened.
        weights, widened = np.zeros(steps + np.uintp(2), np.float32), np.empty(steps, np.float32)
        for ray in range(np.uintp(block * _BLOCK), np.uintp(min((block + 1) * _BLOCK, len(origins)))):
            origin, direction = origins[ray], directions[ray]
            # About the distance to the far side of the inner cube, where even steps end.
            turn = np.float32(np.sqrt(origin[0] ** 2 + origin[1] ** 2 + origin[2] ** 2) + past)
            for i in range(steps + _NEXT):
                distances[i] = _distance(np.float32(i) / np.float32(steps), near, far, turn, linear)
            _place(origin, direction, distances, places)
            _lengths(places, lines)
            for i in range(steps):
                # One look at the density for each step, at a place within it that is random in training.
                share = where[ray, i]
                x = places[0, i] + (places[0, i + _NEXT] - places[0, i]) * share
                y = places[1, i] + (places[1, i + _NEXT] - places[1, i]) * share
                z = places[2, i] + (places[2, i + _NEXT] - places[2, i]) * share
                # The line y * side + x is exact in float32; a whole index would not be beyond
                # 2^24 cells, 256 along each axis.
                line[i] = np.int32(_nearest(y, cells) * cells + _nearest(x, cells))
                height[i] = np.int32(_nearest(z, cells))
            # w_i = T_i (1 - exp(-tau_i)) with T_(i+1) = T_i exp(-tau_i), so w_i = T_i - T_(i+1) (NeRF, eq. 3).
            transmittance = np.float32(1.0)
            for i in range(steps):
                weight = np.float32(0.0)
                if transmittance > _TRANSPARENT:
                    passed = min(density[np.uintp(height[i] * layer + line[i])] * lines[i], limit)
                    left = transmittance * np.exp(-passed)
                    weight, transmittance = transmittance - left, left
                weights[i + _NEXT] = weight
            # Widened to the neighbours, so that a surface between two looks is not missed, plus an even part.
            total = np.float32(0.0)
            for i in range(steps):
                widest = max(weights[i], weights[i + _NEXT], weights[i + _NEXT + _NEXT])
                widened[i] = widest + even / np.float32(steps)
                total += widened[i]
            # Invert the cumulative weight. The wanted shares increase, so one pass over the steps serves
            # all edges, in place of a search for each. ``reached`` is the weight before ``step``.
            step, reached = np.uintp(0), np.float32(0.0)
            for edge in range(intervals + _NEXT):
                wanted = fine[ray, edge] * total
                while step < steps - _NEXT and reached + widened[step] <= wanted:
                    reached += widened[step]
                    step += _NEXT
                # Within a step the weight counts as evenly spread: the inverse is linear there.
                inside = min(max((wanted - reached) / widened[step], np.float32(0.0)), np.float32(1.0))
                unit[ray, edge] = (np.float32(step) + inside) / np.float32(steps)
            for edge in range(intervals + _NEXT):
                edges[ray, edge] = _distance(unit[ray, edge], near, far, turn, linear)
            _place(origin, direction, edges[ray], ends)
            _lengths(ends, lengths[ray])
            for i in range(intervals):
                for axis in range(np.uintp(3)):
                    middles[ray, i, axis] = np.float32(0.5) * (ends[axis, i] + ends[axis, i + _NEXT])


@_exact
@no_type_check
def _visibility(
    points: np.ndarray,
    lights: np.ndarray,
    reach: np.ndarray,
    density: np.ndarray,
    side: int,
    middles: np.ndarray,
    steps: np.ndarray,
    ends: np.ndarray,
    out: np.ndarray,
) -> None:
    cells, layer, opaque, none = np.float32(side), np.int64(side * side), np.float32(_OPAQUE), np.float32(0.0)
    count = np.uintp(len(steps))
    for block in prange((len(points) + _BLOCK - 1) // _BLOCK):
        lengths, line, height = np.empty(count, np.float32), np.empty(count, np.int32), np.empty(count, np.int32)
        for ray in range(np.uintp(block * _BLOCK), np.uintp(min((block + 1) * _BLOCK, len(points)))):
            # Lights that all points share are one row: every point takes row 0.
            px, py, pz, own = points[ray, 0], points[ray, 1], points[ray, 2], min(ray, np.uintp(len(lights) - 1))
            for light in range(np.uintp(lights.shape[1])):
                lx, ly, lz = lights[own, light, 0], lights[own, light, 1], lights[own, light, 2]
                # ``passed`` is the optical depth so far; the light arrives as exp(-passed) (Beer and Lambert).
                farthest, passed = reach[own, light], none
                for i in range(count):
                    x, y, z = px + lx * middles[i], py + ly * middles[i], pz + lz * middles[i]
                    scale = _contraction(x, y, z)
                    line[i] = np.int32(_nearest(y * scale, cells) * cells + _nearest(x * scale, cells))
                    height[i] = np.int32(_nearest(z * scale, cells))
                    # A step in contracted space, as the density is per contracted length: exact in the
                    # inner cube, where the scale is 0.5. Steps that end behind the light do not count.
                    lengths[i] = scale * steps[i] if ends[i] <= farthest else none
                # A loop of its own: reading scattered densities would keep the loop above from being vectorised.
                for i in range(count):
                    passed += density[np.uintp(height[i] * layer + line[i])] * lengths[i]
                    if passed > opaque:
                        break
                out[ray, light] = np.exp(-passed)


composite = cast(Any, Composite.apply)
"""``(points, shares, planes, grid) -> (rays, features)``."""
trilinear = cast(Any, Trilinear.apply)
"""``(points, values) -> (points,)``."""
