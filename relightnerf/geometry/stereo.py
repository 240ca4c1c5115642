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

_MOST_PIXELS = 400 * 400
_NEIGHBOURS, _BEST_ANGLE_DEG, _WIDEST_ANGLE_DEG = 6, 15.0, 60.0
_REACH, _DEPTHS = 0.08, 37
_SMOOTH_PIXELS = 1.5
_WINDOW = 7
_LEAST_VARIANCE = 1e-6
_UNSEEN_COST, _POOREST_COST = 1.2, 0.7
_STEP_PENALTY, _JUMP_PENALTY = 0.02, 0.2
_CONFIRMED, _ON_SURFACE = 0.01, 0.02


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


def working_camera(camera: Camera) -> Camera:
    """Return the camera at the size that stereo works at: its own, or about 400x400 pixels if it is larger."""
    scale = min(1.0, math.sqrt(_MOST_PIXELS / (camera.width * camera.height)))
    return camera.resampled(max(round(scale * camera.width), 1), max(round(scale * camera.height), 1))


def neighbours(views: Sequence[StereoView], index: int) -> list[int]:
    """Return the views that see what is in the middle of a view from beside, best angles first."""
    depth, camera = views[index].depth, views[index].camera
    if not (depth > 0).any():
        return []
    middle = camera.position - camera.camera_to_world[:3, 2] * np.median(depth[depth > 0])
    rated = []
    for other, view in enumerate(views):
        (place,), (along,) = view.camera.project(middle[None])
        size = view.camera.width, view.camera.height
        if other == index or along <= 0 or not (0.0 < place[0] < size[0] and 0.0 < place[1] < size[1]):
            continue
        first, second = (position - middle for position in (camera.position, view.camera.position))
        cosine = first @ second / max(float(np.linalg.norm(first) * np.linalg.norm(second)), 1e-12)
        angle = max(math.degrees(math.acos(np.clip(cosine, -1.0, 1.0))), 0.1)
        if angle < _WIDEST_ANGLE_DEG:
            rated.append((abs(math.log(angle / _BEST_ANGLE_DEG)), other))
    return [other for _, other in sorted(rated)[:_NEIGHBOURS]]


def swept_depth(
    view: StereoView, others: Sequence[StereoView]
) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
    """Search each pixel's depth within 8 % of what is known.

    The cost of a depth is 1 minus the normalised cross correlation of 7x7 pixels, the mean over the better half of the
    other views (others may not see the place); neighbouring pixels are made to agree by semi-global matching
    (Hirschmueller 2008). Windows follow the known depth's shape, so that slanted surfaces fit.

    Args:
        view: with the depth to start from.
        others: at least one.

    Returns:
        Depth, 0 where it was unknown, and the cost that was reached, in [0, 2].
    """
    known = view.depth > 0
    covered = ndimage.gaussian_filter(known.astype(np.float64), _SMOOTH_PIXELS)
    logs = ndimage.gaussian_filter(np.log(np.where(known, view.depth, 1.0)), _SMOOTH_PIXELS)
    start = np.exp(logs / np.maximum(covered, 1e-6))
    offsets = np.linspace(-_REACH, _REACH, _DEPTHS)
    costs = _sweep(view, others, start, offsets)
    smooth = _semi_global(costs)
    best = smooth.argmin(axis=0).clip(1, _DEPTHS - 2)
    before, at, after = (np.take_along_axis(smooth, best[None] + shift, axis=0)[0] for shift in (-1, 0, 1))
    part = np.clip((before - after) / np.maximum(2.0 * (before - 2.0 * at + after), 1e-6), -0.5, 0.5)
    offset = offsets[0] + (best + part) * (offsets[1] - offsets[0])
    depth = np.where(known, start * np.exp(offset), 0.0).astype(np.float32)
    return depth, np.take_along_axis(costs, best[None], axis=0)[0]


def agreed_depths(views: Sequence[StereoView]) -> list[Float[np.ndarray, "height width"]]:
    """Return each view's depth where stereo found it, another view confirms it, and the mesh of all of it lies there.

    Args:
        views: of one capture.

    Returns:
        Depth along each camera's -z, world units, 0 where the photos do not tell it.
    """
    near = [neighbours(views, index) for index in range(len(views))]
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # what it calls lets other threads work
        swept = pool.map(lambda index: _found(views[index], [views[other] for other in near[index]]), range(len(views)))
        found = list(track(swept, "stereo", len(views)))
    confirmed = [
        np.where(_confirmations(view, [found[other] for other in beside]), view.depth, 0.0).astype(np.float32)
        for view, beside in zip(found, near, strict=True)
    ]
    try:
        rays = RayScene(
            fuse_mesh(Cameras.stack([view.camera for view in views]), confirmed, [view.image for view in views])
        )
    except InputError:  # photos without texture: there is nothing to agree on
        return [np.zeros_like(view.depth) for view in views]
    return [_on_surface(view, rays) for view in found]


