"""The control on the model that shows up in nerfstudio's viewer, however the viewer was started."""

from typing import TYPE_CHECKING, Any

from nerfstudio.cameras.cameras import Cameras
from nerfstudio.viewer.viewer_elements import ViewerControl
from torch import Tensor

from relightnerf.field.frame import FieldFrame
from relightnerf.field.model import RelightModelConfig
from relightnerf.field.splats.model import SplatModelConfig

if TYPE_CHECKING:
    from relightnerf.viewer.session import LightSession


def install() -> None:
    """Let models that are made from now on have a ``LightControl``."""
    RelightModelConfig.viewer_control = SplatModelConfig.viewer_control = LightControl


class LightControl(ViewerControl):
    """Waits for a viewer, and gives it the light's panel and pictures; without one it does nothing.

    Args:
        frame: the field's; None where the model is loaded for something else than nerfstudio's programs.
    """

    def __init__(self, frame: FieldFrame | None) -> None:
        self._frame = frame
        self._session: LightSession | None = None

    def _setup(self, viewer: Any) -> None:
        super()._setup(viewer)
        if self._frame is not None:
            from relightnerf.viewer.session import LightSession

            self._session = LightSession(viewer, self._frame)

    def outputs(self, camera: Cameras) -> dict[str, Tensor] | None:
        """Return what the viewer shows of a camera in the field's frame; None where that is not for us to say."""
        return None if self._session is None else self._session.outputs(camera)
