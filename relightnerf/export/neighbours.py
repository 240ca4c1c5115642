"""Nearest points.

By Open3D, as SciPy's tree crashes where torch flushes denormal numbers to zero, which fields do for their speed: it
steps from 0 to the next number, which is one of these.
"""

import numpy as np
from jaxtyping import Float, Int


class Neighbours:
    """Points that can be asked which of them are nearest to others.

    Args:
        points: at least one.
    """

    def __init__(self, points: Float[np.ndarray, "points 3"]) -> None:
        import open3d as o3d

        self._count = len(points)
        self._search = o3d.core.nns.NearestNeighborSearch(o3d.core.Tensor(np.ascontiguousarray(points, np.float64)))
        self._search.knn_index()

    def nearest(
        self, queries: Float[np.ndarray, "queries 3"], count: int
    ) -> tuple[Float[np.ndarray, "queries count"], Int[np.ndarray, "queries count"]]:
        """Return the distances to the nearest points, closest first, and their indices; fewer where there are fewer."""
        import open3d as o3d

        count = min(count, self._count)
        if not len(queries):
            return np.zeros((0, count)), np.zeros((0, count), np.int64)
        found = self._search.knn_search(o3d.core.Tensor(np.ascontiguousarray(queries, np.float64)), count)
        index, squared = (values.numpy().reshape(len(queries), count) for values in found)
        return np.sqrt(squared), index.astype(np.int64)
