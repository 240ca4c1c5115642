"""True geometry made as inexact as a fitted radiance field's."""

import copy
import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from relightnerf.geometry.mesh import depth_mesh
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View

_SCALES = ((1 / 64, 0.0016), (1 / 32, 0.0028), (1 / 16, 0.0040), (1 / 8, 0.0056))
"""Of the bumps: their size as a part of the picture's, and the standard deviation of log depth."""
_EDGE = 1 / 170
_BEHIND = 1.015
_HOLE, _HOLE_LEVEL = 1 / 24, 2.1


def field_like(view: View, rays: RayScene, rng: np.random.Generator) -> tuple[View, RayScene]:
    """Return a view and mesh whose geometry is off as a field's is that was fitted to photos.

    Depth is smoothed across edges, bumpy at several scales, and has holes; normals and mesh are that depth's own. How
    much was chosen after the field that `relightnerf geometry --preset quick` fits to the 30 photos of the demo capture
    (256x192 pixels). Median error of depth, and median and mean error of normals, mean over the views: field 0.28 %,
    4.5 and 12.2 degrees (it errs most at edges and far away); this 0.64 %, 5.9 and 12.2 degrees.

    What this view does not see, other photos of a capture do, and it casts shadows into what is seen: the mesh has the
    true one, too, moved away from the camera by 1.5 % of the distance, so that it lies behind what is seen.

    Args:
        view: with true depth.
        rays: the true mesh.
        rng: draws bumps and holes.
    """
    known = view.depth > 0
    size = math.sqrt(known.size)
    logs = np.log(np.where(known, view.depth, 1.0))
    covered = ndimage.gaussian_filter(known.astype(np.float64), _EDGE * size)
    logs = ndimage.gaussian_filter(np.where(known, logs, 0.0), _EDGE * size) / np.maximum(covered, 1e-6)
    for scale, spread in _SCALES:
        logs = logs + spread * _bumps(known.shape, scale * size, rng)
    known = known & (_bumps(known.shape, _HOLE * size, rng) < _HOLE_LEVEL)
    depth = np.where(known, np.exp(logs), 0.0).astype(np.float32)
    seen = replace(view, depth=depth, normal_camera=depth_normals(view.camera, depth))
    out_of_sight = copy.deepcopy(rays.mesh).scale(_BEHIND, view.camera.position)
    return seen, RayScene(depth_mesh(view.camera, depth) + out_of_sight)


def _bumps(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Float[np.ndarray, "height width"]:
    """Smooth noise with standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return noise / max(float(noise.std()), 1e-12)
