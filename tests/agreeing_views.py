"""Relit pictures of a scene of diffuse surfaces on which all views agree, and ways to make them disagree."""

from pathlib import Path

import numpy as np

from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear
from relightnerf.lights import LightSet

LIGHTS = LightSet("world", ("left", "right", "top"), np.array([[0.8, 0, 0.6], [-0.6, 0, 0.8], [0, 0, 1.0]]))


def true_log_ratio(view: View, lights: LightSet) -> np.ndarray:
    """Log ratio (lights, height, width, 3) by Lambert's law with an ambient part; -0.5 in the background."""
    directions = lights.directions_world(view.camera.camera_to_world)
    shading = np.log(0.4 + 0.8 * np.maximum(view.normal_world @ directions.T, 0.0))
    known = np.where(view.known[..., None], shading, -0.5)
    return np.repeat(np.moveaxis(known, -1, 0)[..., None], 3, axis=-1)


def relit_pictures(view: View, log_ratio: np.ndarray) -> np.ndarray:
    """The photo times the ratios, sRGB in [0, 1]."""
    return linear_to_srgb(srgb_to_linear(view.image) * np.exp(log_ratio))


def unperturbed(index: int, log_ratio: np.ndarray) -> np.ndarray:
    """Leave a view as it is."""
    return log_ratio


def blotches(index: int, log_ratio: np.ndarray) -> np.ndarray:
    """Add smooth waves and an exposure that differ from view to view."""
    random = np.random.default_rng(index)
    rows, columns = np.mgrid[: log_ratio.shape[1], : log_ratio.shape[2]] / 12.0
    turns = random.uniform(0.0, 2.0 * np.pi, (len(log_ratio), 2, 1, 1))
    waves = np.sin(rows + turns[:, 0]) * np.sin(columns + turns[:, 1])
    return log_ratio + 0.25 * waves[..., None] + random.normal(0.0, 0.15, 3)


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """All files of a folder but the manifest, which tells the time, and hidden ones."""
    return {
        p.name: p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "manifest.json" and p.name[0] != "."
    }
