"""The cue of a light: the scene rendered all white under the canonical light, direct light only.

Shadow rays start at every second pixel of every second row; the result is brought to all pixels by a joint bilateral
filter over surfaces (Kopf et al., "Joint Bilateral Upsampling", 2007) that also takes the sampling noise away.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import sparse

from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE

WHITE_ALBEDO = 0.8
"""Albedo of the all-white scene; its brightest cue is 0.8 * (2.2 / pi + 0.15) = 0.68."""


@dataclass(frozen=True)
class CueSettings:
    """What tunes where shadow rays start, and how their results reach all pixels."""

    depth_agreement: float = 0.05
    """Rays start on the mesh where it lies at the view's depth up to this part, else at that depth. Points just below
    the mesh would lie in its shadow; a mesh that is further off is another surface."""
    stride_px: int = 2
    """Rays start at every second pixel of every second row: a quarter of the rays, and a filter over 3x3 of their
    results takes the noise of few samples away. With fewer, soft edges of shadows near what casts them would fall
    between the rays."""
    least_side_px: int = 128
    """Pictures whose shorter side is no longer than this get rays at every pixel: they cost little, and training
    pictures have this size."""
    nearness: float = 0.75
    """Fall of the weight over distance, exp(-nearness d^2) with d in strides: a standard deviation of 0.8 strides. Less
    blurs shadow edges; with more, only the nearest sample counts and its noise stays."""
    plane_footprints: float = 2.0
    """Distance from a pixel's tangent plane, in strides times the pixel's size on the surface, at which the weight has
    fallen to 1/e. Curved surfaces stay below 1; what is behind an edge is beyond 2."""
    normal_power: int = 8
    """Power of the cosine between normals that weights a sample: half at 23 degrees. Faces of a box do not mix; bumps
    do."""
    unrelated: float = 1e-6
    """Weight of samples on no related surface, next to 1: they decide where there are no others, e.g. on thin
    things."""


_SETTINGS = CueSettings()


class ViewCues:
    """Shading quantities of one view under any light; what all lights share is computed once.

    Attributes:
        known: pixels with geometry; everything else is 0 in every result.
        ambient: ambient visibility in [0, 1].
    """

    def __init__(self, view: View, rays: RayScene, light_samples: int = 6, ambient_samples: int = 32) -> None:
        self._rays, self._light_samples = rays, light_samples
        self.known: Bool[np.ndarray, "height width"] = view.known
        self._normals = view.normal_world
        points = _surface_points(view, rays)
        # Rays start at the known pixels of a coarser raster; ``_spread`` brings what they find to all known pixels.
        stride = _SETTINGS.stride_px if min(self.known.shape) > _SETTINGS.least_side_px else 1
        self._some = np.zeros_like(self.known)
        self._some[::stride, ::stride] = self.known[::stride, ::stride]
        self._some_points, self._some_normals = points[self._some], self._normals[self._some]
        self._spread_operator = _upsampling(points, self._normals, self.known, self._some, stride)
        ambient = rays.ambient_visibility(self._some_points, self._some_normals, ambient_samples)
        self.ambient: Float[np.ndarray, "height width"] = self._spread(ambient[None])[0]

    def cosine(self, directions_world: Float[np.ndarray, "lights 3"]) -> Float[np.ndarray, "lights height width"]:
        """Return the cosine between normal and light, 0 where it is negative."""
        # no matrix product: its rounding depends on how many lights there are
        x, y, z = directions_world.T.astype(np.float32)[..., None, None]
        return np.maximum(x * self._normals[..., 0] + y * self._normals[..., 1] + z * self._normals[..., 2], 0.0)

    def visibility(self, directions_world: Float[np.ndarray, "lights 3"]) -> Float[np.ndarray, "lights height width"]:
        """Return the part of each light's disc that each pixel's surface sees, in [0, 1]."""
        seen = self._rays.light_visibility(self._some_points, self._some_normals, directions_world, self._light_samples)
        return self._spread(seen)

    def direct(self, directions_world: Float[np.ndarray, "lights 3"]) -> Float[np.ndarray, "lights height width"]:
        """Return cosine times visibility of each light."""
        return self.cosine(directions_world) * self.visibility(directions_world)

    def cue(self, directions_world: Float[np.ndarray, "lights 3"]) -> Float[np.ndarray, "lights height width"]:
        """Return the cue of each canonical light: linear, in [0, 0.68]."""
        # Lambert: a disc of irradiance E gives albedo / pi * E * cosine * V. Ambient light of radiance L has the
        # irradiance pi L A, and gives albedo * L * A.
        sun = IRRADIANCE / np.pi * self.direct(directions_world)
        return WHITE_ALBEDO * (sun + AMBIENT_RADIANCE * self.ambient)

    def _spread(self, values: Float[np.ndarray, "layers some"]) -> Float[np.ndarray, "layers height width"]:
        result = np.zeros((len(values), *self.known.shape), np.float32)
        # (known pixels, some pixels) @ (some pixels, layers).
        result[:, self.known] = (self._spread_operator @ values.T).T
        return result


def light_cue(
    view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
) -> Float[np.ndarray, "lights height width"]:
    """Return the linear radiance of the scene painted white (albedo 0.8) under each canonical light, direct only.

    ``0.8 * (E / pi * max(n.l, 0) * V + 0.15 * A)`` with the visible part V of the light's disc and the ambient
    visibility A; 0 where the geometry is unknown, at most 0.68.

    Args:
        view: camera and geometry.
        rays: the scene's mesh, which casts the shadows.
        directions_world: unit vectors towards the lights.
    """
    return ViewCues(view, rays).cue(directions_world)


def _surface_points(view: View, rays: RayScene) -> Float[np.ndarray, "height width 3"]:
    """Where shadow rays start: on the mesh if it lies near the view's depth, so that it does not shade itself."""
    depth = rays.camera_hits(view.camera).depth
    agrees = (depth > 0) & (np.abs(depth - view.depth) < _SETTINGS.depth_agreement * view.depth)
    return view.camera.points_world(np.where(agrees, depth, view.depth)).astype(np.float32)


