"""Light directions: angles, unit vectors, the two frames, and spherical harmonics.

python examples/01_light_directions.py --azimuth-deg 45 --elevation-deg 30 --output ball.png
"""

from pathlib import Path

import numpy as np
import torch
import tyro

from relightnerf.io.images import write_image
from relightnerf.lights import (
    angles_from_direction,
    direction_from_angles,
    gray_ball,
    sh_rotation,
    spherical_harmonics,
    turn_about,
)


def main(azimuth_deg: float = 45.0, elevation_deg: float = 30.0, output: Path | None = None) -> None:
    """Print a light in both frames and its spherical harmonics.

    Args:
        azimuth_deg: angle around up; 0 is +x in the world, and behind the camera in a camera's frame.
        elevation_deg: angle above the horizon.
        output: where to draw a gray ball under the light, taken as one of the camera's frame.
    """
    for frame in ("world", "camera"):
        direction = direction_from_angles(azimuth_deg, elevation_deg, frame)
        print(f"{frame:>6}: towards the light {np.round(direction, 3)}")
        assert np.allclose(angles_from_direction(direction, frame), (azimuth_deg, elevation_deg))

    light = torch.from_numpy(direction_from_angles(azimuth_deg, elevation_deg))
    harmonics = spherical_harmonics(light)  # 16 values: degrees 0 to 3
    print(f"degree 1 (y, z, x): {np.round(harmonics[1:4].numpy(), 3)}")

    quarter = torch.from_numpy(turn_about((0.0, 0.0, 1.0), 90.0))  # a light that turns is a linear map of the values
    turned = sh_rotation(quarter) @ harmonics
    assert torch.allclose(turned, spherical_harmonics(quarter @ light), atol=1e-6)

    if output is not None:
        write_image(output, gray_ball(direction_from_angles(azimuth_deg, elevation_deg, "camera"), 128))


if __name__ == "__main__":
    tyro.cli(main)
