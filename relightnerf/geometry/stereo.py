"""Depth that photos agree on: a plane sweep around a field's depth, kept where other views confirm it.

A field fitted in minutes is about 1 % off in depth, and its surfaces are bumpy. Within that 1 %, the photos themselves
tell where a surface is: seen from beside, its texture fits at one depth only.
"""

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError
from relightnerf.geometry.mesh import fuse_mesh
from relightnerf.geometry.raycast import RayScene
from relightnerf.progress import track


@dataclass(frozen=True)
class StereoSettings:
    """What tunes stereo. Costs are 1 minus a correlation: 0 for a perfect fit, 1 for none, at most 2."""

    most_pixels: int = 400 * 400
    """Pixels of the working size. Time grows in proportion to it. At the half, a step of the sweep is less than a third
    of a pixel, and depth less exact."""
    neighbours: int = 6
    """Other views that a view is compared with, as far as there are any. Half of them decide (others may not see a
    place), and 3 correlations outvote one chance fit; more take more time, at worse angles."""
    best_angle_deg: float = 15.0
    """Best angle at the subject between two views. At half of it, depth is half as exact; at twice it, windows look
    unlike each other and more is hidden."""
    widest_angle_deg: float = 60.0
    """Views further apart than this do not take part: beyond, most surfaces that one sees face away from the other or
    are too foreshortened to correlate."""
    reach: float = 0.08
    """Search range to either side, natural logarithm of depth. Fields are 1 % off in the median, but a third of their
    pixels is off by more than 2 %. A wider search takes longer and finds repetitions of a texture."""
    depths: int = 37
    """Steps over that range, 0.44 % of the depth each. Seen 15 degrees apart, that is half a pixel at the working size
    (focal length about 480 pixels): a coarser one would step over a correlation's peak, a finer one is left to the
    parabola through three steps."""
    smooth_px: float = 1.5
    """Standard deviation of the Gaussian that smoothes the depth to start from. Windows follow that depth's shape, so
    its bumps must not be in it; a wider one would round edges that are right."""
    window_px: int = 7
    """Side of the windows that are correlated. Smaller ones fit in too many places, larger ones blur depth at edges."""
    least_variance: float = 1e-6
    """Least variance of a window, of grey values in [0, 1]: a quarter of a step of 8 bits, squared. It keeps noise of
    flat windows from correlating."""
    unseen_cost: float = 1.2
    """Cost where another view's picture ends: worse than no correlation, so that what that view sees counts first."""
    poorest_cost: float = 0.7
    """Depth with a higher cost is dropped: a correlation below 0.3 is reached by chance."""
    step_penalty: float = 0.02
    """Cost of a difference of one step between neighbouring pixels: small, as surfaces that slant unlike the start's
    need such steps all along."""
    jump_penalty: float = 0.2
    """Cost of any larger difference, once however large: an edge needs only one. Much less lets single pixels jump to
    chance fits, much more rounds off what is thin."""
    confirmed: float = 0.01
    """Another view confirms a depth if its own differs by less than this part: two steps of the sweep. With twice as
    much, depth as inexact as a field's without stereo would pass (70 % of it is within 2 %)."""
    on_surface: float = 0.02
    """Depth is kept where the mesh of all confirmed depth lies within this part of it: its voxels are 0.3 % or more of
    the depth and cut across thin things, so it is given more room than two views are."""


_SETTINGS = StereoSettings()


@dataclass(frozen=True)
class StereoView:
    """One view as stereo works on it.

    Attributes:
        camera: at the working size.
        image: 8-bit sRGB at that size.
        depth: what is known so far, along the camera's -z, world units, 0 where unknown.
    """

    camera: Camera
    image: UInt8[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]


def working_camera(camera: Camera, settings: StereoSettings = _SETTINGS) -> Camera:
    """Return the camera at the size that stereo works at: its own, or about 400x400 pixels if it is larger."""
    # Of one side: the number of pixels goes with its square.
    scale = min(1.0, math.sqrt(settings.most_pixels / (camera.width * camera.height)))
    return camera.resampled(max(round(scale * camera.width), 1), max(round(scale * camera.height), 1))


def neighbours(views: Sequence[StereoView], index: int, settings: StereoSettings = _SETTINGS) -> list[int]:
    """Return the views that see what is in the middle of a view from beside, best angles first.

    An angle is as good as its ratio to the best one: depth is exact in proportion to it, and windows become unlike each
    other in proportion to it.
    """
    depth, camera = views[index].depth, views[index].camera
    if not (depth > 0).any():
        return []
    # The place at the median depth along the optical axis, which is -z.
    middle = camera.position - camera.camera_to_world[:3, 2] * np.median(depth[depth > 0])
    rated = []
    for other, view in enumerate(views):
        (place,), (along,) = view.camera.project(middle[None])
        size = view.camera.width, view.camera.height
        if other == index or along <= 0 or not (0.0 < place[0] < size[0] and 0.0 < place[1] < size[1]):
            continue
        # The angle between the two cameras, seen from that place.
        first, second = (position - middle for position in (camera.position, view.camera.position))
        cosine = first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)
        angle = max(math.degrees(math.acos(np.clip(cosine, -1.0, 1.0))), 0.1)
        if angle < settings.widest_angle_deg:
            # Half the best angle is as bad as twice it.
            rated.append((abs(math.log(angle / settings.best_angle_deg)), other))
    return [other for _, other in sorted(rated)[: settings.neighbours]]


