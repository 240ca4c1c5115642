"""A view that planes are swept through: how well the photos of its neighbours fit on a plane."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int

from relightnerf.cameras import Camera
from relightnerf.depth_prior._costs import Windows, better_half, grey
from relightnerf.geometry.stereo import StereoView

_LEVEL = 0.9
"""Cosine of the angle between up and the normal of a level plane, at least."""
_DARK = 0.05
"""Is added to sRGB values before ratios are taken, which noise would decide in the dark."""


@dataclass(frozen=True)
class PlaneSettings:
    """What tunes the sweep. Distances are parts of the cameras' typical distance to what they look at."""

    most_views: int = 16
    """So many views, evenly chosen, are swept."""
    others: int = 4
    """Other views that a view is compared with; the better half counts."""
    least_variance: float = 2e-4
    """Variance of a window of grey values in [0, 1] from which it votes: 3.6 steps of 8 bits, squared."""
    most_cost: float = 0.5
    """Cost (1 less correlation) from which a window does not vote."""
    coarse_pixels: int = 96 * 72
    """Size at which planes are searched; those found are refined at the pictures' own."""
    heights: tuple[float, float] = (-1.2, 0.4)
    """Level planes that are tried, over the place that the photos look at."""
    height_step: float = 0.015
    """From one to the next. At a camera 30 degrees above a plane, a step is 3 % of the depth, about what moves a pixel
    of a coarse view beside by half of one."""
    depths: tuple[float, float] = (-0.5, 1.4)
    """Logarithms of the distances of walls that are tried, over that of the place that the photos look at."""
    depth_step: float = 0.02
    """From one to the next."""
    azimuths_deg: tuple[float, ...] = (-20.0, -10.0, 0.0, 10.0, 20.0)
    """Azimuths of walls that are tried about those of most normals: a photo alone tells them no better."""
    upright: float = 0.35
    """Largest cosine of the angle between up and a normal that may be a wall's."""
    least_wall: float = 0.06
    """Share of all pixels whose normals have azimuths within 10 degrees, from which walls are searched there."""
    normal_deg: float = 30.0
    """Angle between a pixel's normal and a plane's at which it speaks for the plane by 1/e."""
    least_facing: float = 0.3
    """A window votes for planes that its pixel's normal speaks for by so much, at least: within 33 degrees."""
    nearest: float = 0.1
    """A plane that is nearer to a camera than this is not seen there."""
    farthest: float = 6.0
    """Nor is one beyond this."""
    least_share: float = 0.05
    """Share of the votes that a plane needs, together with those one step beside it."""
    prominence: float = 2.0
    """A level plane has so many times the votes of the planes around it, at least."""
    wall_prominence: float = 10.0
    """The same for a wall. Edges of things look like upright planes at any angle, but by few windows more than others
    do."""
    around: int = 8
    """Steps to either side that count as around."""
    most: int = 4
    """Level planes that are kept."""
    refine_every: int = 2
    """One swept view in so many is used for walls, and to refine planes."""
    tilts_deg: tuple[float, ...] = (1.0, 0.5, 0.25)
    """Angles by which level planes are tilted, and heights in proportion to them: up is known no better than by a few
    degrees."""
    turns_deg: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5, 0.25)
    """The same for walls."""
    most_moves: int = 3
    """Moves by each of these."""
    gain: float = 1.08
    """A plane is moved or tilted if that fits better by this factor: less is chance."""
    beside: tuple[float, ...] = (-3.0, -2.0, 2.0, 3.0)
    """Steps to planes beside it that a refined plane is compared with."""
    sharpness: float = 1.4
    """It fits better than those by this factor. Of true planes of plain noisy captures the least had 1.6, of planes
    that are none the best had 1.2."""


