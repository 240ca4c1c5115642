"""The flags for the lights of a scene: directional lights, point lights, and an environment map."""

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from relightnerf.render.request import LightRequest


@dataclass
class LightFlags:
    """A scene and its lights."""

    scene: Path
    """Scene folder."""
    _: KW_ONLY
    light: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A directional light as AZIMUTH,ELEVATION in degrees, e.g. 45,30. An intensity or R,G,B factors may follow, e.g.
    45,30,0.5 or 45,30,1,0.6,0.3. Give the flag several times for several lights at once."""
    light_frame: Literal["world", "camera"] = "world"
    """Frame of --light. world: azimuth from +x, counter-clockwise seen from above; camera: azimuth from behind the
    camera to the right."""
    point: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A point light as X,Y,Z in the capture's world. An intensity or R,G,B factors may follow. Give the flag several
    times for several lights."""
    envmap: Path | None = None
    """An environment map (.exr or .hdr, equirectangular). Its middle column is azimuth 0."""
    rotation: float = 0.0
    """Turn the environment map by this angle in degrees, counter-clockwise seen from above."""
    samples: int = 64
    """Number of directional lights that approximate the environment map; more of them are where it is brighter."""
    intensity: float = 1.0
    """Factor on --light, --point and --envmap together."""

    def light_request(self) -> LightRequest:
        """Return the lights that the flags ask for."""
        return LightRequest(
            self.light, self.light_frame, self.point, self.envmap, self.rotation, self.samples, self.intensity
        )
