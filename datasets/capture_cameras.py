"""Camera paths of the procedural captures: arcs, orbits, domes and hand-held ones, clear of all geometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from demo_mitsuba import unit_from_angles
from procedural_scenes import Arrangement
from procedural_shapes import Array, Rng
from render_demo import look_at

from relightnerf.cameras import Camera

if TYPE_CHECKING:
    from relightnerf.geometry.raycast import RayScene

FOV_DEG = (42.0, 60.0)
HALF_ARC_DEG = (32.0, 48.0)
NEAREST = 0.3
"""Least depth of a picture, part of the camera's distance to what it looks at."""
LEAST_SHARE = 0.3
"""Least part of a picture that shows what is worth looking at."""
TRIES = 25
HELD_OUT = 4
FURTHEST_NEIGHBOUR_DEG = 60.0


@dataclass(frozen=True)
class Shot:
    """Where a camera stands about the target, degrees and parts of the usual distance, and what it is off."""

    azimuth_deg: float
    elevation_deg: float
    distance: float
    off_target: Array
    roll_deg: float


class NoRoom(Exception):
    """A camera found no place; another arrangement may have one."""


def draw_cameras(
    rng: Rng, arrangement: Arrangement, rays: RayScene, path: str, views: int, size: tuple[int, int]
) -> tuple[list[Camera], list[Camera]]:
    """Place the cameras of a capture, and held-out cameras halfway between two of them.

    Args:
        rng: draws them.
        arrangement: what to look at.
        rays: its mesh.
        path: arc, orbit, dome or handheld.
        views: number of photos.
        size: width and height, pixels.

    Raises:
        NoRoom: one cannot stand anywhere near where it should.
    """
    width, height = size
    focal = width / 2 / np.tan(np.deg2rad(rng.uniform(*FOV_DEG)) / 2)
    lens = np.array([focal, focal, width / 2, height / 2])
    usual = arrangement.reach * 2 * focal / min(size) * rng.uniform(0.85, 1.1)

    def camera(name: str, shot: Shot) -> Camera:
        target = arrangement.target + shot.off_target * arrangement.reach
        position = target + usual * shot.distance * unit_from_angles(shot.azimuth_deg, shot.elevation_deg)
        return Camera(name, look_at(position, target, shot.roll_deg), lens, width, height)

    def settled(name: str, shot: Shot) -> tuple[Camera, Shot]:
        for attempt in range(TRIES):
            tried = shaken(rng, shot, 0.15 * attempt) if attempt else shot
            placed = camera(name, tried)
            if sees_well(rays, placed, arrangement, usual):
                return placed, tried
        raise NoRoom(f"{arrangement.kind}: no place for {name}")

    shots = [shaken(rng, shot, 1.0) for shot in PATHS[path](rng, arrangement, views)]
    taken = [settled(f"view_{i:03d}", shot) for i, shot in enumerate(shots)]
    middles = between(rng, [shot for _, shot in taken])
    held_out = [settled(f"heldout_{i}", shot)[0] for i, shot in enumerate(middles)]
    return [photo for photo, _ in taken], held_out


def sees_well(rays: RayScene, camera: Camera, arrangement: Arrangement, usual: float) -> bool:
    """Say whether a picture shows enough of the arrangement, and nothing is too close or around the camera."""
    whole = rays.camera_hits(camera).depth
    depth = whole[::4, ::4]
    known = depth > 0
    if camera.position[2] < 0.08 or not known.any() or depth[known].min() < NEAREST * usual:
        return False
    points = camera.points_world(whole)[::4, ::4]
    near = known & (np.linalg.norm(points - arrangement.target, axis=-1) < 1.5 * arrangement.reach)
    return bool(near.mean() > LEAST_SHARE)


def shaken(rng: Rng, shot: Shot, amount: float) -> Shot:
    """The shot as a hand holds it."""
    azimuth, elevation, roll = rng.normal(0.0, amount, 3) * [2.0, 2.0, 1.5]
    return replace(
        shot,
        azimuth_deg=shot.azimuth_deg + azimuth,
        elevation_deg=float(np.clip(shot.elevation_deg + elevation, 2.0, 75.0)),
        distance=shot.distance * (1.0 + amount * rng.uniform(-0.06, 0.06)),
        off_target=shot.off_target + amount * rng.uniform(-0.07, 0.07, 3),
        roll_deg=shot.roll_deg + roll,
    )


