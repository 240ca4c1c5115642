"""Quick pictures of procedural scenes by ray casting: direct light, soft shadows, ambient occlusion and highlights.

They are no path-traced truth. The depth network learns from them where surfaces are, and for that it needs many scenes
more than it needs exact light between surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import open3d as o3d
from numpy.typing import NDArray
from procedural_scenes import Arrangement, Item

from relightnerf.cameras import Camera

Rng = np.random.Generator
Array = NDArray[np.float64]
Float32 = NDArray[np.float32]
AMBIENT_RAYS = 4
BIAS = 2e-3


@dataclass(frozen=True)
class Light:
    """A disc and a sky.

    Attributes:
        direction: unit vector towards the disc, world.
        radius_rad: of the disc.
        irradiance: (3,), on a surface that faces the disc.
        sky, ground: (3,), radiance from above and from below.
    """

    direction: Array
    radius_rad: float
    irradiance: Array
    sky: Array
    ground: Array

    def around(self, up: Float32) -> Float32:
        """Ambient radiance (n, 3) from directions with the z component `up` (n,)."""
        part = (0.5 + 0.5 * up)[:, None]
        return (part * self.sky + (1 - part) * self.ground).astype(np.float32)


@dataclass(frozen=True)
class Picture:
    """One view: linear colours (height, width, 3), depth along -z (height, width; 0 unknown), and its camera."""

    camera: Camera
    linear: Float32
    depth: Float32


def random_light(rng: Rng) -> Light:
    """From a hard sun to an overcast sky."""
    direction = rng.normal(size=3)
    direction[2] = abs(direction[2]) + 0.15
    strength = rng.uniform(0.1, 1.0)
    tint = 1.0 + 0.15 * rng.normal(size=3)
    sky = (1.05 - strength) * rng.uniform(0.3, 1.0) * (1.0 + 0.15 * rng.normal(size=3)) * 0.5
    return Light(
        direction / np.linalg.norm(direction),
        np.deg2rad(np.exp(rng.uniform(np.log(1.0), np.log(25.0)))),
        2.2 * strength * np.clip(tint, 0.3, 2.0),
        np.clip(sky, 0.02, 1.0),
        np.clip(sky, 0.02, 1.0) * rng.uniform(0.1, 0.9),
    )


def plain_arrangement(arrangement: Arrangement, rng: Rng) -> Arrangement:
    """Paint a random part of the things in one colour, as most things are."""
    share = rng.choice([0.0, 0.4, 0.8, 1.0])
    items = tuple(_plain(item, rng) if rng.random() < share else item for item in arrangement.items)
    return replace(arrangement, items=items)


def _plain(item: Item, rng: Rng) -> Item:
    mean = item.material.texture.mean((0, 1)) ** rng.uniform(0.4, 1.0)
    mottled = 1.0 + rng.uniform(0.0, 0.03) * (rng.random() < 0.5) * rng.standard_normal((64, 64, 1))
    texture = np.clip(mean * mottled, 0.02, 0.92).astype(np.float32)
    return replace(item, material=replace(item.material, texture=texture))


class Lit:
    """An arrangement under one light."""

    def __init__(self, arrangement: Arrangement, light: Light) -> None:
        """Build the ray caster.

        Args:
            arrangement: what is seen.
            light: what it is seen in.
        """
        self._light, self._items = light, arrangement.items
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        for item in arrangement.items:
            vertices = o3d.core.Tensor(item.shape.vertices.astype(np.float32))
            faces = np.arange(len(item.shape.vertices), dtype=np.uint32).reshape(-1, 3)
            self._scene.add_triangles(vertices, o3d.core.Tensor(faces))
        self._scale = arrangement.reach

    def geometry(self, camera: Camera) -> tuple[Float32, Float32, NDArray[np.int64]]:
        """Depth (height, width), camera-frame normals (height, width, 3), and the number of each pixel's item, -1."""
        rays = camera.rays_camera()
        hit = self._cast(camera, rays)
        known = np.isfinite(hit["t_hit"])
        _, normal, _ = self._surface(hit, known)
        world = np.zeros((*known.shape, 3), np.float32)
        world[known] = _facing(normal, self._directions(camera, rays)[known])
        depth = np.where(known, hit["t_hit"], 0.0).astype(np.float32)
        item = np.where(known, hit["geometry_ids"].astype(np.int64), -1)
        return depth, world @ camera.camera_to_world[:3, :3].astype(np.float32), item

    def view(self, camera: Camera, rng: Rng) -> Picture:
        """Shade one view; every pixel has its own random shadow ray."""
        rays = camera.rays_camera()
        directions = self._directions(camera, rays)
        hit = self._cast(camera, rays)
        known = np.isfinite(hit["t_hit"])
        uv, normal, item = self._surface(hit, known)
        towards = directions[known]
        normal = _facing(normal, towards)
        unit = (towards / np.linalg.norm(towards, axis=-1, keepdims=True)).astype(np.float32)
        points = camera.position.astype(np.float32) + towards.astype(np.float32) * hit["t_hit"][known][:, None]
        radiance = self._light.around(unit_up(directions.reshape(-1, 3))).reshape(*known.shape, 3)
        radiance[known] = self._shaded(points, normal, unit, uv, item, rng)
        return Picture(camera, radiance, np.where(known, hit["t_hit"], 0.0).astype(np.float32))

    def exposure(self, pictures: list[Float32], rng: Rng) -> float:
        """Factor that takes the brightest 3 % to somewhat below or above white."""
        return float(rng.uniform(0.55, 1.15) / max(np.quantile(np.stack(pictures), 0.97), 1e-4))

    def _directions(self, camera: Camera, rays: Array) -> Array:
        return rays @ camera.camera_to_world[:3, :3].T

    def _cast(self, camera: Camera, rays: Array) -> dict[str, NDArray[np.generic]]:
        directions = self._directions(camera, rays)
        origins = np.broadcast_to(camera.position, directions.shape)
        packed = np.concatenate([origins, directions], axis=-1).astype(np.float32)
        return {name: value.numpy() for name, value in self._scene.cast_rays(o3d.core.Tensor(packed)).items()}

    def _surface(
        self, hit: dict[str, NDArray[np.generic]], known: NDArray[np.bool_]
    ) -> tuple[Float32, Float32, NDArray[np.int64]]:
        """Texture coordinates (n, 2), smooth normals (n, 3) and items (n,) of what is hit."""
        item, face = hit["geometry_ids"][known].astype(np.int64), hit["primitive_ids"][known].astype(np.int64)
        second, third = hit["primitive_uvs"][known].T
        weights = np.stack([1 - second - third, second, third], axis=-1)[..., None]
        uv, normal = np.zeros((len(item), 2), np.float32), np.zeros((len(item), 3), np.float32)
        for number in np.unique(item):
            mine, shape = item == number, self._items[number].shape
            corners = 3 * face[mine][:, None] + np.arange(3)
            uv[mine] = (weights[mine] * shape.uv[corners]).sum(1)
            normal[mine] = (weights[mine] * shape.normals[corners]).sum(1)
        return uv, normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9), item

    def _shaded(
        self, points: Float32, normal: Float32, unit: Float32, uv: Float32, item: NDArray[np.int64], rng: Rng
    ) -> Float32:
        light = self._light
        albedo, rough, metal, gloss = self._paint(uv, item)
        towards = _within_disc(light, len(points), rng)
        seen = self._open(points, normal, towards)
        cosine = np.maximum((normal * towards).sum(-1), 0.0) * seen
        ambient, openness = np.zeros_like(points), np.zeros(len(points), np.float32)
        for _ in range(AMBIENT_RAYS):
            around = _cosine_lobe(normal, rng)
            free = self._open(points, normal, around)
            ambient += free[:, None] * light.around(around[:, 2]) / AMBIENT_RAYS
            openness += free / AMBIENT_RAYS
        # What surfaces around send back, roughly: half of the ambient light, where the sky is hidden.
        ambient += (1 - openness)[:, None] * 0.3 * (light.sky + 0.2 * light.irradiance)
        diffuse = albedo * (1 - metal)[:, None] * (light.irradiance / np.pi * cosine[:, None] + ambient)
        # Blinn's lobe, normalised, with Schlick's Fresnel term.
        half = towards - unit
        half /= np.maximum(np.linalg.norm(half, axis=-1, keepdims=True), 1e-6)
        power = 2.0 / np.maximum(rough, 0.08) ** 4
        lobe = (power + 8) / (8 * np.pi) * np.maximum((normal * half).sum(-1), 0.0) ** power * cosine
        base = 0.08 * gloss[:, None] * (1 - metal)[:, None] + albedo * metal[:, None]
        grazing = (1 - np.clip(-(normal * unit).sum(-1), 0.0, 1.0))[:, None] ** 5
        fresnel = base + (1 - base) * grazing * (gloss * (1 - rough))[:, None]
        mirrored = unit - 2 * (unit * normal).sum(-1, keepdims=True) * normal
        around = light.around(mirrored[:, 2]) * (0.3 + 0.7 * openness[:, None])
        shine = np.minimum(lobe, 8.0)[:, None] * light.irradiance * fresnel + fresnel * around
        return (diffuse + shine).astype(np.float32)

    def _paint(self, uv: Float32, item: NDArray[np.int64]) -> tuple[Float32, Float32, Float32, Float32]:
        """Albedo (n, 3), roughness, metalness and gloss (n,) of what is hit."""
        albedo = np.zeros((len(item), 3), np.float32)
        rough, metal, gloss = (np.zeros(len(item), np.float32) for _ in range(3))
        for number in np.unique(item):
            mine, paint = item == number, self._items[number].material
            height, width = paint.texture.shape[:2]
            column, row = (uv[mine] % 1.0 * [width, height]).astype(int).T
            albedo[mine] = paint.texture[row.clip(0, height - 1), column.clip(0, width - 1)]
            rough[mine], metal[mine], gloss[mine] = paint.roughness, paint.metallic, paint.specular
        return albedo, rough, metal, gloss

    def _open(self, points: Float32, normal: Float32, directions: Float32) -> Float32:
        """1 where nothing is in the way, else 0."""
        packed = np.concatenate([points + BIAS * self._scale * normal, directions], axis=-1).astype(np.float32)
        return 1.0 - self._scene.test_occlusions(o3d.core.Tensor(packed)).numpy().astype(np.float32)


