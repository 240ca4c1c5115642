"""What a 2D relighter does: photos and geometry of a scene go in, the same photos under other lights come out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View


class Relighter(Protocol):
    """Relights the views of one scene; ``fit`` comes first.

    Both methods are deterministic: a stage that was killed calls ``fit`` again and goes on with the missing views.
    """

    @property
    def name(self) -> str:
        """Name of the folder that the results go to."""
        ...

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        """Learn what the scene's views have in common, e.g. the light that they were taken under."""
        ...

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the view under each canonical light: float32 sRGB in [0, 1].

        Args:
            view: one of the fitted views, or another of the same scene.
            rays: the scene's mesh.
            directions_world: unit vectors towards the lights.
        """
        ...


def _shading() -> Relighter:
    from relightnerf.relighters.shading import ShadingRelighter

    return ShadingRelighter()


_BUILDERS = {"shading": _shading}


def load_relighter(name_or_path: str) -> Relighter:
    """Return the relighter of that name.

    Raises:
        InputError: there is none; the message lists those that there are.
    """
    if name_or_path not in _BUILDERS:
        raise InputError(f"unknown relighter {name_or_path!r}", f"choose one of: {', '.join(sorted(_BUILDERS))}")
    return _BUILDERS[name_or_path]()