def swept_depth(
    view: StereoView, others: Sequence[StereoView], settings: StereoSettings = _SETTINGS
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Search each pixel's depth within 8 % of what is known.

    The cost of a depth is 1 minus the normalised cross correlation of 7x7 pixels, the mean over the better half of the
    other views (others may not see the place); neighbouring pixels are made to agree by semi-global matching
    (Hirschmueller 2008). Windows follow the known depth's shape, so that slanted surfaces fit.

    Args:
        view: with the depth to start from.
        others: at least one.
        settings: of the search.

    Returns:
        Depth, 0 where it was unknown, and the cost that was reached, in [0, 2].
    """
    known = view.depth > 0
    # a mean over what is known only: the unknown adds log 1 = 0 to the sum and nothing to the weight
    covered = ndimage.gaussian_filter(known.astype(np.float64), settings.smooth_px)
    logs = ndimage.gaussian_filter(np.log(np.where(known, view.depth, 1.0)), settings.smooth_px)
    start = np.exp(logs / np.maximum(covered, 1e-6))
    # Even in log depth, so a step is the same share of the depth at every pixel.
    offsets = np.linspace(-settings.reach, settings.reach, settings.depths)
    costs = _sweep(view, others, start, offsets, settings)
    smooth = _semi_global(costs, settings)
    # The parabola needs a cost on either side.
    best = smooth.argmin(axis=0).clip(1, settings.depths - 2)
    # the least place of the parabola through the costs at -1, 0 and 1
    before, at, after = (np.take_along_axis(smooth, best[None] + shift, axis=0)[0] for shift in (-1, 0, 1))
    # (C(-1) - C(1)) / (2 (C(-1) - 2 C(0) + C(1))). A least place is within half a step; beyond,
    # at the ends of the range, the parabola says nothing.
    part = np.clip((before - after) / np.maximum(2.0 * (before - 2.0 * at + after), 1e-6), -0.5, 0.5)
    offset = offsets[0] + (best + part) * (offsets[1] - offsets[0])
    depth = np.where(known, start * np.exp(offset), 0.0).astype(np.float32)
    # The cost of the photos alone: smoothing has added what the neighbours cost.
    return depth, np.take_along_axis(costs, best[None], axis=0)[0]


def agreed_depths(
    views: Sequence[StereoView], settings: StereoSettings = _SETTINGS
) -> list[Float[np.ndarray, "height width"]]:
    """Return each view's depth where stereo found it, another view confirms it, and the mesh of all of it lies there.

    Args:
        views: of one capture.
        settings: of the search and of what counts as agreement.

    Returns:
        Depth along each camera's -z, world units, 0 where the photos do not tell it.
    """
    near = [neighbours(views, index, settings) for index in range(len(views))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # what it calls lets other threads work
        swept = pool.map(
            lambda index: _found(views[index], [views[other] for other in near[index]], settings), range(len(views))
        )
        found = list(track(swept, "stereo", len(views)))
    # All views are compared as stereo found them, before any is thinned out.
    confirmed = [
        np.where(_confirmations(view, [found[other] for other in beside], settings), view.depth, 0.0).astype(np.float32)
        for view, beside in zip(found, near, strict=True)
    ]
    try:
        rays = RayScene(
            fuse_mesh(Cameras.stack([view.camera for view in views]), confirmed, [view.image for view in views])
        )
    except InputError:  # photos without texture: there is nothing to agree on
        return [np.zeros_like(view.depth) for view in views]
    return [_on_surface(view, rays, settings) for view in found]


def _found(view: StereoView, others: Sequence[StereoView], settings: StereoSettings) -> StereoView:
    """Return the view with the depth where stereo fits well enough."""
    if not others:
        return replace(view, depth=np.zeros_like(view.depth))
    depth, cost = swept_depth(view, others, settings)
    return replace(view, depth=np.where(cost < settings.poorest_cost, depth, np.float32(0.0)))


def _sweep(
    view: StereoView,
    others: Sequence[StereoView],
    start: Float[np.ndarray, "height width"],
    offsets: np.ndarray,
    settings: StereoSettings,
) -> Float[np.ndarray, "depths height width"]:
    """Return the cost of each depth ``start * exp(offset)``.

    With E the mean over a window, a and b the grey values of two views, the correlation is
    (E[ab] - E[a] E[b]) / sqrt(var a var b). A factor or an offset of the grey values changes nothing, so exposure does
    not matter.
    """
    own = _grey(view.image)
    # E[a] and var a, the same for every depth and other view.
    mean, variance = _moments(own, settings)
    # a pixel's point is its ray times depth, so in the other camera all depths lie on turned * exp(offset) + shift
    rays = view.camera.rays_camera() * start[..., None]
    sides = []
    for other in others:
        to_other = np.linalg.inv(other.camera.camera_to_world) @ view.camera.camera_to_world
        # (3, height, width).
        turned = np.moveaxis(rays @ to_other[:3, :3].T, -1, 0).astype(np.float32)
        sides.append((turned, to_other[:3, 3].astype(np.float32), other.camera, _grey(other.image)))
    costs = np.empty((len(offsets), *start.shape), np.float32)
    for number, offset in enumerate(offsets):
        each = []
        for turned, shift, camera, image in sides:
            # Scaling depth by exp(offset) scales the turned point; only the shift between the cameras stays.
            x, y, z = turned * np.float32(math.exp(offset)) + shift[:, None, None]
            along = np.maximum(-z, 1e-6)
            fx, fy, cx, cy = camera.intrinsics.astype(np.float32)
            # ``remap`` has the first pixel's centre at 0, our pictures have it at 0.5. In the camera y goes up.
            column, row = cx - 0.5 + fx * x / along, cy - 0.5 - fy * y / along
            seen = cv2.remap(image, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            other_mean, other_variance = _moments(seen, settings)
            # E[ab] - E[a] E[b].
            covariance = _window_mean(own * seen, settings) - mean * other_mean
            cost = 1.0 - covariance / np.sqrt(variance * other_variance)
            inside = (column >= 0) & (row >= 0) & (column < camera.width) & (row < camera.height) & (z < 0)
            each.append(np.where(inside, cost, np.float32(settings.unseen_cost)))
        # a place may be hidden from some views, which then see anything: the better half is believed
        better = (len(each) + 1) // 2
        costs[number] = np.partition(np.stack(each), better - 1, axis=0)[:better].mean(axis=0)
    return costs


def _semi_global(
    costs: Float[np.ndarray, "depths height width"], settings: StereoSettings
) -> Float[np.ndarray, "depths height width"]:
    """Sum the costs along rows and columns, both ways: a small step costs a little, a jump more.

    Along a line, with C the cost of pixel p at depth d and q the pixel before (Hirschmueller 2008, equation 13),

        L(p, d) = C(p, d) + min(L(q, d), L(q, d - 1) + step, L(q, d + 1) + step, min L(q) + jump) - min L(q).

    It is the cost of the best path that ends there; taking off min L(q), which is the same for all d, bounds it.
    """
    total = np.zeros_like(costs)
    for axis in (1, 2):
        for way in (1, -1):
            # (lines, depths, pixels of a line), walked forwards or backwards.
            lines = np.moveaxis(costs, axis, 0)[::way]
            sums = np.empty_like(lines)
            sums[0] = lines[0]
            for line in range(1, len(lines)):
                last = sums[line - 1]
                least = last.min(axis=0)
                # The four ways to come from the line before: the same depth, a jump, one step up, one step down.
                best = np.minimum(last, least + settings.jump_penalty)
                best[1:] = np.minimum(best[1:], last[:-1] + settings.step_penalty)
                best[:-1] = np.minimum(best[:-1], last[1:] + settings.step_penalty)
                sums[line] = lines[line] + best - least
            total += np.moveaxis(sums[::way], 0, axis)
    return total


def _confirmations(view: StereoView, others: Sequence[StereoView], settings: StereoSettings) -> np.ndarray:
    """Return where at least one other view has its own depth at a pixel's place."""
    points = view.camera.points_world(view.depth).reshape(-1, 3)
    confirmed = np.zeros(len(points), bool)
    for other in others:
        places, along = other.camera.project(points)
        # Pixel i covers [i, i + 1). What is behind the other camera is put outside its picture.
        column, row = np.floor(np.where(along[:, None] > 0, places, -1.0)).astype(int).T
        inside = (column >= 0) & (column < other.camera.width) & (row >= 0) & (row < other.camera.height)
        # Unknown depth is 0, which is close to no depth, so it confirms nothing.
        seen = np.zeros(len(points))
        seen[inside] = other.depth[row[inside], column[inside]]
        confirmed |= inside & (np.abs(seen - along) < settings.confirmed * along)
    return confirmed.reshape(view.depth.shape) & (view.depth > 0)


def _on_surface(view: StereoView, rays: RayScene, settings: StereoSettings) -> Float[np.ndarray, "height width"]:
    """Return the mesh's depth where it is that of the view: it is the mean of many views."""
    surface = rays.camera_hits(view.camera).depth
    close = (surface > 0) & (np.abs(surface - view.depth) < settings.on_surface * view.depth)
    return np.where(close, surface, 0.0).astype(np.float32)


def _grey(image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255.0)


def _moments(image: np.ndarray, settings: StereoSettings) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each pixel's window."""
    mean = _window_mean(image, settings)
    # E[x^2] - E[x]^2. In float32 it is off by about 1e-7 for values in [0, 1], which the least variance exceeds.
    variance = _window_mean(image * image, settings) - mean * mean
    return mean, np.maximum(variance, np.float32(settings.least_variance))


def _window_mean(image: np.ndarray, settings: StereoSettings) -> np.ndarray:
    return cv2.blur(image, (settings.window_px, settings.window_px), borderType=cv2.BORDER_REFLECT)
