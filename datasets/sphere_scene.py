"""A random sphere over a random plane, its geometry seen by a camera, and its pictures under canonical lights.

All vectors are in the camera frame (x right, y up, the camera at the origin looks along -z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sphere_textures import Array, Rng, Texture, random_texture

from relightnerf.lights import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE

DISC_SAMPLES = 32
LOWEST_LIGHT_DEG = 15.0
CAMERA_SIDE = 0.85
MOST_TILT = 0.05
LEAST_CLEARANCE = 0.5
EDGE = np.radians(1.1 * DISC_RADIUS_DEG)  # a disc's samples lie within, wherever their mean is
GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
NOTHING, SPHERE, PLANE = 0, 1, 2


@dataclass(frozen=True)
class SphereScene:
    """One sphere (`centre`, `radius`) over the plane `normal . p = height` that ends `reach` from the sphere's foot.

    `up` is the world's up, which the plane's normal only roughly follows; `backdrop` is the linear radiance behind.
    """

    fov_deg: float
    up: Array
    centre: Array
    radius: float
    normal: Array
    height: float
    reach: float
    backdrop: Array
    sphere_texture: Texture
    sphere_turn: Array
    plane_texture: Texture
    plane_axes: Array


@dataclass(frozen=True)
class Surface:
    """What rays meet: `kind` (P,) nothing, sphere or plane; `points` and `normals` (P, 3), 0 where nothing."""

    kind: NDArray[np.int64]
    points: Array
    normals: Array


def random_scene(rng: Rng) -> SphereScene:
    """Draw camera, sphere, plane and textures."""
    fov_deg, elevation, roll = rng.uniform(35.0, 60.0), np.radians(rng.uniform(10.0, 50.0)), rng.normal(scale=0.03)
    up = np.array([np.sin(roll) * np.cos(elevation), np.cos(roll) * np.cos(elevation), np.sin(elevation)])
    half = np.tan(np.radians(fov_deg) / 2.0)
    radius = rng.uniform(0.4, 1.2)
    distance = radius / (half * rng.uniform(0.3, 0.6))
    place = rng.uniform((-0.4, -0.25), (0.4, 0.35)) * half
    centre = distance * np.array([place[0], place[1], -1.0])
    normal = _unit(up + rng.normal(scale=MOST_TILT / 2.0, size=3).clip(-MOST_TILT, MOST_TILT))
    gap = radius * rng.uniform(0.05, 0.6) if rng.random() < 0.4 else 0.0
    gap = max(gap, normal @ centre - radius + LEAST_CLEARANCE * radius)  # the camera stays above the plane
    return SphereScene(
        fov_deg=float(fov_deg),
        up=up.astype(np.float32),
        centre=centre.astype(np.float32),
        radius=float(radius),
        normal=normal.astype(np.float32),
        height=float(normal @ centre - radius - gap),
        reach=float(radius * rng.uniform(4.0, 10.0)),
        backdrop=rng.uniform(0.02, 0.6) * rng.uniform(0.6, 1.0, 3).astype(np.float32),
        sphere_texture=random_texture(rng),
        sphere_turn=_random_axes(rng),
        plane_texture=random_texture(rng),
        plane_axes=_plane_axes(normal, rng),
    )


def random_directions(scene: SphereScene, count: int, rng: Rng) -> NDArray[np.float64]:
    """Unit directions (L, 3) to lights above the world's horizon, most of them on the camera's side of the scene."""
    up = scene.up.astype(np.float64)
    back = _unit(np.array([0.0, 0.0, 1.0]) - up[2] * up)
    right = np.cross(up, back)
    sine = rng.uniform(np.sin(np.radians(LOWEST_LIGHT_DEG)), 1.0, count)
    spread = np.where(rng.random(count) < CAMERA_SIDE, 0.5 * np.pi, np.pi)
    azimuth = rng.uniform(-1.0, 1.0, count) * spread
    level = np.cos(azimuth)[:, None] * back + np.sin(azimuth)[:, None] * right
    return _unit(np.sqrt(1.0 - sine**2)[:, None] * level + sine[:, None] * up)


def pixel_rays(scene: SphereScene, width: int, height: int) -> Array:
    """Rays (width * height, 3) through the pixels' centres, row by row, with z = -1."""
    focal = width / 2.0 / np.tan(np.radians(scene.fov_deg) / 2.0)
    x, y = np.meshgrid((np.arange(width) + 0.5 - width / 2.0) / focal, (height / 2.0 - np.arange(height) - 0.5) / focal)
    return np.stack([x, y, np.full_like(x, -1.0)], axis=-1).reshape(-1, 3).astype(np.float32)


def trace(scene: SphereScene, rays: Array) -> Surface:
    """Meet rays (P, 3) from the camera with sphere and plane."""
    along, length = rays @ scene.centre, np.sum(rays**2, axis=-1)
    inside = along**2 - length * (scene.centre @ scene.centre - scene.radius**2)
    on_sphere = inside > 0.0
    to_sphere = (along - np.sqrt(np.maximum(inside, 0.0))) / length
    slope = rays @ scene.normal
    downwards = slope * scene.height > 0.0
    to_plane = np.where(downwards, scene.height / np.where(downwards, slope, 1.0), 0.0)
    foot = scene.centre - (scene.normal @ scene.centre - scene.height) * scene.normal
    near = np.linalg.norm(to_plane[:, None] * rays - foot, axis=-1) < scene.reach
    kind = np.where(on_sphere, SPHERE, np.where(downwards & near, PLANE, NOTHING))
    points = rays * np.where(kind == SPHERE, to_sphere, np.where(kind == PLANE, to_plane, 0.0))[:, None]
    normals = np.where((kind == SPHERE)[:, None], (points - scene.centre) / scene.radius, scene.normal)
    normals = np.where((kind == NOTHING)[:, None], 0.0, normals)
    return Surface(kind, points.astype(np.float32), normals.astype(np.float32))


