"""All the light on a scene: directional lights, point lights, an environment map, and ambient light.

Light adds linearly, and all factors are relative to the canonical light: a factor of 1 is a disc of
``DISC_RADIUS_DEG`` that gives ``IRRADIANCE``, and ambient of 1 is white light of ``AMBIENT_RADIANCE`` from everywhere.
"""

import heapq
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.imaging.color import LUMINANCE
from relightnerf.lights._canonical import IRRADIANCE
from relightnerf.lights._directions import normalized_direction, rotation_between


def _none() -> np.ndarray:
    return np.zeros((0, 3))


@dataclass(frozen=True)
class Lighting:
    """Directional, point and ambient light in the capture's world, linear Rec. 709 factors per channel.

    Attributes:
        directions: unit vectors towards the directional lights.
        colors: of each directional light's disc.
        positions: of the point lights, in world units.
        position_colors: of each point light's disc at the middle of what the photos look at; elsewhere it falls with
            the square of the distance.
        ambient: of the ambient light.
    """

    directions: Float[np.ndarray, "directional 3"] = field(default_factory=_none)
    colors: Float[np.ndarray, "directional 3"] = field(default_factory=_none)
    positions: Float[np.ndarray, "point 3"] = field(default_factory=_none)
    position_colors: Float[np.ndarray, "point 3"] = field(default_factory=_none)
    ambient: Float[np.ndarray, "3"] = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def directional(cls, direction: Float[np.ndarray, "3"], color: Float[np.ndarray, "3"] | float = 1.0) -> "Lighting":
        """Return one canonical light, its ambient part included, times a factor."""
        color = np.array(np.broadcast_to(color, 3), np.float64)
        return cls(directions=np.array([direction], np.float64), colors=color[None], ambient=color)

    @classmethod
    def point(cls, position: Float[np.ndarray, "3"], color: Float[np.ndarray, "3"] | float = 1.0) -> "Lighting":
        """Return one light at a place, with a canonical light's ambient part, times a factor."""
        color = np.array(np.broadcast_to(color, 3), np.float64)
        return cls(positions=np.array([position], np.float64), position_colors=color[None], ambient=color)

    @classmethod
    def from_described(cls, values: Any, where: str) -> "Lighting":
        """Undo ``described``.

        Args:
            values: lists of numbers by the names of the attributes; what is missing is empty, or no ambient light.
            where: of the values, for messages.

        Raises:
            InputError: an unknown name, numbers of another shape, a negative factor, or lights without their colours.
        """
        names = list(cls.__dataclass_fields__)
        if not isinstance(values, dict) or not values.keys() <= set(names):
            raise InputError(f"{where}: not a light with {', '.join(names)}", "remove what it does not have")
        arrays = {name: _factors(values[name], f'{where}: "{name}"') for name in names if np.size(values.get(name, ()))}
        light = cls(**{name: value[0] if name == "ambient" else value for name, value in arrays.items()})
        for places, colors in (("directions", "colors"), ("positions", "position_colors")):
            if len(getattr(light, places)) != len(getattr(light, colors)):
                raise InputError(f'{where}: not as many "{colors}" as "{places}"', "give each light one colour")
        if min(light.colors.min(initial=0), light.position_colors.min(initial=0), light.ambient.min()) < 0:
            raise InputError(f"{where}: a negative colour", "give factors of 0 or more")
        units = [normalized_direction(direction, where) for direction in light.directions]
        return replace(light, directions=np.reshape(units, (-1, 3)))

    def __add__(self, other: "Lighting") -> "Lighting":
        """Return both together."""
        return Lighting(
            np.concatenate([self.directions, other.directions]),
            np.concatenate([self.colors, other.colors]),
            np.concatenate([self.positions, other.positions]),
            np.concatenate([self.position_colors, other.position_colors]),
            self.ambient + other.ambient,
        )

    def scaled(self, factor: float) -> "Lighting":
        """Return all lights brighter or darker by a factor."""
        colors, position_colors = self.colors * factor, self.position_colors * factor
        return Lighting(self.directions, colors, self.positions, position_colors, self.ambient * factor)

    def turned(self, rotation: Float[np.ndarray, "3 3"]) -> "Lighting":
        """Return the directional lights turned by a rotation of the world; point lights stay."""
        # Directions are rows, so R d is d R^T.
        return Lighting(self.directions @ rotation.T, self.colors, self.positions, self.position_colors, self.ambient)

    def described(self) -> dict[str, Any]:
        """Return all numbers as plain lists, for a manifest."""
        return {name: np.asarray(value).tolist() for name, value in vars(self).items() if np.size(value)}


def _factors(values: Any, where: str) -> Float[np.ndarray, "rows 3"]:
    try:
        rows = np.atleast_2d(np.asarray(values, np.float64))
    except (TypeError, ValueError):
        rows = np.empty((0, 0))
    if rows.ndim != 2 or rows.shape[1] != 3 or not np.isfinite(rows).all():
        raise InputError(f"{where}: not rows of three finite numbers", "repair or remove it")
    return rows