def _found(view: StereoView, others: Sequence[StereoView]) -> StereoView:
    """Return the view with the depth where stereo fits well enough."""
    if not others:
        return replace(view, depth=np.zeros_like(view.depth))
    depth, cost = swept_depth(view, others)
    return replace(view, depth=np.where(cost < _POOREST_COST, depth, np.float32(0.0)))


def _sweep(
    view: StereoView, others: Sequence[StereoView], start: Float[np.ndarray, "height width"], offsets: np.ndarray
) -> Float[np.ndarray, "depths height width"]:
    """Return the cost of each depth ``start * exp(offset)``."""
    own = _grey(view.image)
    mean, variance = _moments(own)
    rays = view.camera.rays_camera() * start[..., None]
    sides = []
    for other in others:
        to_other = np.linalg.inv(other.camera.camera_to_world) @ view.camera.camera_to_world
        turned = np.moveaxis(rays @ to_other[:3, :3].T, -1, 0).astype(np.float32)
        sides.append((turned, to_other[:3, 3].astype(np.float32), other.camera, _grey(other.image)))
    costs = np.empty((len(offsets), *start.shape), np.float32)
    for number, offset in enumerate(offsets):
        each = []
        for turned, shift, camera, image in sides:
            x, y, z = turned * np.float32(math.exp(offset)) + shift[:, None, None]
            along = np.maximum(-z, 1e-6)
            fx, fy, cx, cy = camera.intrinsics.astype(np.float32)
            column, row = cx - 0.5 + fx * x / along, cy - 0.5 - fy * y / along
            seen = cv2.remap(image, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            other_mean, other_variance = _moments(seen)
            cost = 1.0 - (_window_mean(own * seen) - mean * other_mean) / np.sqrt(variance * other_variance)
            inside = (column >= 0) & (row >= 0) & (column < camera.width) & (row < camera.height) & (z < 0)
            each.append(np.where(inside, cost, np.float32(_UNSEEN_COST)))
        better = (len(each) + 1) // 2
        costs[number] = np.partition(np.stack(each), better - 1, axis=0)[:better].mean(axis=0)
    return costs


def _semi_global(costs: Float[np.ndarray, "depths height width"]) -> Float[np.ndarray, "depths height width"]:
    """Sum the costs along rows and columns, both ways: a small step costs a little, a jump more."""
    total = np.zeros_like(costs)
    for axis in (1, 2):
        for way in (1, -1):
            lines = np.moveaxis(costs, axis, 0)[::way]
            sums = np.empty_like(lines)
            sums[0] = lines[0]
            for line in range(1, len(lines)):
                last = sums[line - 1]
                least = last.min(axis=0)
                best = np.minimum(last, least + _JUMP_PENALTY)
                best[1:] = np.minimum(best[1:], last[:-1] + _STEP_PENALTY)
                best[:-1] = np.minimum(best[:-1], last[1:] + _STEP_PENALTY)
                sums[line] = lines[line] + best - least
            total += np.moveaxis(sums[::way], 0, axis)
    return total


def _confirmations(view: StereoView, others: Sequence[StereoView]) -> np.ndarray:
    """Return where at least one other view has its own depth at a pixel's place."""
    points = view.camera.points_world(view.depth).reshape(-1, 3)
    confirmed = np.zeros(len(points), bool)
    for other in others:
        places, along = other.camera.project(points)
        column, row = np.floor(np.where(along[:, None] > 0, places, -1.0)).astype(int).T
        inside = (column >= 0) & (column < other.camera.width) & (row >= 0) & (row < other.camera.height)
        seen = np.zeros(len(points))
        seen[inside] = other.depth[row[inside], column[inside]]
        confirmed |= inside & (np.abs(seen - along) < _CONFIRMED * along)
    return confirmed.reshape(view.depth.shape) & (view.depth > 0)


def _on_surface(view: StereoView, rays: RayScene) -> Float[np.ndarray, "height width"]:
    """Return the mesh's depth where it is that of the view: it is the mean of many views."""
    surface = rays.camera_hits(view.camera).depth
    close = (surface > 0) & (np.abs(surface - view.depth) < _ON_SURFACE * view.depth)
    return np.where(close, surface, 0.0).astype(np.float32)


def _grey(image: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "height width"]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255.0)


def _moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and variance of each pixel's window."""
    mean = _window_mean(image)
    return mean, np.maximum(_window_mean(image * image) - mean * mean, np.float32(_LEAST_VARIANCE))


def _window_mean(image: np.ndarray) -> np.ndarray:
    return cv2.blur(image, (_WINDOW, _WINDOW), borderType=cv2.BORDER_REFLECT)
