"""The flags that say what lights a scene: directional and point lights, and an environment map."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from relightnerf.render.request import LightRequest


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

    def light_request(self) -> LightRequest:
        """Return the lights that the flags ask for."""
        return LightRequest(
            self.light, self.light_frame, self.point, self.envmap, self.rotation, self.samples, self.intensity
        )
