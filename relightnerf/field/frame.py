"""The field's own frame: z up, centred on what the photos look at, and scaled to it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Cameras
from relightnerf.field.settings import FRAME
from relightnerf.lights import rotation_between


@dataclass(frozen=True)
class FieldFrame:
    """The similarity from the capture's world to the field's frame: ``scale * rotation @ (point - center)``.

    Attributes:
        rotation: turns the capture's up to +z.
        center: what the photos look at, in the capture's world.
        scale: field units per world unit; the inner cube of the field is [-1, 1]^3.
    """

    rotation: Float[np.ndarray, "3 3"]
    center: Float[np.ndarray, "3"]
    scale: float

    @classmethod
    def from_capture(
        cls, cameras: Cameras, world_up: tuple[float, float, float], points: Float[np.ndarray, "points 3"] | None
    ) -> "FieldFrame":
        """Choose the frame from the cameras and, where there are any, the sparse points that they see (world)."""
        # At a typical distance the cameras are 1 / inner_share from the origin, in field units,
        # and the cube [-1, 1]^3 is inside.
        focus, distance = _focus(cameras, points)
        rotation = rotation_between(np.array(world_up), np.array([0.0, 0.0, 1.0]))
        return cls(rotation, focus, 1.0 / (FRAME.inner_share * distance))

    def transform(self) -> Float[np.ndarray, "3 4"]:
        """Return the rigid part as nerfstudio's ``dataparser_transform`` (the scale is applied after it)."""
        return np.hstack([self.rotation, -self.rotation @ self.center[:, None]])

    def poses(self, camera_to_world: Float[np.ndarray, "*cameras 4 4"]) -> Float[np.ndarray, "*cameras 4 4"]:
        """Bring camera-to-world matrices from the capture's world into the field's frame."""
        # Only the positions are scaled: a camera's axes stay orthonormal. Rows are vectors: v R^T is R v.
        poses = camera_to_world.copy()
        poses[..., :3, :3] = self.rotation @ camera_to_world[..., :3, :3]
        poses[..., :3, 3] = self.scale * (camera_to_world[..., :3, 3] - self.center) @ self.rotation.T
        return poses

    def points(self, points_world: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Bring points from the capture's world into the field's frame."""
        return self.scale * (points_world - self.center) @ self.rotation.T

    def points_world(self, points: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Bring points from the field's frame back into the capture's world."""
        # The inverse, R^T p / s + c; as a row, R^T p is p R.
        return points / self.scale @ self.rotation + self.center

    def world_poses(self, camera_to_field: Float[np.ndarray, "*cameras 4 4"]) -> Float[np.ndarray, "*cameras 4 4"]:
        """Undo ``poses``: bring them from the field's frame into the capture's world."""
        poses = camera_to_field.copy()
        poses[..., :3, :3] = self.rotation.T @ camera_to_field[..., :3, :3]
        poses[..., :3, 3] = self.points_world(camera_to_field[..., :3, 3])
        return poses

    @property
    def world_up(self) -> tuple[float, float, float]:
        """The capture's up, in its own world."""
        # R up = z, so up = R^T z: the third row of R.
        x, y, z = self.rotation[2].tolist()
        return x, y, z

    def directions(self, directions_world: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Turn directions from the capture's world into the field's frame."""
        return directions_world @ self.rotation.T


def _focus(cameras: Cameras, points: Float[np.ndarray, "points 3"] | None) -> tuple[np.ndarray, float]:
    """Return what the photos look at, and how far they are from it: medians, so that stray cameras do not count."""
    # Cameras look along their -z (OpenGL).
    positions, forward = cameras.camera_to_world[:, :3, 3], -cameras.camera_to_world[:, :3, 2]
    depths = _central_depths(cameras, points) if points is not None and len(points) else None
    if depths is None:
        meeting = _nearest_point(positions, forward)
        # Each camera's distance, along its axis, to the place where the axes nearly meet.
        depths = np.einsum("nk,nk->n", meeting - positions, forward)
        # Parallel axes meet anywhere, even behind the cameras: keep the depth above 0.
        depths = np.full(len(positions), max(float(np.median(depths)), 1e-3 * float(np.ptp(positions)) + 1e-6))
    focus = np.median(positions + forward * depths[:, None], axis=0)
    return focus, float(np.median(np.linalg.norm(positions - focus, axis=-1)))


def _central_depths(cameras: Cameras, points: Float[np.ndarray, "points 3"]) -> np.ndarray | None:
    """Return each camera's median depth of the points in the middle of its picture; None where too few see any."""
    depths = []
    for pose, (fx, fy, _, _) in zip(cameras.camera_to_world, cameras.intrinsics, strict=True):
        # R^T (p - c), in the camera's frame.
        local = (points - pose[:3, 3]) @ pose[:3, :3]
        depth = -local[:, 2]
        front = depth > 1e-6  # noqa: PLR2004
        # Offsets from the principal point, as shares of the picture's width and height.
        x, y = local[front, 0] / depth[front] * fx / cameras.width, local[front, 1] / depth[front] * fy / cameras.height
        central = depth[front][(np.abs(x) < FRAME.central_part) & (np.abs(y) < FRAME.central_part)]
        depths.append(np.median(central) if len(central) else np.nan)
    if np.isnan(depths).mean() > FRAME.blind_share:
        return None
    # A camera that sees no points counts as typical.
    return np.where(np.isnan(depths), np.nanmedian(depths), depths)


def _nearest_point(positions: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Return the point with the least sum of squared distances to lines: sum (I - d d^T) (x - p) = 0, solved for x."""
    # I - d d^T is the projection across a line. Least squares also serve parallel lines, for which the sum is singular.
    across = np.eye(3) - directions[:, :, None] * directions[:, None, :]
    return np.linalg.lstsq(across.sum(axis=0), np.einsum("nij,nj->i", across, positions), rcond=None)[0]
