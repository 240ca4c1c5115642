"""Lights as people ask for them, by angles that can be turned, and what becomes of them during a video."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError
from relightnerf.light_paths import Blend, between, circle, over_the_top, swing
from relightnerf.lights import Lighting, LightSet, angles_from_direction, direction_from_angles, turn_about
from relightnerf.shots import Light

LightFrame = Literal["world", "camera"]
LightPath = Literal["stand", "circle", "swing", "arc"]
CAPTURE_LABEL = "capture's light"
"""What is written on pictures under the light of the photos."""


@dataclass(frozen=True)
class FarLight:
    """A far light as it is given.

    Attributes:
        azimuth_deg: in the frame of its ``AskedLight``.
        elevation_deg: from -90 to 90.
        color: factors on the canonical light.
    """

    azimuth_deg: float
    elevation_deg: float
    color: Float[np.ndarray, "3"]


@dataclass(frozen=True)
class AskedLight:
    """Everything that lights a picture at once; far lights and map can be turned about up.

    Attributes:
        name: fit for a file name.
        far: far lights.
        frame: of the far lights' angles.
        world_up: unit vector.
        lamps: near lights, in the capture's world.
        sky: the environment map's lights, in the capture's world.
        intensity: factor on all.
        title: what to write on pictures under it; the angles of a single far light, or the name, if empty.
    """

    name: str
    far: tuple[FarLight, ...]
    frame: LightFrame
    world_up: tuple[float, float, float]
    lamps: Lighting = field(default_factory=Lighting)
    sky: Lighting = field(default_factory=Lighting)
    intensity: float = 1.0
    title: str = ""

    def label(self, light: Light, camera: Camera) -> str:
        """Return what to write on a picture under ``light``, which this light has become."""
        if self.title or not (isinstance(light, Lighting) and len(light.directions) + len(light.positions) == 1):
            return self.title or self.name
        return light_label(light, camera, self.world_up, self.frame)

    def at(self, camera: Camera, turn_deg: float = 0.0, elevation_deg: float | None = None) -> Lighting:
        """Return the lighting for a camera.

        Args:
            camera: whose frame counts where ``frame`` says so.
            turn_deg: how far the far lights and the map are turned, counter-clockwise seen from above (in the camera
                frame, to the right).
            elevation_deg: of the far lights in place of their own; beyond 90 it is on the other side of the zenith.
        """
        total = self.lamps + self.sky.turned(turn_about(self.world_up, turn_deg))
        for light in self.far:
            elevation = light.elevation_deg if elevation_deg is None else elevation_deg
            total += Lighting.far(self._direction(camera, light.azimuth_deg + turn_deg, elevation), light.color)
        return total.scaled(self.intensity)

    def _direction(self, camera: Camera, azimuth_deg: float, elevation_deg: float) -> Float[np.ndarray, "3"]:
        direction = direction_from_angles(azimuth_deg, elevation_deg, self.frame, self.world_up)
        return LightSet(self.frame, ("",), direction[None]).directions_world(camera.camera_to_world)[0]


def asked_lights(lights: LightSet, world_up: tuple[float, float, float]) -> list[AskedLight]:
    """Return the lights of a set, each by itself."""
    angles = [angles_from_direction(direction, lights.frame, world_up) for direction in lights.directions]
    return [
        AskedLight(name, (FarLight(*pair, np.ones(3)),), lights.frame, world_up, title=name)
        for name, pair in zip(lights.names, angles, strict=True)
    ]


def moved(asked: AskedLight, path: LightPath, cameras: Cameras) -> Sequence[Light]:
    """Return the lighting of each frame of a video.

    Args:
        asked: the light where it starts.
        path: ``stand``; ``circle``: what can be turned turns once around; ``swing``: it turns to one side, to the
            other, and back; ``arc``: a single far light goes over the zenith to the other side, the first of two to
            the second.
        cameras: one a frame.

    Raises:
        InputError: an arc of no far light, or of more than two.
    """
    frames = [cameras[i] for i in range(len(cameras))]
    if path == "arc":
        return _arc(asked, frames)
    turns = np.zeros(len(frames)) if path == "stand" else (circle if path == "circle" else swing)(len(frames))
    return [asked.at(camera, float(turn)) for camera, turn in zip(frames, turns, strict=True)]


def _arc(asked: AskedLight, cameras: list[Camera]) -> Sequence[Light]:
    if len(asked.far) == 1:
        elevations = over_the_top(asked.far[0].elevation_deg, len(cameras))
        return [asked.at(camera, 0.0, float(e)) for camera, e in zip(cameras, elevations, strict=True)]
    if len(asked.far) != 2:
        raise InputError(f"--light-path arc: {len(asked.far)} far lights", "give --light once, or twice for both ends")
    start, end = (replace(asked, far=(light,)) for light in asked.far)
    result = []
    for camera, share in zip(cameras, np.linspace(0.0, 1.0, len(cameras)), strict=True):
        up = asked.world_up if asked.frame == "world" else tuple(camera.camera_to_world[:3, 1])
        result.append(between(start.at(camera), end.at(camera), float(share), up))
    return result


def light_label(light: Light, camera: Camera, world_up: tuple[float, float, float], frame: LightFrame = "world") -> str:
    """Return what to write on a picture: the angles of its light if that is a single far one, else how many there are.

    Args:
        light: of the picture.
        camera: of the picture.
        world_up: unit vector.
        frame: of the angles.
    """
    if isinstance(light, Blend) and light.capture < 0.5:
        light = light.others
    if not isinstance(light, Lighting):
        return CAPTURE_LABEL
    count = len(light.directions) + len(light.positions)
    if count != 1 or len(light.directions) == 0:
        return "a lamp" if count == 1 else f"{count} lights"
    direction = light.directions[0]
    turned = direction if frame == "world" else direction @ camera.camera_to_world[:3, :3]
    azimuth, elevation = (round(angle) for angle in angles_from_direction(turned, frame, world_up))
    return f"az {azimuth % 360}° el {elevation}°"