def between(rng: Rng, shots: list[Shot]) -> list[Shot]:
    """Shots halfway between neighbours of a path, from all parts of it."""
    close = [
        i
        for i, (a, b) in enumerate(zip(shots, shots[1:], strict=False))
        if abs(a.azimuth_deg - b.azimuth_deg) < FURTHEST_NEIGHBOUR_DEG
    ]
    parts = np.array_split(close or [0], HELD_OUT)
    chosen = [int(rng.choice(part if len(part) else parts[0])) for part in parts]
    return [_middle(shots[i], shots[min(i + 1, len(shots) - 1)]) for i in chosen]


def _middle(a: Shot, b: Shot) -> Shot:
    return Shot(
        (a.azimuth_deg + b.azimuth_deg) / 2,
        (a.elevation_deg + b.elevation_deg) / 2,
        (a.distance + b.distance) / 2,
        (a.off_target + b.off_target) / 2,
        (a.roll_deg + b.roll_deg) / 2,
    )


def _row(azimuths_deg: Array, elevation_deg: float, distance: float = 1.0) -> list[Shot]:
    return [Shot(float(azimuth), elevation_deg, distance, np.zeros(3), 0.0) for azimuth in azimuths_deg]


def _span(rng: Rng, arrangement: Arrangement) -> tuple[float, float]:
    """Centre and half width of an arc, degrees, within what the arrangement allows."""
    low, high = arrangement.azimuths_deg
    half = min(rng.uniform(*HALF_ARC_DEG), (high - low) / 2)
    return rng.uniform(low + half, high - half), half


def arc(rng: Rng, arrangement: Arrangement, views: int) -> list[Shot]:
    """Two or three rows from the front."""
    centre, half = _span(rng, arrangement)
    rows = int(rng.integers(2, 4))
    low, high = arrangement.elevations_deg
    shots: list[Shot] = []
    for row, part in enumerate(np.array_split(np.arange(views), rows)):
        sweep = np.linspace(-half, half, max(2, len(part)))[: len(part)] * (-1) ** row
        shots += _row(centre + sweep, low + (high - low) * (row + rng.uniform(0.2, 0.8)) / rows)
    return shots


def orbit(rng: Rng, arrangement: Arrangement, views: int) -> list[Shot]:
    """Once or twice around."""
    return _rings(rng, arrangement, views, int(rng.integers(1, 3)))


def dome(rng: Rng, arrangement: Arrangement, views: int) -> list[Shot]:
    """Two or three rings over one another, fewer photos in the higher ones."""
    return _rings(rng, arrangement, views, int(rng.integers(2, 4)))


def _rings(rng: Rng, arrangement: Arrangement, views: int, rings: int) -> list[Shot]:
    low, high = arrangement.elevations_deg
    elevations = low + (high - low) * (np.arange(rings) + rng.uniform(0.3, 0.7)) / rings
    weights = np.cumsum(np.cos(np.deg2rad(elevations)))
    ends = np.round(views * weights / weights[-1]).astype(int)
    start = rng.uniform(0, 360)
    shots: list[Shot] = []
    for elevation, count in zip(elevations, np.diff(ends, prepend=0), strict=True):
        shots += _row(start + 360.0 * np.arange(count) / max(1, count), float(elevation))
        start += rng.uniform(10, 40)
    return shots


def handheld(rng: Rng, arrangement: Arrangement, views: int) -> list[Shot]:
    """One walk to and fro, or around, the height and the distance wandering."""
    t = np.linspace(0.0, 1.0, views)
    around = arrangement.azimuths_deg[1] - arrangement.azimuths_deg[0] > 300.0
    centre, half = (rng.uniform(0, 360), rng.uniform(90, 165)) if around else _span(rng, arrangement)
    low, high = arrangement.elevations_deg
    wave = np.sin(2 * np.pi * (rng.uniform(1.0, 2.5) * t + rng.random()))
    azimuths = centre + half * np.linspace(-1, 1, views)
    elevations = (low + high) / 2 + 0.4 * (high - low) * wave
    distances = 1.0 + 0.12 * np.sin(2 * np.pi * (rng.uniform(0.5, 1.5) * t + rng.random()))
    return [
        Shot(float(a), float(e), float(d), rng.uniform(-0.1, 0.1, 3), 0.0)
        for a, e, d in zip(azimuths, elevations, distances, strict=True)
    ]


PATHS: dict[str, Callable[[Rng, Arrangement, int], list[Shot]]] = {
    "arc": arc,
    "orbit": orbit,
    "dome": dome,
    "handheld": handheld,
}
"""Shots of each path, in the order in which a person would take them."""