@dataclass(frozen=True)
class Plane:
    """The points X with ``normal_world @ X == offset``; the normal has unit length."""

    normal_world: Float[np.ndarray, "3"]
    offset: float

    @property
    def axes(self) -> Float[np.ndarray, "2 3"]:
        """Two unit vectors that are at right angles to the normal and to each other."""
        first = np.cross(self.normal_world, np.eye(3)[np.abs(self.normal_world).argmin()])
        first /= np.linalg.norm(first)
        return np.stack([first, np.cross(self.normal_world, first)])

    def is_level(self, world_up: Float[np.ndarray, "3"]) -> bool:
        """Say whether it is a ground or a table-top, within 26 degrees, and not a wall."""
        return bool(self.normal_world @ world_up > _LEVEL)

    def depth(self, camera: Camera) -> Float[np.ndarray, "height width"]:
        """Return its depth along a camera's -z, world units; 0 where it is not seen."""
        towards = camera.rays_camera() @ (self.normal_world @ camera.camera_to_world[:3, :3])
        along = (self.offset - camera.position @ self.normal_world) / np.where(towards == 0, 1e-12, towards)
        return np.where(along > 0, along, 0.0).astype(np.float32)


@dataclass(frozen=True)
class _Pair:
    """Two views.

    With n . X = d in the first camera's frame, a pixel (column, row, 1) of it is seen by the second at the homography
    (turn + shift (n . back) / d) of it.
    """

    turn: Float[np.ndarray, "3 3"]
    shift: Float[np.ndarray, "3"]
    view: StereoView
    normal: Float[np.ndarray, "height width 3"]
    image: Float[np.ndarray, "height width"]


