"""Pairs of patches of a capture's surfaces, which tell the light that it was taken in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage

from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import srgb_to_linear
from relightnerf.lights import IRRADIANCE, ambient_terms
from relightnerf.relighters._capture_settings import PatchSettings

_GOLDEN = 0.618034
"""The golden ratio less 1, in turns: the angle from one place of a spiral to the next (Vogel 1979)."""


@dataclass(frozen=True)
class Pairs:
    """Patches of surfaces, two by two: points, normals and ambient visibility of their places, mean linear colours."""

    points: Float[np.ndarray, "pairs 2 places 3"]
    normals: Float[np.ndarray, "pairs 2 places 3"]
    colours: Float[np.ndarray, "pairs 2 3"]
    ambient: Float[np.ndarray, "pairs 2 places"]

    @property
    def ambient_terms(self) -> Float[np.ndarray, "pairs 2 7"]:
        """All terms of the shading but the disc's, means over each patch."""
        return ambient_terms(self.normals, self.ambient).mean(axis=-2)

    def disc_term(
        self, rays: RayScene, direction: Float[np.ndarray, "3"], samples: int
    ) -> Float[np.ndarray, "pairs 2"]:
        """Return the disc's term of the shading, means over each patch.

        Args:
            rays: the scene's mesh.
            direction: towards the disc's centre, unit, world.
            samples: shadow rays a place.
        """
        points, normals = self.points.reshape(-1, 3), self.normals.reshape(-1, 3)
        seen = rays.light_visibility(points, normals, direction[None], samples)[0]
        # Under irradiance E cos, a white Lambertian surface has the radiance E cos / pi; ``seen`` is the open part.
        lit = IRRADIANCE / np.pi * np.maximum(normals @ direction, 0.0) * seen
        return lit.reshape(self.points.shape[:-1]).mean(axis=-1)

    def every(self, stride: int) -> "Pairs":
        """Return one pair in ``stride``, of all views alike."""
        return Pairs(self.points[::stride], self.normals[::stride], self.colours[::stride], self.ambient[::stride])


