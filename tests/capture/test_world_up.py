"""Up is found from level cameras, however they are tilted."""

import numpy as np
import pytest

from relightnerf.capture import estimate_up
from relightnerf.lights import rotation_between

UP = np.array([-0.85, 0.09, 0.52]) / np.linalg.norm([-0.85, 0.09, 0.52])


def _ring(elevation_deg: float, span_deg: float, roll_deg: float = 0.0) -> np.ndarray:
    """Level cameras around the origin, all as high above it, in a world whose up is ``UP``; with a random roll."""
    random = np.random.default_rng(0)
    poses = []
    for azimuth in np.radians(np.linspace(0, span_deg, 20, endpoint=False)):
        elevation = np.radians(elevation_deg)
        back = np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])
        right = np.cross([0, 0, 1], back) / np.cos(elevation)
        roll = np.radians(random.normal(0, roll_deg))
        up = np.cross(back, right)
        right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
        pose = np.eye(4)
        pose[:3] = np.stack([right, up, back, 3 * back], axis=1)
        pose[:3] = rotation_between(np.array([0.0, 0.0, 1.0]), UP) @ pose[:3]
        poses.append(pose)
    return np.stack(poses)


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@pytest.mark.parametrize("elevation_deg", [-20, 0, 30, 60])
@pytest.mark.parametrize("span_deg", [120, 360])
def test_up_of_a_ring(elevation_deg: float, span_deg: float) -> None:
    assert _degrees(estimate_up(_ring(elevation_deg, span_deg)), UP) < 3.0


def test_up_with_a_shaky_hand() -> None:
    assert _degrees(estimate_up(_ring(30, 360, roll_deg=8)), UP) < 5.0


def test_one_sideways_photo_changes_little() -> None:
    poses = _ring(30, 360)
    right, up = poses[3, :3, 0].copy(), poses[3, :3, 1].copy()
    poses[3, :3, 0], poses[3, :3, 1] = up, -right
    assert _degrees(estimate_up(poses), UP) < 3.0


def test_nearly_z_is_z() -> None:
    turn = np.eye(4)
    turn[:3, :3] = rotation_between(UP, np.array([0.05, 0.05, 1.0]) / np.linalg.norm([0.05, 0.05, 1.0]))
    assert estimate_up(turn @ _ring(20, 360)).tolist() == [0.0, 0.0, 1.0]
