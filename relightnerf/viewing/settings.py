"""What the viewer's light panel says, and the lighting that it means for a camera."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from relightnerf.lights import LightFrame, Lighting, angles_from_direction, direction_from_angles, turn_about

Up = tuple[float, float, float]

PRESETS = {"left": (-80.0, 25.0), "right": (80.0, 25.0), "top": (0.0, 85.0), "back": (180.0, 35.0)}
"""Azimuth to the right of the camera, seen from above, and elevation above the world's horizon, in degrees."""


@dataclass(frozen=True)
class Lamp:
    """A far light.

    Attributes:
        azimuth_deg: in the frame of the settings.
        elevation_deg: in the frame of the settings.
        color: linear factors per channel.
        intensity: a factor on the colour; 1 is the canonical light.
    """

    azimuth_deg: float = 45.0
    elevation_deg: float = 45.0
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    intensity: float = 1.0


@dataclass(frozen=True)
class LightSettings:
    """A light as people set it.

    Attributes:
        uses_capture_light: show the capture's own light, whatever else is set.
        frame: that the lamps' angles are in.
        lamps: the first, and the second where it is on.
        ambient: factor on the canonical ambient light.
        sky: an environment map as far lights in the capture's world, not turned; None: none.
        sky_rotation_deg: turns it about up, counter-clockwise seen from above.
        sky_intensity: a factor on it.
    """

    uses_capture_light: bool = False
    frame: LightFrame = "world"
    lamps: tuple[Lamp, ...] = (Lamp(),)
    ambient: float = 1.0
    sky: Lighting | None = field(default=None, compare=False)
    sky_rotation_deg: float = 0.0
    sky_intensity: float = 1.0

    def lamp_direction(self, index: int, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Float[np.ndarray, "3"]:
        """Return the unit vector towards a lamp in the capture's world, for a camera in it."""
        lamp = self.lamps[index]
        direction = direction_from_angles(lamp.azimuth_deg, lamp.elevation_deg, self.frame, up)
        return camera_to_world[:3, :3] @ direction if self.frame == "camera" else direction

    def lighting(self, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Lighting | None:
        """Return the lighting for a camera in the capture's world; None is the capture's own light."""
        if self.uses_capture_light:
            return None
        directions = [self.lamp_direction(i, camera_to_world, up) for i in range(len(self.lamps))]
        colors = [lamp.intensity * np.array(lamp.color) for lamp in self.lamps]
        lit = [i for i, color in enumerate(colors) if color.any()]
        shape = (len(lit), 3)
        total = Lighting(
            directions=np.reshape([directions[i] for i in lit], shape),
            colors=np.reshape([colors[i] for i in lit], shape),
            ambient=np.full(3, self.ambient),
        )
        if self.sky is not None:
            total += self.sky.turned(turn_about(up, self.sky_rotation_deg)).scaled(self.sky_intensity)
        return total

    def with_lamp_towards(
        self, index: int, direction_world: Float[np.ndarray, "3"], camera_to_world: Float[np.ndarray, "4 4"], up: Up
    ) -> "LightSettings":
        """Return the settings with a lamp moved to a direction in the capture's world, for a camera in it."""
        local = camera_to_world[:3, :3].T @ direction_world if self.frame == "camera" else direction_world
        azimuth, elevation = angles_from_direction(local, self.frame, up)
        moved = replace(self.lamps[index], azimuth_deg=azimuth, elevation_deg=elevation)
        return replace(self, lamps=(*self.lamps[:index], moved, *self.lamps[index + 1 :]))

    def in_frame(self, frame: LightFrame, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> "LightSettings":
        """Return the same light, as a camera sees it, with its angles in another frame."""
        moved = replace(self, frame=frame)
        for i in range(len(self.lamps)):
            moved = moved.with_lamp_towards(i, self.lamp_direction(i, camera_to_world, up), camera_to_world, up)
        return moved

    def turned(self, angle_deg: float) -> "LightSettings":
        """Return the settings with the lamps' azimuths, and the environment map, turned counter-clockwise."""
        lamps = tuple(replace(lamp, azimuth_deg=_wrapped(lamp.azimuth_deg + angle_deg)) for lamp in self.lamps)
        return replace(self, lamps=lamps, sky_rotation_deg=_wrapped(self.sky_rotation_deg + angle_deg))


def preset_direction(name: str, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Float[np.ndarray, "3"]:
    """Return the unit vector in the capture's world of a light that stands as ``PRESETS`` says around what is seen."""
    azimuth, elevation = PRESETS[name]
    heading, _ = angles_from_direction(camera_to_world[:3, 2], "world", up)
    return direction_from_angles(heading + azimuth, elevation, "world", up)


def _wrapped(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0
