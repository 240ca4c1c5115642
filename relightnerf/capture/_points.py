"""Sparse points as PLY files."""

from pathlib import Path

import numpy as np

from relightnerf.capture._types import Points
from relightnerf.errors import InputError
from relightnerf.io.ply import write_vertices

_GRAY = 128
"""Colour of points that have none, 8 bits."""


def read_points(path: Path) -> Points:
    """Read a PLY point cloud; points that are not finite are dropped, missing colours are gray.

    Raises:
        InputError: the file holds no points.
    """
    import open3d

    with open3d.utility.VerbosityContextManager(open3d.utility.VerbosityLevel.Error):
        cloud = open3d.io.read_point_cloud(path, remove_nan_points=True, remove_infinite_points=True)
    positions = np.asarray(cloud.points)
    if not len(positions):
        raise InputError(f"{path}: no points can be read", "replace it, or remove its entry in transforms.json")
    colors = np.asarray(cloud.colors) * 255.0 if cloud.has_colors() else np.full_like(positions, _GRAY)
    return Points(positions.astype(np.float64), colors.round().astype(np.uint8))


def write_points(path: Path, points: Points) -> None:
    """Write a binary PLY file, atomically."""
    columns = [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("red", "u1"), ("green", "u1"), ("blue", "u1")]
    rows = np.empty(len(points), dtype=columns)
    for axis, (position, color) in enumerate(zip("xyz", ("red", "green", "blue"), strict=True)):
        rows[position] = points.positions[:, axis]
        rows[color] = points.colors[:, axis]
    write_vertices(path, rows)