def surface_albedo(scene: SphereScene, surface: Surface) -> Array:
    """Linear albedo (P, 3), 0 where nothing is."""
    albedo = np.zeros_like(surface.points)
    local = (surface.points - scene.centre) / scene.radius
    on_sphere, on_plane = surface.kind == SPHERE, surface.kind == PLANE
    albedo[on_sphere] = scene.sphere_texture.albedo(local[on_sphere] @ scene.sphere_turn)
    albedo[on_plane] = scene.plane_texture.albedo(local[on_plane] @ scene.plane_axes)
    return albedo


def ambient_part(scene: SphereScene, surface: Surface) -> Array:
    """Cosine-weighted part (P,) of the hemisphere over each point that is open.

    Over the plane the sphere takes away `cos * (radius / distance)^2`, its exact form factor; over the sphere an
    endless plane takes away `(1 - cos) / 2`.
    """
    to_sphere = scene.centre - surface.points
    distance = np.linalg.norm(to_sphere, axis=-1)
    taken = (to_sphere @ scene.normal) / distance * (scene.radius / distance) ** 2
    over_sphere = 0.5 + 0.5 * surface.normals @ scene.normal
    part = np.where(surface.kind == SPHERE, over_sphere, 1.0 - taken)
    return np.where(surface.kind == NOTHING, 0.0, part).astype(np.float32)


def disc_directions(direction: NDArray[np.float64], samples: int = DISC_SAMPLES) -> Array:
    """Unit directions (S, 3) to points spread evenly over the canonical light's disc (Vogel's spiral)."""
    index = np.arange(samples)
    radius = np.tan(np.radians(DISC_RADIUS_DEG)) * np.sqrt((index + 0.5) / samples)
    angle = 2.0 * np.pi * GOLDEN * index
    first = _unit(np.cross(direction, np.eye(3)[np.argmin(np.abs(direction))]))
    second = np.cross(direction, first)
    offsets = radius[:, None] * (np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second)
    return _unit(direction + offsets - offsets.mean(axis=0)).astype(np.float32)


def light_surface(scene: SphereScene, surface: Surface, direction: NDArray[np.float64]) -> tuple[Array, Array]:
    """Light of the canonical disc: irradiance (P,), and the part of the disc (P,) that is seen.

    The part is 0 where the surface faces away from the disc's centre. Only points that see some of the disc, and not
    all of it, look at its samples.
    """
    towards = disc_directions(direction)
    cosine = surface.normals @ direction.astype(np.float32)
    irradiance, seen = np.maximum(surface.normals @ towards.mean(axis=0), 0.0), (cosine > 0.0).astype(np.float32)
    edge = (surface.kind == SPHERE) & (np.abs(cosine) < np.sin(EDGE))
    cosine = np.maximum(surface.normals[edge] @ towards.T, 0.0)
    irradiance[edge], seen[edge] = cosine.mean(axis=-1), seen[edge] * (cosine > 0.0).mean(axis=-1)
    on_plane = np.flatnonzero(surface.kind == PLANE)
    blocked = _blocked_part(scene, surface.points[on_plane], direction.astype(np.float32), towards)
    irradiance[on_plane] *= 1.0 - blocked[:, 0]
    seen[on_plane] *= 1.0 - blocked[:, 1]
    return IRRADIANCE * irradiance / np.mean(towards @ direction.astype(np.float32)), seen


def radiance(scene: SphereScene, surface: Surface, albedo: Array, irradiance: Array, ambient: Array) -> Array:
    """Linear radiance (P, 3) of Lambertian surfaces under a disc's irradiance (P,) and an open part (P,) of ambient."""
    shading = irradiance / np.pi + AMBIENT_RADIANCE * ambient
    return np.where((surface.kind == NOTHING)[:, None], scene.backdrop, albedo * shading[:, None])


def _blocked_part(scene: SphereScene, points: Array, direction: Array, towards: Array) -> Array:
    """What the sphere takes of a disc, given by its centre (3,) and samples (S, 3), from points (P, 3) of the plane.

    Returns parts (P, 2) of the disc's irradiance and of its area.
    """
    to_centre = scene.centre - points
    distance = np.linalg.norm(to_centre, axis=-1)
    angle = np.arccos(np.clip(to_centre @ direction / distance, -1.0, 1.0)) - np.arcsin(scene.radius / distance)
    part = np.repeat((angle < 0.0).astype(np.float32)[:, None], 2, axis=-1)
    edge = np.abs(angle) < EDGE
    along = to_centre[edge] @ towards.T
    blocked = (along > 0.0) & (along**2 > (distance[edge] ** 2 - scene.radius**2)[:, None])
    cosine = towards @ scene.normal
    part[edge] = blocked @ np.stack([cosine / cosine.sum(), np.full_like(cosine, 1.0 / len(cosine))], axis=-1)
    return part


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _random_axes(rng: Rng) -> Array:
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return axes.astype(np.float32)


def _plane_axes(normal: NDArray[np.float64], rng: Rng) -> Array:
    """Columns: two random perpendicular axes in the plane, and its normal."""
    first = _unit(np.cross(normal, rng.normal(size=3)))
    return np.stack([first, np.cross(normal, first), normal], axis=-1).astype(np.float32)
