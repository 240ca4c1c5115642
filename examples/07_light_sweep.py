"""A video in which the light turns once around a standing camera.

python examples/07_light_sweep.py --scene scenes/demo --output sweep.mp4
"""

from pathlib import Path

import numpy as np
import tyro

from relightnerf.cameras.paths import standing
from relightnerf.lights import direction_from_angles
from relightnerf.render.frames import lit_frames
from relightnerf.render.scene_renderer import SceneRenderer
from relightnerf.scene import Scene


def main(scene: Path, output: Path, elevation_deg: float = 35.0, frames: int = 60, fps: int = 24) -> None:
    """Write the video; stopped half way, the same command goes on.

    Args:
        scene: scene folder with a fitted field.
        output: .mp4 or .gif to write.
        elevation_deg: height of the light above the horizon.
        frames: of the video.
        fps: frames a second.
    """
    opened = Scene.load(scene)
    cameras = standing(opened.cameras(), opened.world_up, frames)
    azimuths_deg = 360.0 * np.arange(frames) / frames
    lights = [direction_from_angles(azimuth, elevation_deg, "world", opened.world_up) for azimuth in azimuths_deg]
    SceneRenderer(opened).video(lit_frames(cameras, lights), output, fps)


if __name__ == "__main__":
    tyro.cli(main)
