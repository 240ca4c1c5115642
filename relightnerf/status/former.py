"""Scenes of older formats: the flags that their manifests do not hold, and the way to the newest format.

Format 1 (relightnerf 0.1): manifests hold a stage's parameters, but neither its command's flags nor the version of its
algorithm, which is the first one. Format 2: both.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json
from relightnerf.pipeline.fit import GRIDS
from relightnerf.pipeline.fit import STEPS as FIT_STEPS
from relightnerf.pipeline.geometry import LARGE
from relightnerf.pipeline.geometry import STEPS as BASE_STEPS
from relightnerf.pipeline.prepare import MAX_SIZE
from relightnerf.relighters import relighter_name
from relightnerf.scene import FORMAT, Scene
from relightnerf.scene.stage import FIRST_VERSION, MANIFEST, PROGRESS, read_record


def recorded_flags(stage: str, record: Mapping[str, Any], source: str = "") -> dict[str, Any]:
    """Return the flags of the command that made a stage: as its manifest holds them, else as they follow from it.

    Args:
        stage: its name.
        record: its manifest, or the note of a stage at work.
        source: of the scene's capture, or the relighter's folder or hub id, of which older manifests hold only a part.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is no such manifest.
    """
    return dict(record["flags"]) if "flags" in record else _FORMER[stage](record["parameters"], source)


def upgrade(scene: Scene) -> list[str]:
    """Bring a scene to the newest format, in place; nothing is computed again, and a killed upgrade can be repeated.

    Returns:
        The stages whose manifests were changed.

    Raises:
        InputError: a manifest cannot be read.
    """
    changed = []
    used = read_record(scene.matched / MANIFEST).get("parameters", {}).get("relighter", "")
    folders = {"prepare": scene.capture, "geometry": scene.geometry, "match": scene.matched, "fit": scene.field}
    named = [*folders.items(), *(("synthesize", path) for path in sorted((scene.root / "relit").glob("*")))]
    for stage, folder in named:
        relighter = used if relighter_name(str(used) or ".") == folder.name else folder.name
        source = scene.source if stage == "prepare" else relighter
        for path in (folder / MANIFEST, folder / PROGRESS):
            record = read_record(path)
            if record.get("stage", stage) == stage and "parameters" in record and "flags" not in record:
                try:
                    flags = recorded_flags(stage, record, source)
                except (KeyError, TypeError, ValueError, AttributeError):
                    what = f"{path}: not a manifest of {stage}"
                    raise InputError(what, f"run `relightnerf {stage} --force` first") from None
                made = path.stat()
                write_json(path, {"version": FIRST_VERSION, **record, "flags": flags})
                os.utime(path, (made.st_atime, made.st_mtime))  # A stage's age is that of its manifest.
                changed.append(stage if stage != "synthesize" else f"synthesize ({folder.name})")
    if scene.format < FORMAT:
        path = scene.root / "scene.json"
        write_json(path, {**read_json(path), "format": FORMAT})
    return changed


def _prepare(parameters: Mapping[str, Any], source: str) -> dict[str, Any]:
    effort, max_size = parameters["effort"], parameters["max_size"]
    is_quick = effort == "quick" or (effort is None and max_size == MAX_SIZE["quick"])
    preset = "quick" if is_quick else "full"
    chosen = None if max_size == MAX_SIZE[preset] else max_size
    return {"capture": source, "preset": preset, "max_size": chosen, "max_views": parameters["max_views"]}


def _geometry(parameters: Mapping[str, Any], _: str) -> dict[str, Any]:
    flags = dict(parameters)
    is_large = flags.pop("size", None) == LARGE
    presets = {name: steps for name, steps in BASE_STEPS.items() if (name == LARGE) == is_large}
    return ({"preset": LARGE} if is_large else {}) | _with_preset(presets, flags)


def _synthesize(parameters: Mapping[str, Any], source: str) -> dict[str, Any]:
    return {"relighter": source or parameters["relighter"], "diffusion": dict(parameters.get("diffusion", {}))}


def _match(parameters: Mapping[str, Any], _: str) -> dict[str, Any]:
    return dict(parameters)


def _fit(parameters: Mapping[str, Any], _: str) -> dict[str, Any]:
    return _with_preset(FIT_STEPS[parameters.get("method", GRIDS)], parameters)


def _with_preset(presets: Mapping[str, int], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training stage's parameters as its flags: a preset where the steps are a preset's."""
    preset = next((name for name, steps in presets.items() if steps == parameters["steps"]), None)
    return {**parameters, "steps": None, "preset": preset} if preset else dict(parameters)


_FORMER: Mapping[str, Callable[[Mapping[str, Any], str], dict[str, Any]]] = {
    "prepare": _prepare,
    "geometry": _geometry,
    "synthesize": _synthesize,
    "match": _match,
    "fit": _fit,
}
