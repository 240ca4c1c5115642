"""Relighters by name: those of this package, diffusion models in folders, and those of other installed packages."""

from pathlib import Path
from typing import TYPE_CHECKING

from relightnerf.errors import InputError
from relightnerf.io.files import read_json
from relightnerf.relighters.names import COMPACT, COMPACT_FOLDER, SHADING, relighter_name
from relightnerf.relighters.plugins import find_plugin, load_plugin, plugin_names
from relightnerf.relighters.protocol import Relighter, RelighterRecipe

if TYPE_CHECKING:
    from relightnerf.diffusion.options import DiffusionOptions


def load_relighter(name_or_path: str, device: str = "auto", diffusion: "DiffusionOptions | None" = None) -> Relighter:
    """Return the relighter of that name; large weights are read only when it is fitted.

    Args:
        name_or_path: ``compact``, ``shading``, the name of an entry point of the group ``relightnerf.relighters``, or a
            folder or hub id of a light-conditioned diffusion model.
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
    plugin = find_plugin(name_or_path)
    if plugin is not None:
        return load_plugin(plugin, device)
    model = _model_source(name_or_path)
    from relightnerf.diffusion.options import DiffusionOptions
    from relightnerf.relighters.diffusion import DiffusionRelighter

    return DiffusionRelighter(model, device, diffusion or DiffusionOptions())


def relighter_recipe(name_or_path: str, diffusion: "DiffusionOptions | None" = None) -> RelighterRecipe:
    """Return what ``load_relighter`` would load with these arguments; reads no weights and downloads nothing.

    Raises:
        InputError: there is none of that name here.
    """
    if name_or_path == SHADING:
        return RelighterRecipe(SHADING, {}, ())
    plugin = find_plugin(name_or_path)
    if plugin is not None:
        relighter = load_plugin(plugin, "cpu")
        return RelighterRecipe(relighter.name, relighter.parameters, relighter.inputs)
    from relightnerf.diffusion.hub import relighter_files, relighter_folder
    from relightnerf.diffusion.options import DiffusionOptions

    model = _model_source(name_or_path)
    files = relighter_files(relighter_folder(model, download=False))
    return RelighterRecipe(relighter_name(model), (diffusion or DiffusionOptions()).parameters(), files)


def keeps_colours(name_or_path: str) -> bool:
    """Return whether a relighter multiplies the photo, so that its pictures have the photo's colours and brightness.

    Models with the ratio codec do, the package's own among them. Of a relighter of another package, or a model that is
    not here any more, nothing is known: False.
    """
    if name_or_path == SHADING or find_plugin(name_or_path) is not None:
        return False
    from relightnerf.diffusion.hub import CODEC_FILE, relighter_folder

    try:
        folder = relighter_folder(_model_source(name_or_path), download=False)
    except InputError:
        return False
    codec = folder / "codec" / CODEC_FILE
    return codec.is_file() and read_json(codec).get("kind") == "ratio"


def _model_source(name_or_path: str) -> str:
    if name_or_path == COMPACT:
        return str(COMPACT_FOLDER)
    if not Path(name_or_path).is_dir() and "/" not in name_or_path:
        others = "".join(f"{name}, " for name in plugin_names())
        raise InputError(
            f"unknown relighter {name_or_path!r}",
            f"give {COMPACT}, {SHADING}, {others}or a folder or hub id of a diffusion model",
        )
    return name_or_path
