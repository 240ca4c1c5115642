"""Light a fitted scene by an environment map that turns; without a map, one is made: a blue sky and a low sun.

python examples/05_environment_map.py --scene scenes/demo --output sky.png --envmap sky.exr
"""

from pathlib import Path

import numpy as np
import tyro

from relightnerf.field.loading import load_renderer
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.io.hdr import read_hdr
from relightnerf.io.images import write_image
from relightnerf.lights import environment_lighting
from relightnerf.scene import Scene


def made_sky(rows: int = 32) -> np.ndarray:
    """Return linear radiance (rows, 2 rows, 3): the top row is up, the middle column azimuth 0."""
    elevation = np.pi / 2 - (np.arange(rows) + 0.5) * np.pi / rows
    sky = np.where(elevation > 0, 0.3, 0.0)[:, None, None] * np.array([0.5, 0.7, 1.0])
    radiance = np.repeat(sky, 2 * rows, axis=1)
    radiance[rows // 2 - 4 : rows // 2 - 2, rows - 1 : rows + 1] += [60.0, 45.0, 25.0]
    return radiance


def main(scene: Path, output: Path, envmap: Path | None = None, samples: int = 32, turns: int = 4) -> None:
    """Write a sheet of one view while the map turns about up.

    Args:
        scene: scene folder with a fitted field.
        output: picture to write.
        envmap: an equirectangular map, .exr or .hdr.
        samples: directions that stand for the map.
        turns: pictures on the sheet, evenly over a whole turn.
    """
    opened = Scene.load(scene)
    radiance = made_sky() if envmap is None else read_hdr(envmap)
    renderer = load_renderer(opened)
    seen = renderer.features(opened.cameras()[0])
    pictures, labels = [], []
    for turn_deg in 360.0 * np.arange(turns) / turns:
        lighting = environment_lighting(radiance, samples, turn_deg, opened.world_up)
        pictures.append(to_uint8(renderer.relight(seen, lighting)))
        labels.append(f"{turn_deg:.0f} degrees, {len(lighting.directions)} lights")
    write_image(output, contact_sheet(pictures, labels, columns=turns))


if __name__ == "__main__":
    tyro.cli(main)
