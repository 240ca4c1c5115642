"""What the depth network says about a view."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera


@dataclass(frozen=True)
class ViewEstimate:
    """What the network says about a view.

    Attributes:
        camera: at the size of the arrays.
        depth: along the camera's -z, world units, known everywhere.
        normal: unit, camera frame (OpenGL).
        scale: expected error of log depth.
        surface: probability that there is a surface, in [0, 1].
    """

    camera: Camera
    depth: Float[np.ndarray, "height width"]
    normal: Float[np.ndarray, "height width 3"]
    scale: Float[np.ndarray, "height width"]
    surface: Float[np.ndarray, "height width"]
