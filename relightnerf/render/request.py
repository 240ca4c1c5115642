"""Requests to the renderer, as commands, examples and tests make them; imports nothing heavy."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

LightPath = Literal["stand", "circle", "swing", "arc"]
LIGHT_PATHS: dict[str, LightPath] = {
    "stand": "stand",
    "circle": "circle",
    "sweep": "circle",
    "swing": "swing",
    "arc": "arc",
}
"""Light paths that need no file, by the names that people may give them."""

Layout = Literal["single", "compare", "photo", "grid"]
"""single: one panel a file; compare: the capture's own light at its left; photo: the photo at its left; grid: all
panels of a camera in one file."""

SECONDS, FPS = 5.0, 24
"""Length and rate of a video where nothing else is said."""

_RIGHT_ANGLE = 90.0
"""Elevations are within it, degrees."""


@dataclass(frozen=True)
class LightRequest:
    """Lights as people write them.

    Attributes:
        light: directional lights, each as ``parse_light`` reads it.
        light_frame: of their angles.
        point: point lights, each as ``parse_point`` reads it.
        envmap: an environment map, .exr or .hdr, equirectangular.
        rotation: degrees by which the map is turned about up, counter-clockwise seen from above.
        samples: directional lights that stand for the map.
        intensity: factor on all.
    """

    light: tuple[str, ...] = ()
    light_frame: Literal["world", "camera"] = "world"
    point: tuple[str, ...] = ()
    envmap: Path | None = None
    rotation: float = 0.0
    samples: int = 64
    intensity: float = 1.0

    def __bool__(self) -> bool:
        """Say whether any light is asked for."""
        return bool(self.light or self.point or self.envmap)

    def check(self) -> None:
        """Raise ``InputError`` for what is wrong by itself."""
        for text in self.light:
            parse_light(text)
        for text in self.point:
            parse_point(text)
        if self.samples < 1 or not (math.isfinite(self.intensity) and self.intensity > 0.0):
            raise InputError(f"--samples {self.samples}, --intensity {self.intensity}: not above 0", "give more")


@dataclass(frozen=True)
class RenderRequest:
    """Which cameras, lights and layout to render; ``Storyboard`` turns it into frames.

    Attributes:
        light: lights that are on together; with the layout ``grid``, each in a panel of its own.
        cameras: file of the pictures' cameras; None: those of the photos.
        lights: a ``lights.json`` in place of ``light``.
        capture_light: add the capture's own light to ``lights``.
        path: of a video's camera, see ``path_cameras``; None for pictures.
        light_path: how a video's light moves: a key of ``LIGHT_PATHS``, or a file of lights or keyframes.
        seconds: length of a video; None: what keyframes say, or ``SECONDS``.
        fps: frames a second; None: what a camera path saved by nerfstudio's viewer says, or ``FPS``.
        layout: which panels stand beside each other.
        width: of each panel, pixels; None: as the cameras have it.
        height: of each panel, pixels; None: as the cameras have it.
    """

    light: LightRequest = field(default_factory=LightRequest)
    cameras: Path | None = None
    lights: Path | None = None
    capture_light: bool = False
    path: str | None = None
    light_path: str = "stand"
    seconds: float | None = None
    fps: int | None = None
    layout: Layout = "single"
    width: int | None = None
    height: int | None = None


def parse_light(text: str) -> tuple[tuple[float, float], "np.ndarray"]:
    """Read "AZIMUTH,ELEVATION" in degrees, and factors on the light: none, an intensity, or R,G,B.

    Returns:
        The angles, and the light's colour (3,).

    Raises:
        InputError: something else, an elevation beyond the zenith, or a negative factor.
    """
    (azimuth, elevation), color = _numbers("--light", text, 2, "an azimuth and an elevation", "45,30")
    if abs(elevation) > _RIGHT_ANGLE:
        raise InputError(f"--light {text}: not an azimuth and an elevation from -90 to 90", "give degrees, e.g. 45,30")
    return (azimuth, elevation), color


def parse_point(text: str) -> tuple["np.ndarray", "np.ndarray"]:
    """Read "X,Y,Z" in world units, and factors on the light: none, an intensity, or R,G,B.

    Returns:
        The position (3,), and the light's colour (3,).

    Raises:
        InputError: something else, or a negative factor.
    """
    import numpy as np

    position, color = _numbers("--point", text, 3, "a position", "0.5,0,1.5")
    return np.array(position), color


def _numbers(flag: str, text: str, count: int, meaning: str, example: str) -> tuple[list[float], "np.ndarray"]:
    import numpy as np

    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    factors = numbers[count:] or [1.0]
    if len(numbers) < count or len(factors) not in (1, 3) or not np.isfinite(numbers).all() or min(factors) < 0.0:
        what = f"{flag} {text}: not {meaning}, then an intensity or R,G,B if any"
        raise InputError(what, f"give e.g. {example} or {example},0.5")
    return numbers[:count], np.broadcast_to(np.array(factors), 3).copy()
