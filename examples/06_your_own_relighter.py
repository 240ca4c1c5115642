"""A relighter of one's own: here, Lambert without shadows. Its pictures go where `match` looks for them.

python examples/06_your_own_relighter.py --scene scenes/demo
relightnerf match --scene scenes/demo --relighter lambert
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tyro

from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import SceneViews, View
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_uint8
from relightnerf.io.images import write_image
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE, reference_lights, save_lights
from relightnerf.relighters import Relighter
from relightnerf.scene import Scene

TYPICAL = 0.4  # shading of a white surface in the photos


class Lambert:
    """Multiplies the photo by the new light's shading, over a typical one that the photo is taken to have."""

    name, parameters, inputs, report = "lambert", {}, (), None

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Nothing is learned here; `shading` and `compact` estimate the capture's light."""

    def relight(self, view: View, rays: RayScene, directions_world: np.ndarray) -> np.ndarray:
        """Return the view under each canonical light: (lights, height, width, 3) float32 sRGB in [0, 1]."""
        cosine = np.maximum(np.einsum("hwc,lc->lhw", view.normal_world, directions_world), 0.0)
        shading = np.where(view.known, IRRADIANCE / np.pi * cosine + AMBIENT_RADIANCE, TYPICAL)
        return linear_to_srgb(srgb_to_linear(view.image) * shading[..., None] / TYPICAL).astype(np.float32)


def main(scene: Path) -> None:
    """Relight every photo of a scene from the 18 directions of the reference method.

    Args:
        scene: scene folder, after `relightnerf geometry`.
    """
    opened, lights = Scene.load(scene), reference_lights()
    relighter: Relighter = Lambert()  # a type checker sees that nothing is missing
    views, rays, folder = SceneViews(opened), RayScene.load(opened.mesh_path), opened.relit(relighter.name)
    relighter.fit(views, rays)
    for view in views:
        relit = relighter.relight(view, rays, lights.directions_world(view.camera.camera_to_world))
        for name, picture in zip(lights.names, to_uint8(relit), strict=True):
            write_image(folder / f"{view.name}__{name}.png", picture)
    save_lights(folder / "lights.json", lights)  # last, as it says that the set is whole


if __name__ == "__main__":
    tyro.cli(main)
