"""What a 2D relighter does: photos and geometry of a scene go in, the same photos under other lights come out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.files import read_json
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View

if TYPE_CHECKING:
    from relightnerf.diffusion.options import DiffusionOptions

COMPACT = "compact"
"""The relighter whose weights come with the package; the default everywhere."""
SHADING = "shading"
"""The relighter that has learned nothing."""
COMPACT_FOLDER = Path(__file__).parents[1] / "weights" / COMPACT
"""Its weights."""


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


def load_relighter(name_or_path: str, device: str = "auto", diffusion: "DiffusionOptions | None" = None) -> Relighter:
    """Return the relighter of that name; large weights are read only when it is fitted.

    Args:
        name_or_path: ``compact``, ``shading``, or a folder or hub id of a light-conditioned diffusion model.
        device: auto, cpu or cuda, for relighters that learn.
        diffusion: how a diffusion model computes; its defaults if None.

    Raises:
        InputError: there is none of that name, or the folder holds something else, or the device is absent.
    """
    from relightnerf.devices import resolve_device

    device = resolve_device(device)
    if name_or_path == SHADING:
        from relightnerf.relighters.shading import ShadingRelighter

        return ShadingRelighter()
    model = _model_source(name_or_path)
    from relightnerf.diffusion.options import DiffusionOptions
    from relightnerf.relighters.diffusion import DiffusionRelighter

    return DiffusionRelighter(model, device, diffusion or DiffusionOptions())


def relighter_recipe(name_or_path: str, diffusion: "DiffusionOptions | None" = None) -> RelighterRecipe:
    """Return what ``load_relighter`` would load with these arguments; imports nothing heavy and downloads nothing.

    Raises:
        InputError: there is none of that name here.
    """
    if name_or_path == SHADING:
        return RelighterRecipe(SHADING, {}, ())
    from relightnerf.diffusion.hub import relighter_files, relighter_folder
    from relightnerf.diffusion.options import DiffusionOptions

    model = _model_source(name_or_path)
    files = relighter_files(relighter_folder(model, download=False))
    return RelighterRecipe(relighter_name(model), diffusion_parameters(diffusion or DiffusionOptions()), files)


def keeps_colours(name_or_path: str) -> bool:
    """Return whether a relighter multiplies the photo, so that its pictures have the photo's colours and brightness.

    Models with the ratio codec do, the package's own among them. Of a model that is not here any more nothing is known:
    False.
    """
    if name_or_path == SHADING:
        return False
    from relightnerf.diffusion.hub import CODEC_FILE, relighter_folder

    try:
        folder = relighter_folder(_model_source(name_or_path), download=False)
    except InputError:
        return False
    codec = folder / "codec" / CODEC_FILE
    return codec.is_file() and read_json(codec).get("kind") == "ratio"


def diffusion_parameters(options: "DiffusionOptions") -> dict[str, Any]:
    """Return the options of a diffusion model that change its results: not how many lights it computes at once."""
    unrelated = ("lights_per_batch", "compile")
    return {"diffusion": {name: value for name, value in asdict(options).items() if name not in unrelated}}


def _model_source(name_or_path: str) -> str:
    if name_or_path == COMPACT:
        return str(COMPACT_FOLDER)
    if not Path(name_or_path).is_dir() and "/" not in name_or_path:
        raise InputError(
            f"unknown relighter {name_or_path!r}",
            f"give {COMPACT}, {SHADING}, or a folder or hub id of a diffusion model",
        )
    return name_or_path


def relighter_name(name_or_path: str) -> str:
    """Return the name of the folder that a relighter's pictures go to."""
    return name_or_path if name_or_path in (COMPACT, SHADING) else Path(name_or_path).resolve().name