def sampled_pairs(views: Sequence[View], rays: RayScene, settings: PatchSettings) -> Pairs:
    """Draw pairs of patches from all views; the same ones every time.

    Args:
        views: of one scene, photographed under one light.
        rays: the scene's mesh.
        settings: which places count.
    """
    count = -(-settings.pairs // len(views))  # Rounded up.
    # One random stream a view: what a view draws does not depend on how many numbers others have used up.
    found = [
        _pairs_of_view(view, rays, count, np.random.default_rng([i, settings.seed]), settings)
        for i, view in enumerate(views)
    ]
    points, normals, colours = (np.concatenate(parts) for parts in zip(*found, strict=True))
    seen = rays.ambient_visibility(points.reshape(-1, 3), normals.reshape(-1, 3), settings.ambient_samples)
    return Pairs(points, normals, colours, seen.reshape(points.shape[:-1]))


def _pairs_of_view(
    view: View, rays: RayScene, count: int, rng: np.random.Generator, settings: PatchSettings
) -> tuple[np.ndarray, ...]:
    """Return points and normals (pairs, 2, places, 3), and mean colours (pairs, 2, 3)."""
    linear, depth = srgb_to_linear(view.image), rays.camera_hits(view.camera).depth
    # A place counts where the mesh that casts its shadows lies at the view's own depth.
    usable = view.known & (np.abs(depth - view.depth) < settings.depth_agreement * view.depth)
    usable &= (linear.min(-1) > settings.darkest) & (linear.max(-1) < settings.brightest)
    if view.mask is not None:
        usable &= view.mask
    if view.confidence is not None:
        sure = usable & (view.confidence > settings.least_confidence)
        usable = sure if sure.sum() > settings.least_sure * usable.sum() else usable
    # beside an edge, a pixel mixes the colours of both sides
    usable = ndimage.binary_erosion(usable)
    # the points are the mesh's, so that it does not shade what lies just below it
    points, normals = view.camera.points_world(depth).astype(np.float32), view.normal_world
    # Rows and columns of middles, (pairs, 2, 1), and of the places around them, (pairs, 2, places).
    drawn = _pairs_of_pixels(usable, settings.drawn * count, rng, settings)
    middles = tuple(middle[..., None] for middle in drawn)
    around = _places_around(middles, usable.shape, rng, settings)
    # Distance from the tangent plane at the middle, |(p - m) . n|, in world units.
    off_plane = np.abs(np.sum((points[around] - points[middles]) * normals[middles], axis=-1))
    alike = np.sum(normals[around] * normals[middles], axis=-1) > settings.least_cosine
    alike &= usable[around] & (off_plane < settings.off_plane * depth[middles])
    # a place that is on another surface is replaced by the middle, so that all patches have as many
    at = tuple(np.where(alike, place, middle) for place, middle in zip(around, middles, strict=True))
    colours = linear[at].mean(axis=-2)
    chosen = _of_all_contrasts(colours, count, rng, settings)
    at = tuple(place[chosen] for place in at)
    return points[at], normals[at], colours[chosen]


def _of_all_contrasts(
    colours: Float[np.ndarray, "pairs 2 3"], count: int, rng: np.random.Generator, settings: PatchSettings
) -> Int[np.ndarray, " chosen"]:
    """Choose pairs, a part of them evenly from all classes of contrast."""
    if len(colours) <= count:
        return np.arange(len(colours))
    logs = np.log(np.maximum(colours, 1e-6))
    contrast = np.digitize(np.abs((logs[:, 0] - logs[:, 1]).mean(axis=-1)), settings.contrasts)
    members = np.bincount(contrast)
    weight = (1.0 - settings.even) / len(contrast) + settings.even / (members[contrast] * np.count_nonzero(members))
    return rng.choice(len(contrast), count, replace=False, p=weight / weight.sum())


def _pairs_of_pixels(
    usable: Bool[np.ndarray, "height width"], count: int, rng: np.random.Generator, settings: PatchSettings
) -> Int[np.ndarray, "2 pairs 2"]:
    """Return rows and columns of two usable pixels each, some way apart."""
    pixels = np.argwhere(usable)
    if not len(pixels):
        return np.zeros((2, 0, 2), int)
    # twice as many as wanted, as some of their partners are not usable
    first = pixels[rng.integers(0, len(pixels), 2 * count)]
    # Uniform in the logarithm: each octave of distances gets as many pairs.
    reach = np.exp(rng.uniform(np.log(settings.nearest), np.log(settings.furthest), len(first))) * max(usable.shape)
    angle = rng.uniform(0, 2 * np.pi, len(first))
    # Sine to rows, cosine to columns; the angle is even over the circle, so which is which does not matter.
    way = reach[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    second = np.round(first + way).astype(int)
    inside = np.all((second >= 0) & (second < usable.shape), axis=-1)
    inside[inside] &= usable[tuple(second[inside].T)]
    return np.moveaxis(np.stack([first[inside][:count], second[inside][:count]], axis=1), -1, 0)


def _places_around(
    middles: tuple[np.ndarray, ...], shape: tuple[int, ...], rng: np.random.Generator, settings: PatchSettings
) -> tuple[np.ndarray, ...]:
    """Return rows and columns (pairs, 2, places) on a spiral around each pixel (pairs, 2, 1), the pixel first.

    The radius grows with the root of the place's number, so that places have equal parts of the patch's area. Every
    patch turns its spiral by another angle: one pattern for all would sample texture at the same few distances.
    """
    # Vogel's spiral: radius ~ sqrt(k), and a golden turn from one place to the next, so no two lie on one spoke.
    place = np.arange(settings.places)
    turn = rng.random(middles[0].shape)
    distance = max(settings.radius * max(shape), settings.least_radius_px) * np.sqrt(place / settings.places)
    angle = 2.0 * np.pi * (place * _GOLDEN + turn)
    offsets = distance * np.sin(angle), distance * np.cos(angle)
    return tuple(
        (middle + np.round(offset).astype(int)).clip(0, side - 1)
        for middle, offset, side in zip(middles, offsets, shape, strict=True)
    )
