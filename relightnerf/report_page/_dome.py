"""The lights of the page's explorer: spread over the upper half of the sphere, and the triangles between them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from relightnerf.cameras import Cameras
from relightnerf.lights import LightSet, direction_from_angles, rotation_between

RINGS = ((10.0, 14), (35.0, 11), (60.0, 6), (90.0, 1))
"""Elevation in degrees and number of lights of each ring: neighbours are 25 to 30 degrees apart."""


@dataclass(frozen=True)
class Dome:
    """Lights at infinity whose pictures are blended for every direction between them.

    Attributes:
        angles_deg: azimuth and elevation, as everywhere in the world's frame.
        directions: unit vectors in the dome's frame: z is the scene's up, x is azimuth 0.
        triangles: three lights each, that cover the dome above the lowest ring without overlap.
        dome_to_world: rotation.
    """

    angles_deg: Float[np.ndarray, "lights 2"]
    directions: Float[np.ndarray, "lights 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    dome_to_world: Float[np.ndarray, "3 3"]

    @classmethod
    def of(cls, world_up: tuple[float, float, float]) -> "Dome":
        """Return the dome above a scene; ``world_up`` is a unit vector."""
        from scipy.spatial import ConvexHull

        angles = np.array([(360.0 * i / count, elevation) for elevation, count in RINGS for i in range(count)])
        directions = np.array([direction_from_angles(azimuth, elevation) for azimuth, elevation in angles])
        hull = ConvexHull(directions)  # of points on a sphere: their Delaunay triangulation, and the ground below
        triangles = hull.simplices[hull.equations[:, 2] > 0.0].astype(np.int64)
        order = np.lexsort(np.sort(triangles).T[::-1])
        return cls(angles, directions, np.sort(triangles)[order], rotation_between(np.eye(3)[2], np.array(world_up)))

    def lights(self) -> LightSet:
        """Return the lights in the world's frame, named by their angles."""
        names = tuple(f"az{azimuth:.0f}_el{elevation:.0f}" for azimuth, elevation in self.angles_deg)
        return LightSet("world", names, self.directions @ self.dome_to_world.T)

    def far_from(self, lights: LightSet, cameras: Cameras, limit_deg: float) -> list[bool]:
        """Say of each light whether all of the given ones, in all views, are further away than ``limit_deg``."""
        given = np.concatenate([lights.directions_world(pose) for pose in cameras.camera_to_world])
        nearest = (self.lights().directions @ given.T).max(axis=1)
        return [bool(cosine < np.cos(np.radians(limit_deg))) for cosine in nearest]
