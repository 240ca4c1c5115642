"""True geometry made as inexact as a fitted radiance field's."""

import copy
import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from relightnerf.geometry.mesh import depth_mesh
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View


@dataclass(frozen=True)
class FieldErrors:
    """How far geometry is off; sizes are parts of the picture's side (the root of its area).

    Chosen together, so that errors are those of a field (see ``field_like``): larger ones would make a relighter look
    worse than it is on captures, smaller ones better.
    """

    bumps: tuple[tuple[float, float], ...] = ((1 / 64, 0.0016), (1 / 32, 0.0028), (1 / 16, 0.0040), (1 / 8, 0.0056))
    """Standard deviation of each scale's smoothing, and of its log depth. Normals are off by about the quotient of the
    two: most at the finest scale (0.10), least at the largest (0.04)."""
    edge: float = 1 / 170
    """Standard deviation of the smoothing across edges: 1.3 pixels of 256x192, as fields round edges off."""
    behind: float = 1.015
    """Factor on the distance of the mesh that other photos would have seen. It has to lie behind the inexact one
    everywhere, or it would cast shadows onto it; further away, shadows would move away from what casts them."""
    hole: float = 1 / 24
    """Standard deviation of the smoothing of the noise that holes come from."""
    hole_level: float = 2.1
    """Noise of spread 1 beyond which there is a hole: 1.8 % of the picture."""


_FIELD_ERRORS = FieldErrors()


def field_like(
    view: View, rays: RayScene, rng: np.random.Generator, settings: FieldErrors = _FIELD_ERRORS
) -> tuple[View, RayScene]:
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
        settings: how far geometry is off.
    """
    known = view.depth > 0
    size = math.sqrt(known.size)
    logs = np.log(np.where(known, view.depth, 1.0))
    # a mean over the known alone: smoothed values over smoothed ones (normalised convolution)
    covered = ndimage.gaussian_filter(known.astype(np.float64), settings.edge * size)
    logs = ndimage.gaussian_filter(np.where(known, logs, 0.0), settings.edge * size) / np.maximum(covered, 1e-6)
    for scale, spread in settings.bumps:
        logs = logs + spread * _bumps(known.shape, scale * size, rng)
    known = known & (_bumps(known.shape, settings.hole * size, rng) < settings.hole_level)
    depth = np.where(known, np.exp(logs), 0.0).astype(np.float32)
    seen = replace(view, depth=depth, normal_camera=depth_normals(view.camera, depth))
    out_of_sight = copy.deepcopy(rays.mesh).scale(settings.behind, view.camera.position)
    return seen, RayScene(depth_mesh(view.camera, depth) + out_of_sight)


def _bumps(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> Float[np.ndarray, "height width"]:
    """Smooth noise with standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), sigma, mode="wrap")
    return noise / max(float(noise.std()), 1e-12)
