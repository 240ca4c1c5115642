"""A view in cells of a few pixels: its surface, and how much brighter each relit picture makes it."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int, UInt8

from relightnerf.cameras import Camera
from relightnerf.geometry.views import View
from relightnerf.imaging.color import srgb_to_linear

OFFSET = 0.004
"""Added to linear values before they are divided, so that black has a ratio: 13 of 255 in sRGB, where 8 bits are exact
to 4 %. With less, rounding of dark pixels becomes large ratios; with more, differences in shadows shrink."""

_LINEAR = srgb_to_linear(np.arange(256, dtype=np.float32) / 255.0)
"""Linear values of all 8-bit ones: looking up is faster than a power."""


@dataclass(frozen=True)
class MapSettings:
    """What tunes how views are compared in cells, and how far each cell is trusted."""

    most_cells: int = 160 * 120
    """About as many cells has a view at most. Time and memory grow with it; light that is smooth needs no more, and
    edges of shadows come out a cell wide."""
    log_limit: float = 4.0
    """Largest natural logarithm of a ratio, to either side (a factor of 55): beyond is a highlight or a black pixel."""
    bend: float = 0.03
    """Relative bend of inverse depth from cell to cell, which is 0 on a plane, at which trust has fallen to 1/e. A step
    in depth has more; a round thing has as much at its outline only."""
    untrusted_cosine: float = 0.1
    """Surfaces seen at this cosine or less (84 degrees from facing) are not trusted: a cell covers too much of them."""
    trusted_cosine: float = 0.4
    """Those seen at this cosine or more (66 degrees) are fully trusted, as far as it goes; between, trust is linear."""
    unsure: float = 0.2
    """Trust that is left where the geometry is quite unsure: where no view is surer, even such a mean is better than
    none."""
    dark_photo: float = 0.01
    """Mean linear value of a photo's cell at which confidence is a half: two and a half times ``OFFSET``, which rules
    ratios of what is darker."""
    dark_relit: float = 0.003
    """The same of relit pictures. It is less, as a shadow that is black is right, and its logarithm is bounded."""
    clipped: int = 254
    """8-bit value from which a pixel counts as clipped: its ratio to any light is too small."""


_SETTINGS = MapSettings()


def cell_size(width: int, height: int) -> int:
    """Return the side in pixels of the cells of a picture, so that there are at most about 160 * 120 of them."""
    return max(1, math.ceil(math.sqrt(width * height / _SETTINGS.most_cells)))


@dataclass(frozen=True)
class Surface:
    """What one view sees of the scene, in cells.

    Attributes:
        camera: of the view; its pixels are the cells.
        points: world; the camera's centre where nothing is known.
        normals: unit, world; 0 where unknown.
        trust: in [0, 1]: 0 where depth or normal is unknown or the mask excludes a pixel, small at edges of the depth,
            where the surface is seen at a grazing angle, and where the geometry is unsure.
        photo: linear, in [0, 1].
        density: cells per area of the surface, 1 / world units squared.
    """

    camera: Camera
    points: Float[np.ndarray, "height width 3"]
    normals: Float[np.ndarray, "height width 3"]
    trust: Float[np.ndarray, "height width"]
    photo: Float[np.ndarray, "height width 3"]
    density: Float[np.ndarray, "height width"]

    @classmethod
    def of(cls, view: View, side: int) -> "Surface":
        """Return the surface of a view in cells of ``side`` * ``side`` pixels."""
        usable = view.known if view.mask is None else view.known & view.mask
        # Only cells all of whose pixels are usable: sums of ones in float32 are exact, so the mean is exactly 1.
        known = area_mean(usable.astype(np.float32), side) == 1.0
        # the mean is one of inverse depth, which is linear over a plane's picture, so it is the middle's
        inverse_depth = area_mean(np.divide(1.0, view.depth, out=np.zeros_like(view.depth), where=usable), side)
        depth = np.divide(1.0, inverse_depth, out=np.zeros_like(inverse_depth), where=known)
        height, width = depth.shape
        # Coordinates count from the picture's corner, so focal length and principal point only scale.
        camera = Camera(view.name, view.camera.camera_to_world, view.camera.intrinsics / side, width, height)
        points = camera.points_world(depth)
        normals = _unit(area_mean(view.normal_world, side))
        # Cosine of the angle between the normal and the way back to the camera.
        cosine = -np.sum(_unit(points - camera.position) * normals, axis=-1)
        # a cell's area on the surface is (depth / focal)^2 / cosine, with the focal length in cells
        density = float(camera.intrinsics[0]) ** 2 * np.abs(cosine) / np.maximum(depth, 1e-6) ** 2
        # Trust: whole cells, by the viewing angle, and not where inverse depth bends.
        lowest, full = _SETTINGS.untrusted_cosine, _SETTINGS.trusted_cosine
        steep = np.clip((cosine - lowest) / (full - lowest), 0.0, 1.0)
        trust = known * steep * np.exp(-((_bend(inverse_depth) / _SETTINGS.bend) ** 2))
        if view.confidence is not None:
            trust = trust * (_SETTINGS.unsure + (1.0 - _SETTINGS.unsure) * area_mean(view.confidence, side))
        photo = area_mean(srgb_to_linear(view.image), side)
        return cls(camera, *(a.astype(np.float32) for a in (points, normals, trust, photo, density)))

    def trusted(self, most: int | None = None) -> Int[np.ndarray, " cells"]:
        """Return the flat indices of the cells with any trust, or about ``most`` of them, evenly spread."""
        cells = np.flatnonzero(self.trust.ravel() > 0)
        return cells if most is None else cells[:: max(1, len(cells) // most)]


@dataclass(frozen=True)
class RatioMaps:
    """How relit pictures of one view differ from its photo, in cells.

    Attributes:
        log_ratio: natural logarithm of relit over photo, means in linear light, in [-4, 4].
        confidence: in [0, 1]: small where the photo or the relit picture is near black or clipped.
    """

    log_ratio: Float[np.ndarray, "lights height width 3"]
    confidence: Float[np.ndarray, "lights height width"]

    @cached_property
    def samples(self) -> tuple[Float[np.ndarray, "cells ratios"], Float[np.ndarray, "cells lights"]]:
        """The log ratios times confidence, all lights and channels of a cell in a row, and the confidence."""
        # (cells, lights * 3) and (cells, lights): a sparse warp samples all maps in one product.
        weighted = np.moveaxis(self.log_ratio * self.confidence[..., None], 0, 2)
        columns = self.confidence.reshape(len(self.confidence), -1).T
        return np.ascontiguousarray(weighted).reshape(len(columns), -1), np.ascontiguousarray(columns)

    @classmethod
    def of(
        cls,
        pictures: Iterable[UInt8[np.ndarray, "full_height full_width 3"]],
        photo: UInt8[np.ndarray, "full_height full_width 3"],
        side: int,
    ) -> "RatioMaps":
        """Return the maps of relit pictures, one a light, and the photo of their view, in cells of ``side`` pixels."""
        source, usable = _linear_means(photo, side)
        usable *= _bright(source, _SETTINGS.dark_photo)
        ratios, confidences, limit = [], [], _SETTINGS.log_limit
        for picture in pictures:
            relit, unclipped = _linear_means(picture, side)
            # A ratio of means, as a small camera would see it: dark pixels, whose ratios are noise, count for little.
            ratios.append(np.log((relit + OFFSET) / (source + OFFSET)).clip(-limit, limit))
            confidences.append(usable * unclipped * _bright(relit, _SETTINGS.dark_relit))
        return cls(np.array(ratios, np.float32), np.array(confidences, np.float32))


def area_mean(
    values: Float[np.ndarray, "full_height full_width *channels"], side: int
) -> Float[np.ndarray, "height width *channels"]:
    """Return the means over cells; cells that reach beyond the picture repeat its last row and column."""
    # Padding on the far sides only, up to whole cells.
    height, width = values.shape[:2]
    pad = [(0, -height % side), (0, -width % side), *[(0, 0)] * (values.ndim - 2)]
    padded = np.pad(values, pad, mode="edge")
    # much faster than numpy's mean over two short axes
    nothing = np.zeros((), np.float32)
    rows = sum((padded[start::side] for start in range(side)), nothing)
    return sum((rows[:, start::side] for start in range(side)), nothing) / np.float32(side * side)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _bend(inverse_depth: np.ndarray) -> np.ndarray:
    """How far each cell's inverse depth, which is linear on a plane, is from its neighbours' line; relative."""
    # Second differences, 0 where inverse depth is linear. Unknown cells have 0, so cells beside them bend by about 1.
    # At the picture's border the missing neighbour is the cell itself, so there a slope counts as a bend.
    near = np.pad(inverse_depth, 1, mode="edge")
    across = np.abs(near[1:-1, 2:] + near[1:-1, :-2] - 2 * inverse_depth)
    down = np.abs(near[2:, 1:-1] + near[:-2, 1:-1] - 2 * inverse_depth)
    return np.maximum(across, down) / np.maximum(inverse_depth, 1e-12)


def _linear_means(srgb: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean linear colour of each cell, and the part of it that is not clipped."""
    return area_mean(np.take(_LINEAR, srgb), side), area_mean(
        (srgb.max(axis=-1) < _SETTINGS.clipped).astype(np.float32), side
    )


def _bright(linear: np.ndarray, dark: float) -> np.ndarray:
    """Confidence by brightness: 1/2 at ``dark``, as the error of rounding is about constant in linear values there."""
    # The plain mean of the channels: 8 bits round all of them alike.
    brightness = linear @ np.full(3, 1 / 3, np.float32)
    return brightness / (brightness + dark)
