"""The settings in the viewer's light panel, and the lighting that they give for a camera."""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from relightnerf.lights import (
    DirectionalLight,
    LightFrame,
    Lighting,
    angles_from_direction,
    direction_from_angles,
    turn_about,
)

Up = tuple[float, float, float]

PRESETS = {"left": (-80.0, 25.0), "right": (80.0, 25.0), "top": (0.0, 85.0), "back": (180.0, 35.0)}
"""Azimuth to the right of the camera, seen from above, and elevation above the world's horizon, in degrees."""


@dataclass(frozen=True)
class LightSettings:
    """A light as people set it.

    Attributes:
        uses_capture_light: show the capture's own light, whatever else is set.
        frame: of the directional lights' angles.
        directional: the first light, and the second where it is on.
        ambient: factor on the canonical ambient light.
        environment: an environment map as directional lights in the capture's world, not turned; None: none.
        environment_rotation_deg: turns it about up, counter-clockwise seen from above.
        environment_intensity: a factor on it.
    """

    uses_capture_light: bool = False
    frame: LightFrame = "world"
    directional: tuple[DirectionalLight, ...] = (DirectionalLight(),)
    ambient: float = 1.0
    environment: Lighting | None = field(default=None, compare=False)
    environment_rotation_deg: float = 0.0
    environment_intensity: float = 1.0

    def light_direction(self, index: int, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Float[np.ndarray, "3"]:
        """Return the unit vector towards a directional light in the capture's world, for a camera in it."""
        direction = self.directional[index].direction(self.frame, up)
        return camera_to_world[:3, :3] @ direction if self.frame == "camera" else direction

    def lighting(self, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Lighting | None:
        """Return the lighting for a camera in the capture's world; None is the capture's own light."""
        if self.uses_capture_light:
            return None
        directions = [self.light_direction(i, camera_to_world, up) for i in range(len(self.directional))]
        colors = [light.factors for light in self.directional]
        lit = [i for i, color in enumerate(colors) if color.any()]
        shape = (len(lit), 3)
        total = Lighting(
            directions=np.reshape([directions[i] for i in lit], shape),
            colors=np.reshape([colors[i] for i in lit], shape),
            ambient=np.full(3, self.ambient),
        )
        if self.environment is not None:
            total += self.environment.turned(turn_about(up, self.environment_rotation_deg)).scaled(
                self.environment_intensity
            )
        return total

    def with_light_towards(
        self, index: int, direction_world: Float[np.ndarray, "3"], camera_to_world: Float[np.ndarray, "4 4"], up: Up
    ) -> "LightSettings":
        """Return the settings with a light moved to a direction in the capture's world, for a camera in it."""
        local = camera_to_world[:3, :3].T @ direction_world if self.frame == "camera" else direction_world
        azimuth, elevation = angles_from_direction(local, self.frame, up)
        moved = replace(self.directional[index], azimuth_deg=azimuth, elevation_deg=elevation)
        return replace(self, directional=(*self.directional[:index], moved, *self.directional[index + 1 :]))

    def in_frame(self, frame: LightFrame, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> "LightSettings":
        """Return the same light, as a camera sees it, with its angles in another frame."""
        moved = replace(self, frame=frame)
        for i in range(len(self.directional)):
            moved = moved.with_light_towards(i, self.light_direction(i, camera_to_world, up), camera_to_world, up)
        return moved

    def turned(self, angle_deg: float) -> "LightSettings":
        """Return the settings with directional lights and environment map turned counter-clockwise."""
        lights = tuple(
            replace(light, azimuth_deg=_wrapped(light.azimuth_deg + angle_deg)) for light in self.directional
        )
        return replace(
            self, directional=lights, environment_rotation_deg=_wrapped(self.environment_rotation_deg + angle_deg)
        )


def preset_direction(name: str, camera_to_world: Float[np.ndarray, "4 4"], up: Up) -> Float[np.ndarray, "3"]:
    """Return the unit vector in the capture's world of a light that stands as ``PRESETS`` says around what is seen."""
    azimuth, elevation = PRESETS[name]
    heading, _ = angles_from_direction(camera_to_world[:3, 2], "world", up)
    return direction_from_angles(heading + azimuth, elevation, "world", up)


def _wrapped(angle_deg: float) -> float:
    return (angle_deg + 180.0) % 360.0 - 180.0
