"""What a 2D relighter does: photos and geometry of a scene go in, the same photos under other lights come out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float

from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View


@dataclass(frozen=True)
class RelighterRecipe:
    """What the results of a relighter depend on; known without loading it.

    Attributes:
        name: of the folder that the results go to.
        parameters: what changes the results, for the manifest.
        inputs: files that change the results.
    """

    name: str
    parameters: Mapping[str, Any]
    inputs: Sequence[Path]


class Relighter(Protocol):
    """Relights the views of one scene; ``fit`` comes first.

    Both methods are deterministic: a stage that was killed calls ``fit`` again and goes on with the missing views.
    """

    @property
    def name(self) -> str:
        """Name of the folder that the results go to."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What changes the results, for the manifest."""
        ...

    @property
    def inputs(self) -> Sequence[Path]:
        """Files that change the results."""
        ...

    @property
    def report(self) -> str | None:
        """One line about speed and memory so far; None if there is nothing to tell."""
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