def _upsampling(
    points: Float[np.ndarray, "height width 3"],
    normals: Float[np.ndarray, "height width 3"],
    known: Bool[np.ndarray, "height width"],
    some: Bool[np.ndarray, "height width"],
    stride: int,
) -> sparse.csr_matrix:
    """Weights (known pixels, some pixels) of the joint bilateral filter; the rows sum to 1 where anything is near.

    A pixel p takes the mean of the samples q around it with the weight near(p, q) * alike(p, q): Gaussians of their
    distance in the picture and of q's distance from p's tangent plane, times a power of the cosine of their normals.
    The distance from the plane, not in depth, lets a slanted surface be one surface.
    """
    height, width = known.shape
    # The column that a sample has in the matrix: its number among the samples, row by row.
    number = np.cumsum(some).reshape(some.shape) - 1
    row, column = np.nonzero(known)
    point, normal = points[known], normals[known]
    # World size of a pixel: the scale on which distances from a tangent plane are small or large.
    step = _pixel_footprint(points, known)[known]
    entries = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            # The 3x3 places of the raster around the pixel.
            y, x = (row // stride + dy) * stride, (column // stride + dx) * stride
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            # Places off the picture read pixel (0, 0), and then count for nothing.
            y, x = np.where(inside, y, 0), np.where(inside, x, 0)
            inside &= some[y, x]
            # exp(-k d^2) with d in strides.
            near = np.exp(-_SETTINGS.nearness * ((y - row) ** 2 + (x - column) ** 2) / stride**2)
            # n_p . (q - p), in units of ``plane_footprints`` strides on the surface.
            off_plane = np.sum((points[y, x] - point) * normal, axis=-1) / (_SETTINGS.plane_footprints * stride * step)
            # max(n_p . n_q, 0)^power.
            alike = np.maximum(np.sum(normals[y, x] * normal, axis=-1), 0.0) ** _SETTINGS.normal_power
            weight = near * (alike * np.exp(-(off_plane**2)) + _SETTINGS.unrelated) * inside
            entries.append((np.flatnonzero(inside), number[y, x][inside], weight[inside]))
    rows, columns, weights = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    matrix = sparse.csr_matrix((weights, (rows, columns)), shape=(len(row), int(some.sum())), dtype=np.float32)
    # Each row over its sum: a weighted mean. Rows without any sample stay 0.
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags((1.0 / np.maximum(total, 1e-12)).astype(np.float32)) @ matrix


def _pixel_footprint(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """World size of a pixel: the distance to its neighbour, the smaller of the two sides."""
    step = np.full(known.shape, np.inf)
    across = np.linalg.norm(np.diff(points, axis=1), axis=-1)
    down = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    # Unknown neighbours are infinitely far; across an edge of depth the other neighbour is mostly the nearer one.
    step[:, :-1] = np.where(known[:, 1:], across, np.inf)
    step[:-1] = np.minimum(step[:-1], np.where(known[1:], down, np.inf))
    typical = np.median(step[np.isfinite(step)]) if np.isfinite(step).any() else 1.0
    # The step is divided by, so it must not be 0; a pixel without neighbours has a typical one.
    return np.where(np.isfinite(step), np.maximum(step, 1e-6 * typical), typical)