def turn_about(up: Float[np.ndarray, "3"] | tuple[float, float, float], angle_deg: float) -> Float[np.ndarray, "3 3"]:
    """Return the rotation about the world's up, counter-clockwise seen from above."""
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    # R = U Rz U^T: turn up to +z, rotate about z, turn back.
    upright = rotation_between(np.array([0.0, 0.0, 1.0]), np.asarray(up, np.float64))
    return upright @ np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]]) @ upright.T


def environment_lighting(
    radiance: Float[np.ndarray, "rows columns 3"],
    samples: int = 64,
    rotation_deg: float = 0.0,
    world_up: tuple[float, float, float] = (0.0, 0.0, 1.0),
) -> "Lighting":
    """Stand in for an environment map by directional lights where it is bright.

    The median cut algorithm (Debevec, "A median cut algorithm for light probe sampling", 2005): the map is cut again
    and again into halves of equal energy, and each part becomes one light at its centre of energy. Only the half
    above the horizon counts: fields learn lights from above, and what is below is the scene itself.

    Args:
        radiance: linear, equirectangular as seen from inside: the top row is up, the middle column is azimuth 0 (+x for
            a world with +z up), and the columns to its right turn clockwise seen from above.
        samples: most lights to use.
        rotation_deg: turns the map about up, counter-clockwise seen from above.
        world_up: the world's up.
    """
    rows, columns = radiance.shape[:2]
    # Centres of the pixels, radians: from nearly pi / 2 down, and from nearly pi down to -pi, i.e. clockwise.
    elevation = np.pi / 2 - (np.arange(rows) + 0.5) * np.pi / rows
    azimuth = np.pi - (np.arange(columns) + 0.5) * 2 * np.pi / columns
    # sr of a pixel in each row: cos(elevation) d_elevation d_azimuth.
    solid_angle = np.cos(elevation) * (np.pi / rows) * (2 * np.pi / columns)
    # Radiance times solid angle is the irradiance of a surface facing the pixel, (rows, columns, 3).
    flux = np.clip(np.nan_to_num(radiance), 0.0, None) * (solid_angle * (elevation > 0))[:, None, None]
    flux = flux[: (rows + 1) // 2].astype(np.float64)  # The upper half.
    energy = flux @ LUMINANCE
    flat = np.cos(elevation)[:, None]
    # Unit vectors towards the pixels, (rows, columns, 3), in a frame with z up.
    rays = np.stack(
        np.broadcast_arrays(flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)[:, None]), axis=-1
    )
    directions, colors = [], []
    for top, bottom, left, right in _median_cut(energy, np.cos(elevation), samples):
        # Mean direction, weighted by energy: the part's centre.
        part = energy[top:bottom, left:right, None]
        mean = (rays[top:bottom, left:right] * part).sum(axis=(0, 1))
        directions.append(mean / np.linalg.norm(mean))
        # A colour of 1 is a disc of irradiance ``IRRADIANCE``, so flux over that keeps the energy of the part.
        colors.append(flux[top:bottom, left:right].sum(axis=(0, 1)) / IRRADIANCE)
    # First the map's z onto the world's up, then the turn about up.
    upright = rotation_between(np.array([0.0, 0.0, 1.0]), np.asarray(world_up, np.float64))
    turn = turn_about(world_up, rotation_deg) @ upright
    shape = (len(directions), 3)
    return Lighting(np.reshape(directions, shape) @ turn.T, np.reshape(colors, shape))


def _median_cut(
    energy: Float[np.ndarray, "rows columns"], widths: Float[np.ndarray, "all_rows"], count: int
) -> list[tuple[int, int, int, int]]:
    """Cut into parts (top, bottom, left, right), always the one with most energy, across its longer side."""
    parts: list[tuple[float, tuple[int, int, int, int]]] = []

    def push(top: int, bottom: int, left: int, right: int) -> None:
        total = energy[top:bottom, left:right].sum()
        if total > 0.0:
            # A heap's first is its least: energies are negated. What cannot be cut any more comes last, with 0.
            single = bottom - top == 1 and right - left == 1
            heapq.heappush(parts, (0.0 if single else -total, (top, bottom, left, right)))

    push(0, energy.shape[0], 0, energy.shape[1])
    while parts and len(parts) < count and parts[0][0] < 0.0:
        top, bottom, left, right = heapq.heappop(parts)[1]
        part = energy[top:bottom, left:right]
        # Width over height on the sphere: columns shrink with cos(elevation), taken at the part's middle row. A
        # column's angle over a row's is (2 pi / columns) / (pi / all_rows) = 2 all_rows / columns.
        is_wide = (right - left) * widths[(top + bottom) // 2] * (len(widths) * 2 / energy.shape[1]) >= bottom - top
        if (is_wide and right - left > 1) or bottom - top == 1:
            middle = left + _median(part.sum(axis=0))
            push(top, bottom, left, middle)
            push(top, bottom, middle, right)
        else:
            middle = top + _median(part.sum(axis=1))
            push(top, middle, left, right)
            push(middle, bottom, left, right)
    return [part for _, part in sorted(parts)]


def _median(sums: Float[np.ndarray, "cells"]) -> int:
    """Return where to cut such that both sides are closest to half of the whole; both have a cell at least."""
    # before[k] is the sum of cells 0 to k; a cut behind cell k leaves k + 1 cells on the first side.
    before = sums.cumsum()[:-1]
    return int(np.abs(before - 0.5 * sums.sum()).argmin()) + 1
