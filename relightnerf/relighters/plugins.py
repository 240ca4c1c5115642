"""Relighters of other installed packages: found by their entry points, and checked where they meet ours.

Another package offers a relighter by an entry point of the group ``relightnerf.relighters``, in its ``pyproject.toml``:

    [project.entry-points."relightnerf.relighters"]
    sunlamp = "sunlamp:SunLamp"

``--relighter sunlamp`` then calls ``SunLamp(device)``, device ``"cpu"`` or ``"cuda"``, which returns a ``Relighter``
whose ``name`` is that of the entry point. It is called to know the recipe, too, so it must not read large weights;
``fit`` does.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError, first_line
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.relighters.names import COMPACT, SHADING
from relightnerf.relighters.protocol import Relighter

GROUP = "relightnerf.relighters"
"""Entry points of this group are relighters of other packages."""
_OURS = (COMPACT, SHADING)
"""Names that other packages cannot take."""
_MEMBERS = ("name", "parameters", "inputs", "report", "fit", "relight")
"""Of ``Relighter``."""
_FIX = "repair or update the package that offers it"


def plugin_names() -> list[str]:
    """Return the names of the relighters that other packages offer."""
    return sorted({plugin.name for plugin in entry_points(group=GROUP)} - set(_OURS))


def find_plugin(name: str) -> EntryPoint | None:
    """Return the entry point of a relighter; None if no package offers one of that name.

    Raises:
        InputError: several packages do.
    """
    if name in _OURS:
        return None
    found = {plugin.value: plugin for plugin in entry_points(group=GROUP, name=name)}
    if len(found) > 1:
        what = f"--relighter {name}: several packages offer it ({', '.join(sorted(found))})"
        raise InputError(what, "uninstall all but one of them")
    return next(iter(found.values()), None)


def load_plugin(plugin: EntryPoint, device: str) -> Relighter:
    """Return the relighter of an entry point.

    Raises:
        InputError: it cannot be loaded, or is not a relighter of that name.
    """
    with _named(plugin.name, f"{plugin.value} cannot be loaded"):
        relighter: Relighter = plugin.load()(device)
        missing = [member for member in _MEMBERS if not hasattr(relighter, member)]
        if missing:
            raise InputError(f"--relighter {plugin.name}: {plugin.value} has no {', '.join(missing)}", _FIX)
        if relighter.name != plugin.name:
            what = f"--relighter {plugin.name}: {plugin.value} calls itself {relighter.name!r}"
            raise InputError(what, "give it the name of its entry point")
        inputs = [Path(path) for path in relighter.inputs]
    gone = next((path for path in inputs if not path.exists()), None)
    if gone is not None:
        raise InputError(f"--relighter {plugin.name}: its file {gone} is absent", _FIX)
    return _Checked(relighter, inputs)


class _Checked:
    """A relighter of another package, whose errors and results are checked."""

    def __init__(self, relighter: Relighter, inputs: Sequence[Path]) -> None:
        self._relighter = relighter
        self.name, self.inputs = relighter.name, inputs

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._relighter.parameters

    @property
    def report(self) -> str | None:
        with _named(self.name, "report"):
            return self._relighter.report

    def fit(self, views: Sequence[View], rays: RayScene) -> None:
        with _named(self.name, "fit"):
            self._relighter.fit(views, rays)

    def relight(
        self, view: View, rays: RayScene, directions_world: Float[np.ndarray, "lights 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        with _named(self.name, "relight"):
            relit = np.asarray(self._relighter.relight(view, rays, directions_world))
        wanted = (len(directions_world), *view.image.shape)
        if relit.shape != wanted:
            raise InputError(f"--relighter {self.name}: its pictures are {relit.shape}, and not {wanted}", _FIX)
        if not np.issubdtype(relit.dtype, np.floating) or not np.isfinite(relit).all():
            what = f"--relighter {self.name}: its pictures ({relit.dtype}) are not finite floats in [0, 1]"
            raise InputError(what, _FIX)
        return relit.astype(np.float32, copy=False)


@contextmanager
def _named(name: str, what: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (Exception, SystemExit) as error:  # whatever another package raises
        line = f"--relighter {name}: {what} ({type(error).__name__}: {first_line(error)})"
        raise InputError(line, _FIX) from error