def unit_up(directions: Array) -> Float32:
    """The z component (n,) of directions (n, 3) of any length."""
    return (directions[:, 2] / np.linalg.norm(directions, axis=-1)).astype(np.float32)


def _facing(normal: Float32, towards: Array) -> Float32:
    return np.where((normal * towards).sum(-1, keepdims=True) > 0, -normal, normal).astype(np.float32)


def _within_disc(light: Light, count: int, rng: Rng) -> Float32:
    """Unit vectors (count, 3) to random places of the disc."""
    side = np.cross(light.direction, np.eye(3)[np.argmin(np.abs(light.direction))])
    side /= np.linalg.norm(side)
    radius, angle = np.tan(light.radius_rad) * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    offset = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * np.cross(light.direction, side)
    result = light.direction + radius[:, None] * offset
    return (result / np.linalg.norm(result, axis=-1, keepdims=True)).astype(np.float32)


def _cosine_lobe(normal: Float32, rng: Rng) -> Float32:
    """A direction about each normal, with a density that falls as the cosine (the normal plus a point of a sphere)."""
    ball = rng.standard_normal(normal.shape)
    result = normal + ball / np.linalg.norm(ball, axis=-1, keepdims=True)
    return (result / np.maximum(np.linalg.norm(result, axis=-1, keepdims=True), 1e-6)).astype(np.float32)
