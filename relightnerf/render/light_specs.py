"""Lights given by angles, which can be turned, and their movement during a video."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError
from relightnerf.io.hdr import read_hdr
from relightnerf.lights import (
    DirectionalLight,
    LightFrame,
    Lighting,
    LightSet,
    angles_from_direction,
    environment_lighting,
    turn_about,
)
from relightnerf.lights.paths import Blend, between, circle, over_the_top, swing
from relightnerf.render.frames import Light
from relightnerf.render.request import LightPath, LightRequest, parse_light, parse_point

CAPTURE_LABEL = "capture's light"
"""What is written on pictures under the light of the photos."""


@dataclass(frozen=True)
class LightSpec:
    """Everything that lights a picture at once; directional lights and environment can be turned about up.

    Attributes:
        name: fit for a file name.
        directional: directional lights.
        frame: of their angles.
        world_up: unit vector.
        points: point lights, in the capture's world.
        environment: the lights that stand for an environment map, in the capture's world.
        intensity: factor on all.
        title: what to write on pictures under it; the angles of a single directional light, or the name, if empty.
    """

    name: str
    directional: tuple[DirectionalLight, ...]
    frame: LightFrame
    world_up: tuple[float, float, float]
    points: Lighting = field(default_factory=Lighting)
    environment: Lighting = field(default_factory=Lighting)
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
            turn_deg: how far the directional lights and the environment are turned, counter-clockwise seen from above
                (in the camera frame, to the right).
            elevation_deg: of the directional lights in place of their own; beyond 90 it is on the other side of the
                zenith.
        """
        total = self.points + self.environment.turned(turn_about(self.world_up, turn_deg))
        for light in self.directional:
            elevation = light.elevation_deg if elevation_deg is None else elevation_deg
            moved = replace(light, azimuth_deg=light.azimuth_deg + turn_deg, elevation_deg=elevation)
            total += Lighting.directional(self._direction(camera, moved), light.factors)
        return total.scaled(self.intensity)

    def _direction(self, camera: Camera, light: DirectionalLight) -> Float[np.ndarray, "3"]:
        direction = light.direction(self.frame, self.world_up)
        return LightSet(self.frame, ("",), direction[None]).directions_world(camera.camera_to_world)[0]


def light_spec(request: LightRequest, world_up: tuple[float, float, float]) -> LightSpec:
    """Return all lights of a request together, for a scene whose up is ``world_up``.

    Raises:
        InputError: a light or the map cannot be used.
    """
    directional = [parse_light(text) for text in request.light]
    points = [parse_point(text) for text in request.point]
    parts = [f"az{azimuth:g}_el{elevation:g}" for (azimuth, elevation), _ in directional]
    parts += ["point_" + "_".join(f"{value:g}" for value in position) for position, _ in points]
    environment, file = Lighting(), request.envmap
    if file is not None:
        environment = environment_lighting(read_hdr(file), request.samples, request.rotation, world_up)
        parts.append(f"{file.stem}_{request.rotation:g}" if request.rotation else file.stem)
    return LightSpec(
        "+".join(parts),
        tuple(DirectionalLight(*angles, tuple(color)) for angles, color in directional),
        request.light_frame,
        world_up,
        sum((Lighting.point(*light) for light in points), Lighting()),
        environment,
        request.intensity,
    )


def separate_specs(request: LightRequest, world_up: tuple[float, float, float]) -> list[LightSpec]:
    """Return each directional light, point light and map of a request by itself; raises as ``light_spec``."""
    none = replace(request, light=(), point=(), envmap=None)
    parts = [replace(none, light=(text,)) for text in request.light]
    parts += [replace(none, point=(text,)) for text in request.point]
    parts += [replace(none, envmap=request.envmap)] if request.envmap else []
    return [light_spec(part, world_up) for part in parts]


def light_specs(lights: LightSet, world_up: tuple[float, float, float]) -> list[LightSpec]:
    """Return the lights of a set, each by itself."""
    angles = [angles_from_direction(direction, lights.frame, world_up) for direction in lights.directions]
    return [
        LightSpec(name, (DirectionalLight(*pair),), lights.frame, world_up, title=name)
        for name, pair in zip(lights.names, angles, strict=True)
    ]


def moved(spec: LightSpec, path: LightPath, cameras: Cameras) -> Sequence[Light]:
    """Return the lighting of each frame of a video.

    Args:
        spec: the light where it starts.
        path: ``stand``; ``circle``: what can be turned turns once around; ``swing``: it turns to one side, to the
            other, and back; ``arc``: a single directional light goes over the zenith to the other side, the first of
            two to the second.
        cameras: one a frame.

    Raises:
        InputError: an arc of no directional light, or of more than two.
    """
    if path == "arc":
        return _arc(spec, cameras)
    turns = np.zeros(len(cameras)) if path == "stand" else (circle if path == "circle" else swing)(len(cameras))
    return [spec.at(camera, float(turn)) for camera, turn in zip(cameras, turns, strict=True)]


def _arc(spec: LightSpec, cameras: Cameras) -> Sequence[Light]:
    if len(spec.directional) == 1:
        elevations = over_the_top(spec.directional[0].elevation_deg, len(cameras))
        return [spec.at(camera, 0.0, float(e)) for camera, e in zip(cameras, elevations, strict=True)]
    if len(spec.directional) != 2:
        raise InputError(
            f"--light-path arc: {len(spec.directional)} directional lights", "give --light once, or twice for both ends"
        )
    start, end = (replace(spec, directional=(light,)) for light in spec.directional)
    result = []
    for camera, share in zip(cameras, np.linspace(0.0, 1.0, len(cameras)), strict=True):
        up = spec.world_up if spec.frame == "world" else tuple(camera.camera_to_world[:3, 1])
        result.append(between(start.at(camera), end.at(camera), float(share), up))
    return result


def light_label(light: Light, camera: Camera, world_up: tuple[float, float, float], frame: LightFrame = "world") -> str:
    """Return what to write on a picture: the angles of a single directional light, else how many lights there are.

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
        return "a point light" if count == 1 else f"{count} lights"
    direction = light.directions[0]
    turned = direction if frame == "world" else direction @ camera.camera_to_world[:3, :3]
    azimuth, elevation = (round(angle) for angle in angles_from_direction(turned, frame, world_up))
    return f"az {azimuth % 360}° el {elevation}°"
