"""A directional light, given by angles, colour and intensity."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from relightnerf.lights._directions import LightFrame, direction_from_angles


@dataclass(frozen=True)
class DirectionalLight:
    """A light at infinity.

    Attributes:
        azimuth_deg: in a frame that goes with the light.
        elevation_deg: in the same frame, from -90 to 90.
        color: linear factors on the canonical light, per channel.
        intensity: a factor on the colour.
    """

    azimuth_deg: float = 45.0
    elevation_deg: float = 45.0
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    intensity: float = 1.0

    @property
    def factors(self) -> Float[np.ndarray, "3"]:
        """Colour times intensity."""
        return self.intensity * np.array(self.color)

    def direction(self, frame: LightFrame, world_up: tuple[float, float, float]) -> Float[np.ndarray, "3"]:
        """Return the unit vector towards the light, in the frame that its angles are in (``direction_from_angles``)."""
        return direction_from_angles(self.azimuth_deg, self.elevation_deg, frame, world_up)
