"""The flags that say what lights a scene: far and near lights, and an environment map."""

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from relightnerf.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from relightnerf.asked_lights import AskedLight
    from relightnerf.cameras import Camera
    from relightnerf.lights import Lighting
    from relightnerf.scene import Scene

_RIGHT_ANGLE = 90.0


@dataclass
class LightFlags:
    """A scene, and what lights it."""

    scene: Path
    """Scene folder."""
    _: KW_ONLY
    light: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A far light as AZIMUTH,ELEVATION in degrees, e.g. 45,30, then its intensity or R,G,B factors if not 1, e.g.
    45,30,0.5 or 45,30,1,0.6,0.3. Give it several times for several lights at once."""
    light_frame: Literal["world", "camera"] = "world"
    """world: azimuth from +x counter-clockwise seen from above; camera: azimuth from behind the camera to the right."""
    point: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A near light as X,Y,Z in the capture's world, then its intensity or R,G,B factors; may be given several times."""
    envmap: Path | None = None
    """An environment map (.exr or .hdr, equirectangular); its middle column is azimuth 0."""
    rotation: float = 0.0
    """Degrees by which the environment map is turned about up, counter-clockwise seen from above."""
    samples: int = 64
    """Directions that stand for the environment map, more where it is brighter."""
    intensity: float = 1.0
    """Factor on all of --light, --point and --envmap."""

    def _check_lights(self) -> None:
        """Raise ``InputError`` for flags that are wrong by themselves."""
        for text in self.light:
            parse_light(text)
        for text in self.point:
            parse_point(text)
        if self.samples < 1 or not (math.isfinite(self.intensity) and self.intensity > 0.0):
            raise InputError(f"--samples {self.samples}, --intensity {self.intensity}: not above 0", "give more")

    def _is_lit(self) -> bool:
        return bool(self.light or self.point or self.envmap)

    def _lighting(self, scene: "Scene") -> "Callable[[Camera, float], Lighting]":
        """Return what gives the lighting for a camera, the lights of --light and --envmap turned by some degrees."""
        return self._asked_light(scene).at

    def _asked_light(self, scene: "Scene") -> "AskedLight":
        """Return all that the flags ask for as one light."""
        from relightnerf.asked_lights import AskedLight, FarLight
        from relightnerf.hdr import read_hdr
        from relightnerf.lights import Lighting, environment_lighting

        far, near = [parse_light(text) for text in self.light], [parse_point(text) for text in self.point]
        parts = [f"az{azimuth:g}_el{elevation:g}" for (azimuth, elevation), _ in far]
        parts += ["point_" + "_".join(f"{value:g}" for value in position) for position, _ in near]
        sky = Lighting()
        if self.envmap is not None:
            sky = environment_lighting(read_hdr(self.envmap), self.samples, self.rotation, scene.world_up)
            parts.append(f"{self.envmap.stem}_{self.rotation:g}" if self.rotation else self.envmap.stem)
        lights = tuple(FarLight(*angles, color) for angles, color in far)
        lamps = sum((Lighting.near(*lamp) for lamp in near), Lighting())
        return AskedLight("+".join(parts), lights, self.light_frame, scene.world_up, lamps, sky, self.intensity)

    def _asked_apart(self, scene: "Scene") -> "list[AskedLight]":
        """Return each light, lamp and map that the flags ask for by itself."""
        alone = replace(self, light=(), point=(), envmap=None)
        parts = [replace(alone, light=(text,)) for text in self.light]
        parts += [replace(alone, point=(text,)) for text in self.point]
        parts += [replace(alone, envmap=self.envmap)] if self.envmap else []
        return [part._asked_light(scene) for part in parts]


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
