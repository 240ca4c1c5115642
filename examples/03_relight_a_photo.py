"""Relight a single photo with depth; photo and depth are made here: a ball in front of a wall, lit from the left.

python examples/03_relight_a_photo.py --output relit.png --relighter shading
"""

from pathlib import Path

import numpy as np
import tyro

from relightnerf.cameras import Camera
from relightnerf.geometry.mesh import depth_mesh
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.images import write_image
from relightnerf.lights import direction_from_angles, gray_ball
from relightnerf.relighters import load_relighter

LIGHTS = {"photo": (-50.0, 30.0), "right": (60.0, 20.0), "above": (0.0, 75.0)}


def ball_before_wall(camera: Camera) -> np.ndarray:
    """Return the depth of a ball of radius 0.7 at z = -3 in front of a wall at z = -4."""
    rays, centre = camera.rays_camera(), np.array([0.0, 0.0, -3.0])
    a, b, c = (rays**2).sum(-1), rays @ centre, centre @ centre - 0.7**2
    root = b**2 - a * c
    return np.where(root > 0, (b - np.sqrt(np.maximum(root, 0.0))) / a, 4.0).astype(np.float32)


def main(output: Path, relighter: str = "compact", size: int = 96) -> None:
    """Write a sheet of the photo, and of the photo under two other lights.

    Args:
        output: picture to write.
        relighter: compact, shading, or a folder of a diffusion model.
        size: width and height of the photo in pixels.
    """
    camera = Camera("ball", np.eye(4), np.array([1.4 * size, 1.4 * size, size / 2, size / 2]), size, size)
    depth = ball_before_wall(camera)
    normal = depth_normals(camera, depth)
    directions = np.stack([direction_from_angles(*angles, "camera") for angles in LIGHTS.values()])
    shade = 0.2 + 0.6 * np.maximum(normal @ directions[0], 0.0)
    photo = linear_to_srgb(shade[..., None] * [0.8, 0.6, 0.4]).astype(np.float32)

    view, rays = View(camera, photo, depth, normal), RayScene(depth_mesh(camera, depth))
    model = load_relighter(relighter)
    model.fit([view], rays)  # estimates the light that the photo was taken in
    relit = model.relight(view, rays, directions[1:])
    balls = [gray_ball(direction, size // 4) for direction in directions]
    write_image(output, contact_sheet([*to_uint8(np.stack([photo, *relit]))], list(LIGHTS), 3, balls))


if __name__ == "__main__":
    tyro.cli(main)
