"""The field under one light, rendered from a capture's cameras for exports."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras
from relightnerf.lights import Lighting
from relightnerf.progress import track

if TYPE_CHECKING:
    from relightnerf.field.renderer import FieldRenderer

OneLight = Lighting | Float[np.ndarray, "3"] | None
"""Any lighting, a unit vector towards one canonical light in the capture's world, or None, the capture's own."""


@dataclass(frozen=True)
class LitView:
    """A picture of the field, and where in the world its pixels are.

    Attributes:
        camera: the camera.
        picture: sRGB in [0, 1].
        depth: along the camera's -z in world units, known everywhere.
    """

    camera: Camera
    picture: Float[np.ndarray, "height width 3"]
    depth: Float[np.ndarray, "height width"]


def lit_views(field: "FieldRenderer", cameras: Cameras, light: OneLight) -> Iterator[LitView]:
    """Render the field from each camera under one light, one at a time.

    Args:
        field: to be seen.
        cameras: in the capture's world.
        light: any lighting, a direction, or None for the capture's own light.
    """
    for camera in track(cameras, "looking at the field"):
        seen = field.features(camera)
        away = field.points_world(seen) - camera.position
        depth = -(away @ camera.camera_to_world[:3, 2]).reshape(camera.height, camera.width)
        yield LitView(camera, field.relight(seen, light).astype(np.float64), depth)
