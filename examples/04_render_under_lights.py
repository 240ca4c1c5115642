"""Render a fitted scene under one light, another, and both: light adds.

python examples/04_render_under_lights.py --scene scenes/demo --output lights
"""

from pathlib import Path

import numpy as np
import tyro

from relightnerf.field.loading import load_renderer
from relightnerf.imaging.color import srgb_to_linear, to_uint8
from relightnerf.io.images import write_image
from relightnerf.lights import Lighting, direction_from_angles
from relightnerf.scene import Scene


def main(scene: Path, output: Path, view: int = 0) -> None:
    """Write the scene under the capture's light, under two others, and under both of these together.

    Args:
        scene: scene folder with a fitted field.
        output: folder for the pictures.
        view: number of the camera.
    """
    opened = Scene.load(scene)
    renderer = load_renderer(opened)
    seen = renderer.features(opened.cameras()[view])  # one pass through the field; any number of lights follow

    def far(azimuth_deg: float, elevation_deg: float, color: float | np.ndarray) -> Lighting:
        return Lighting.directional(direction_from_angles(azimuth_deg, elevation_deg, "world", opened.world_up), color)

    warm, cool = far(30.0, 40.0, np.array([0.5, 0.35, 0.2])), far(210.0, 25.0, np.array([0.1, 0.2, 0.4]))
    pictures = {
        "capture": renderer.relight(seen),
        "warm": renderer.relight(seen, warm),
        "cool": renderer.relight(seen, cool),
        "both": renderer.relight(seen, warm + cool),
    }
    for name, picture in pictures.items():
        write_image(output / f"{name}.png", to_uint8(picture))

    total = srgb_to_linear(pictures["warm"]) + srgb_to_linear(pictures["cool"])
    both = srgb_to_linear(pictures["both"])
    inside = (total < 0.99) & (pictures["warm"] < 0.99) & (pictures["cool"] < 0.99)  # what is clipped does not add
    print(f"both differs from the sum by at most {np.abs(both - total)[inside].max():.1e}")


if __name__ == "__main__":
    tyro.cli(main)
