"""What a scene folder holds: its cameras, photos and depth, all in the capture's own world.

python examples/02_scene_and_cameras.py --scene scenes/demo
"""

from pathlib import Path

import numpy as np
import tyro

from relightnerf.geometry.views import SceneViews
from relightnerf.lights import angles_from_direction, reference_lights
from relightnerf.scene import Scene


def main(scene: Path, view: int = 0) -> None:
    """Print where the cameras are, what one of them sees, and where a light of its frame is in the world.

    Args:
        scene: scene folder, after `relightnerf geometry`.
        view: number of the view.
    """
    opened = Scene.load(scene)
    cameras = opened.cameras()
    print(f"{opened.name}: {len(cameras)} views of {opened.width}x{opened.height}, up is {opened.world_up}")
    for index in range(min(len(cameras), 3)):
        camera = cameras[index]
        print(
            f"  {camera.name}: at {np.round(camera.position, 2)}, looks along {-camera.camera_to_world[:3, 2].round(2)}"
        )

    seen = SceneViews(opened)[view]  # photo, depth along -z, normals; read when asked for
    points = seen.camera.points_world(seen.depth)[seen.known]
    low, high = np.quantile(points, [0.05, 0.95], axis=0).round(2)
    print(f"{seen.name}: {seen.known.mean():.0%} has depth; nine tenths of it between {low} and {high}")

    lights = reference_lights()  # in each camera's frame, so another world direction in every view
    direction = lights.directions_world(seen.camera.camera_to_world)[lights.names.index("dir_18")]
    azimuth_deg, elevation_deg = angles_from_direction(direction, world_up=opened.world_up)
    print(f"light dir_18, right of {seen.name}: azimuth {azimuth_deg:.0f}, elevation {elevation_deg:.0f} in the world")


if __name__ == "__main__":
    tyro.cli(main)