class SweptView:
    """One view, the normals that its photo alone tells (camera frame), and the views that it is compared with."""

    def __init__(
        self,
        view: StereoView,
        normal: Float[np.ndarray, "height width 3"],
        others: Sequence[tuple[StereoView, Float[np.ndarray, "height width 3"]]],
        settings: PlaneSettings,
    ) -> None:
        self._view, self._normal, self._settings = view, normal, settings
        self._windows = Windows(view.image)
        self.votes: Bool[np.ndarray, "height width"] = self._windows.variance > settings.least_variance
        self._back = np.linalg.inv(_lens(view))
        self._pairs = []
        for other, its_normal in others:
            to_other = np.linalg.inv(other.camera.camera_to_world) @ view.camera.camera_to_world
            lens = _lens(other)
            self._pairs.append(
                _Pair(
                    lens @ to_other[:3, :3] @ self._back, lens @ to_other[:3, 3], other, its_normal, grey(other.image)
                )
            )

    def cost(self, plane: Plane) -> Float[np.ndarray, "height width"]:
        """Return how badly the photos fit together on a plane: the mean over the better half of the other views."""
        each = np.empty((len(self._pairs), *self.votes.shape), np.float32)
        for index, pair in enumerate(self._pairs):
            seen = self._warped(pair.image, self._homography(pair, plane))
            each[index] = np.where(seen >= 0, self._windows.cost(seen), 1.0)
        return np.where(self.seen(plane), better_half(each), np.float32(2.0))

    def difference(self, plane: Plane) -> Float[np.ndarray, "height width"]:
        """Return how far colours differ on a plane, of sRGB values in [0, 1], by all other views but the worst.

        A view that does not see a place says nothing against it.
        """
        each = []
        own = self._view.image.astype(np.float32) / 255.0
        for pair in self._pairs:
            seen = self._warped(pair.view.image.astype(np.float32) / 255.0, self._homography(pair, plane))
            inside = seen[..., 0] >= 0
            # Photos differ in exposure; most of what lies on the plane has the same colour in both.
            gain = np.median((own[inside] + _DARK) / (seen[inside] + _DARK), axis=0) if inside.any() else 1.0
            each.append(np.where(inside, np.abs(gain * seen - own).max(axis=-1), 0.0))
        return np.sort(np.stack(each), axis=0)[max(len(each) - 2, 0)]

    def facing(self, plane: Plane) -> Float[np.ndarray, "height width"]:
        """Return how far the normals speak for a plane, in [0, 1]."""
        return _facing(self._view.camera, self._normal, plane, self._settings)

    def facing_everywhere(self, plane: Plane) -> Float[np.ndarray, "height width"]:
        """Return how far the normals of all views speak for a plane at a pixel's place on it: their mean, in [0, 1].

        A photo alone takes the front of a box for ground now and then; photos from other sides do not.
        """
        total, count = self.facing(plane).astype(np.float32), np.ones(self.votes.shape, np.float32)
        for pair in self._pairs:
            own = _facing(pair.view.camera, pair.normal, plane, self._settings)
            seen = self._warped(own.astype(np.float32), self._homography(pair, plane))
            total += np.maximum(seen, 0.0)
            count += seen >= 0
        return total / count

    def fits(self, plane: Plane, step: float) -> Float[np.ndarray, "height width"]:
        """Return how much each window that may vote for a plane fits on it, if it fits less a step to either side.

        What stands on a ground fits on planes above it, so a sum over all windows would be best above it, too.
        """
        below, there, above = (self.cost(replace(plane, offset=plane.offset + offset)) for offset in (-step, 0.0, step))
        best = self.voters(plane) & (there < below) & (there < above)
        return np.maximum(self._settings.most_cost - there, 0.0) * best

    def points(self, plane: Plane) -> Float[np.ndarray, "height width 3"]:
        """Return each pixel's point on a plane, world frame."""
        return self._view.camera.points_world(plane.depth(self._view.camera))

    def voters(self, plane: Plane) -> Bool[np.ndarray, "height width"]:
        """Return which windows may vote for a plane: not plain, and facing about its way."""
        return self.votes & (self.facing(plane) > self._settings.least_facing)

    def votes_for(
        self, planes: Sequence[Plane]
    ) -> tuple[Int[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
        """Return which of parallel planes each window votes for, the one that fits it best, and what that counts."""
        costs = np.stack([self.cost(plane) for plane in planes])
        worth = np.maximum(self._settings.most_cost - costs.min(axis=0), 0.0)
        return costs.argmin(axis=0), worth * self.voters(planes[0])

    def seen(self, plane: Plane) -> Bool[np.ndarray, "height width"]:
        """Return where a plane is seen at a usable distance."""
        depth, typical = plane.depth(self._view.camera), float(np.median(self._view.depth))
        return (depth > self._settings.nearest * typical) & (depth < self._settings.farthest * typical)

    def _homography(self, pair: _Pair, plane: Plane) -> Float[np.ndarray, "3 3"]:
        camera = self._view.camera
        normal = plane.normal_world @ camera.camera_to_world[:3, :3]
        distance = plane.offset - camera.position @ plane.normal_world
        return pair.turn + np.outer(pair.shift, normal @ self._back) / (distance if abs(distance) > 1e-9 else 1e-9)

    def _warped(self, image: np.ndarray, homography: Float[np.ndarray, "3 3"]) -> np.ndarray:
        """Return what another view sees at the pixels' places on a plane; -1 where its picture ends."""
        flags, size = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.votes.shape[::-1]
        outside = (-1.0,) * 3
        return cv2.warpPerspective(image, homography, size, None, flags, cv2.BORDER_CONSTANT, outside)


def _facing(camera: Camera, normal: np.ndarray, plane: Plane, settings: PlaneSettings) -> np.ndarray:
    cosine = normal @ (plane.normal_world @ camera.camera_to_world[:3, :3])
    return np.exp(-((np.rad2deg(np.arccos(np.clip(cosine, -1.0, 1.0))) / settings.normal_deg) ** 2))


def _lens(view: StereoView) -> Float[np.ndarray, "3 3"]:
    """Return the matrix from camera coordinates (OpenGL) to pixels as OpenCV counts them: the first's centre is 0."""
    fx, fy, cx, cy = view.camera.intrinsics
    return np.array([[fx, 0.0, -(cx - 0.5)], [0.0, -fy, -(cy - 0.5)], [0.0, 0.0, -1.0]])
