"""The stages that ran on a scene, and how long they took, read from their manifests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relightnerf.io.files import read_json
from relightnerf.scene import SWEEP, Scene
from relightnerf.scene.stage import MANIFEST

_MINUTE, _HOUR = 60.0, 3600.0
"""Seconds."""


@dataclass(frozen=True)
class Step:
    """One stage that is complete.

    Attributes:
        name: the command.
        what: what it did, for people.
        settings: with which parameters, for people.
        seconds: of its last run; what an interrupted run had done before it is not in it.
        manifest: content of its manifest.
    """

    name: str
    what: str
    settings: str
    seconds: float
    manifest: Mapping[str, Any]

    @property
    def duration(self) -> str:
        """How long it took, for people."""
        return duration(self.seconds)


def duration(seconds: float) -> str:
    """Return a time for people: ``0.8 s``, ``41 s``, ``4 min 02 s`` or ``2 h 05 min``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 10.0 else f"{seconds:.0f} s"  # noqa: PLR2004
    if seconds < _HOUR:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / _MINUTE), 60)
    return f"{hours} h {minutes:02d} min"


def history(scene: Scene) -> list[Step]:
    """Return the stages that are complete, in the order in which they run."""
    relighters = sorted((scene.root / "relit").glob(f"*/{MANIFEST}"))
    stages: list[tuple[str, str, Path, Callable[[Mapping[str, Any]], str]]] = [
        ("prepare", "poses, up, lens and size of the photos", scene.capture / MANIFEST, _prepare),
        ("geometry", "a radiance field of the photos, its depth, normals and mesh", scene.geometry / MANIFEST, _steps),
        *(("synthesize", "every photo under new lights", path, _synthesize) for path in relighters),
        ("match", "colours of the photos, and views that agree", scene.matched / MANIFEST, _match),
        ("fit", "a field that follows the light", scene.field / MANIFEST, _steps),
        ("render", "the video of a moving light", scene.renders / f".{SWEEP}.json", _video),
        ("evaluate", "comparison with pictures that were held out", scene.report / MANIFEST, _evaluate),
    ]
    found = ((name, what, read_json(path), settings) for name, what, path, settings in stages if path.is_file())
    return [
        Step(name, what, settings(content.get("parameters", {})), float(content.get("seconds", 0.0)), content)
        for name, what, content, settings in found
    ]


def _prepare(parameters: Mapping[str, Any]) -> str:
    return f"{parameters.get('kind')}, at most {parameters.get('max_size')} pixels"


def _steps(parameters: Mapping[str, Any]) -> str:
    held_out = parameters.get("eval_every")
    return f"{parameters.get('steps')} steps" + (f", every {held_out}th view held out" if held_out else "")


def _synthesize(parameters: Mapping[str, Any]) -> str:
    return f"relighter {parameters.get('relighter')}, {len(parameters.get('lights', ()))} lights a photo"


def _match(parameters: Mapping[str, Any]) -> str:
    return f"{parameters.get('mode')} match" + (", reconciled" if parameters.get("consistency") else "")


def _video(parameters: Mapping[str, Any]) -> str:
    frames, fps = len(parameters.get("directions", ())), parameters.get("fps")
    return f"{frames} frames, {fps} a second"


def _evaluate(parameters: Mapping[str, Any]) -> str:
    return f"{len(parameters.get('pairs', ()))} pictures"
