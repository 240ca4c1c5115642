"""The colours of the field on a mesh under one light."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.ndimage import map_coordinates

from relightnerf.errors import InputError
from relightnerf.export.neighbours import Neighbours
from relightnerf.export.views import LitView
from relightnerf.geometry.raycast import RayScene

if TYPE_CHECKING:
    import open3d as o3d


@dataclass(frozen=True)
class ColourSettings:
    """What tunes which views colour a vertex, and how much."""

    least_cosine: float = 0.05
    """Views that see a surface at this cosine or less (87 degrees from facing) do not count: they see a smear of it."""
    depth_tolerance: float = 0.02
    """Relative difference between the field's depth and the vertex's at which a view counts a quarter. Fields and their
    meshes differ by 1 % or less on surfaces, by far more at outlines, where a view sees what is behind."""
    neighbours: int = 6
    """Vertices that have a colour and are nearest to one that no view sees: its colour is their mean, closer ones more.
    On a mesh, a vertex has about six neighbours."""


_SETTINGS = ColourSettings()


class VertexColours:
    """Gathers each vertex's mean colour over the views that see it.

    A view counts by the solid angle under which it sees the surface, times the cosine once more, as what is seen at a
    grazing angle is blurred; and the less, the more the field's depth there differs from the vertex's, since the
    silhouettes of field and mesh are never quite the same.

    Args:
        mesh: in the capture's world, with vertex normals.
        rays: against this mesh.
    """

    def __init__(self, mesh: "o3d.geometry.TriangleMesh", rays: RayScene) -> None:
        self._vertices, self._normals = np.asarray(mesh.vertices), np.asarray(mesh.vertex_normals)
        self._rays = rays
        self._total, self._weights = np.zeros_like(self._vertices), np.zeros(len(self._vertices))

    def add(self, view: LitView) -> None:
        """Add what one view sees."""
        camera, vertices, normals = view.camera, self._vertices, self._normals
        towards = camera.position - vertices
        distance = np.linalg.norm(towards, axis=-1)
        cosine = np.einsum("vk,vk->v", normals, towards) / np.maximum(distance, 1e-12)
        pixels, depth = camera.project(vertices)
        inside = (pixels >= 0.5).all(axis=-1) & (pixels <= [camera.width - 0.5, camera.height - 0.5]).all(axis=-1)
        seen = np.flatnonzero((depth > 0.0) & inside & (cosine > _SETTINGS.least_cosine))
        seen = seen[~self._rays.blocked(vertices[seen] + self._rays.bias * normals[seen], towards[seen], 1.0)]
        # depth by the nearest pixel: between a surface and what is behind it there is nothing
        places = pixels[seen, ::-1].T - 0.5
        colours = [map_coordinates(view.picture[..., channel], places, order=1) for channel in range(3)]
        off = map_coordinates(view.depth, places, order=0) / depth[seen] - 1.0
        agreement = 1.0 / (1.0 + (off / _SETTINGS.depth_tolerance) ** 2) ** 2
        # the solid angle is in proportion to cosine / distance^2
        weight = agreement * (cosine[seen] / distance[seen]) ** 2
        self._total[seen] += weight[:, None] * np.stack(colours, axis=-1)
        self._weights[seen] += weight

    def colours(self) -> Float[np.ndarray, "vertices 3"]:
        """Return sRGB colours in [0, 1]; a vertex that no view sees has that of the nearest seen ones.

        Raises:
            InputError: no view sees the mesh.
        """
        known = self._weights > 0.0
        if not known.any():
            raise InputError("no camera of the capture sees the scene's mesh", "run `relightnerf geometry --force`")
        colours = self._total / np.where(known, self._weights, 1.0)[:, None]
        colours[~known] = _filled(self._vertices[~known], self._vertices[known], colours[known])
        return colours.clip(0.0, 1.0)


def _filled(
    points: Float[np.ndarray, "unseen 3"], seen: Float[np.ndarray, "seen 3"], colours: Float[np.ndarray, "seen 3"]
) -> Float[np.ndarray, "unseen 3"]:
    distance, nearest = Neighbours(seen).nearest(points, _SETTINGS.neighbours)
    weight = 1.0 / np.maximum(distance, 1e-12)
    return np.einsum("pn,pnc->pc", weight / weight.sum(axis=-1, keepdims=True), colours[nearest])
