"""Measures how well relighters relight a single photo, where the truth is known.

    .venv/bin/python scripts/evaluate_relighter.py --output OUT --set SET --photometric PHOTOS

--set takes scenes of `datasets/render_procedural.py --split test --meshes`: photos in a random mixture of lights, to be
relit to each canonical light. --photometric takes real objects under known lights: a folder of photometric-stereo
photos with `lights.txt` (the number of lights, then a line `x y z` towards each: x right, y up, z to the camera) and,
for each object, `<object>/<object>.<i>.png` (8-bit, linear, i from 0) and `<object>/<object>.mask.png`. Writes
evaluation.md, evaluation.json, sheets of typical and worst cases, and all pictures to OUT.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro

from relightnerf.cli import run_command
from relightnerf.diffusion.conditions import PARTS
from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.errors import InputError
from relightnerf.evaluation.lpips import BACKBONE_FILE, find_backbone, lpips_distance
from relightnerf.evaluation.metrics import Distance
from relightnerf.imaging.color import to_uint8
from relightnerf.io.files import atomic_path, plain_json, write_json
from relightnerf.io.images import write_image
from relightnerf.progress import say, track
from relightnerf.relighters import Relighter, load_relighter
from relightnerf.training.benchmark.photometric import PhotometricObject, read_photometric
from relightnerf.training.benchmark.relighting import Identity, light_scores, picture_scores, relit_photo
from relightnerf.training.benchmark.relighting_report import (
    IDENTITY,
    SOURCE,
    TRUTH,
    PairScores,
    markdown,
    sheets,
    summary,
)
from relightnerf.training.benchmark.relit_cases import RelitCase, check_scene, photometric_cases, set_case
from relightnerf.training.data.light_folders import LightFolder, find_light_folders

_SET, _REAL = "set", "photometric"
_SHOWN_PARTS = {"compact-rgb": ("rgb",), "compact-rgb-depth": ("rgb", "depth")}
_OWN_ROWS = (IDENTITY, "shading", "compact", *_SHOWN_PARTS, TRUTH, SOURCE)
_SECONDS_BETWEEN_LINES = 30.0


@dataclass
class EvaluateRelighter:
    """What to relight, and by what."""

    output: Path
    """Folder for the results; those of an earlier evaluation are written over."""
    set: Path | None = None
    """Rendered scenes with layers and meshes."""
    photometric: Path | None = None
    """Photometric-stereo photos of real objects."""
    geometry: Literal["true", "field"] = "true"
    """Geometry that relighters get: the true one, or one as inexact as a fitted field's."""
    scenes: int | None = None
    """Only so many scenes of the set."""
    sources: int = 3
    """Photos of each real object that are relit to all its other lights."""
    all_pairs: bool = False
    """Relight every photo of the real objects."""
    compact: str | None = "compact"
    """The model of three rows: `compact`, and with only photo and depth, or only the photo, besides the light's
    direction. A name, folder or hub id; None leaves them out."""
    models: tuple[str, ...] = ()
    """NAME=PATH of other models, one row each."""
    seed: int = 0
    """Of the mixtures of lights and of inexact geometry."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where models compute."""
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    """How models compute."""
    lpips_weights: Path | None = None
    """torchvision's AlexNet weights; looked for in torch's own cache by default, without it there is no LPIPS."""

    def run(self) -> None:
        rows, (scenes, things) = self._rows(), self._sources()
        lpips = self._lpips()
        count = len(scenes) + sum(self._photos(thing) for thing in things)
        results: list[PairScores] = []
        started = said = time.monotonic()
        for done, (groups, case) in enumerate(track(self._cases(scenes, things), "relighting", count), 1):
            results += self._scored(groups, case, rows, lpips)
            if done == count or time.monotonic() - said > _SECONDS_BETWEEN_LINES:
                said = time.monotonic()
                say(f"{done} of {count} photos relit, {said - started:.0f} s")
        self._write(results)

    def _rows(self) -> dict[str, Relighter]:
        rows: dict[str, Relighter] = {IDENTITY: Identity(), "shading": load_relighter("shading")}
        for entry in self.models:
            name, _, path = entry.partition("=")
            if not path or not name or "/" in name or name in (*_OWN_ROWS, *rows):
                raise InputError(f"--models {entry}: not NAME=PATH with a new name", "give e.g. --models other=FOLDER")
            rows[name] = load_relighter(path, self.device, self.diffusion)
        if self.compact is not None:
            for name, shown in _SHOWN_PARTS.items():
                hidden = tuple(part for part in PARTS if part not in shown)
                rows[name] = load_relighter(self.compact, self.device, replace(self.diffusion, without=hidden))
            rows["compact"] = load_relighter(self.compact, self.device, self.diffusion)
        return rows

    def _sources(self) -> tuple[list[LightFolder], list[PhotometricObject]]:
        if self.set is None and self.photometric is None:
            raise InputError("nothing to relight", "give --set, --photometric, or both")
        for flag, number in (("--scenes", self.scenes), ("--sources", self.sources)):
            if number is not None and number < 1:
                raise InputError(f"{flag} {number}: not a single one", "give a positive whole number")
        scenes = find_light_folders(self.set)[: self.scenes] if self.set is not None else []
        for scene in scenes:
            check_scene(scene)
        return scenes, read_photometric(self.photometric) if self.photometric is not None else []

    def _photos(self, thing: PhotometricObject) -> int:
        return len(thing.photos) if self.all_pairs else min(self.sources, len(thing.photos))

    def _lpips(self) -> Distance | None:
        path = find_backbone(self.lpips_weights)
        if path is None:
            say(f"LPIPS left out, its weights ({BACKBONE_FILE}) are not at hand; give --lpips-weights FILE")
            return None
        return lpips_distance(path)

    def _cases(
        self, scenes: list[LightFolder], things: list[PhotometricObject]
    ) -> Iterator[tuple[tuple[str, ...], RelitCase]]:
        for index, scene in enumerate(scenes):
            yield (_SET,), self._seen(set_case(scene, np.random.default_rng([self.seed, index])), index)
        for thing in things:
            for index, case in enumerate(photometric_cases(thing, self._photos(thing))):
                yield (_REAL, thing.name), self._seen(case, index)

    def _seen(self, case: RelitCase, index: int) -> RelitCase:
        if self.geometry == "true":
            return case
        return case.with_field_geometry(np.random.default_rng([self.seed, index, 1]))

    def _scored(
        self, groups: tuple[str, ...], case: RelitCase, rows: dict[str, Relighter], lpips: Distance | None
    ) -> Iterator[PairScores]:
        """Relight a photo and write the pictures; yield their scores."""
        pictures = self.output / "pictures"
        lights = list(zip(case.lights.names, map(tuple, case.lights.directions.tolist()), strict=True))
        write_image(pictures / SOURCE / f"{case.name}.png", to_uint8(case.view.image))
        for index, (light, direction) in enumerate(lights):
            truth = to_uint8(case.truths[index])
            result = PairScores(groups, TRUTH, case.name, light, direction, light_scores(case, index, truth))
            write_image(result.picture(pictures), truth)
            yield result
        for row, relighter in rows.items():
            relit = relit_photo(relighter, case)
            seconds = {"seconds": relit.relight_seconds / len(lights), "fit_seconds": relit.fit_seconds}
            for index, (light, direction) in enumerate(lights):
                scores = {**picture_scores(case, index, relit.pictures[index], lpips), **seconds}
                result = PairScores(groups, row, case.name, light, direction, scores)
                write_image(result.picture(pictures), relit.pictures[index])
                yield result

    def _write(self, results: list[PairScores]) -> None:
        groups = summary(results)
        for name, sheet in sheets(results, self.output / "pictures"):
            write_image(self.output / f"{name}.png", sheet)
        table = markdown(groups)
        with atomic_path(self.output / "evaluation.md") as temporary:
            temporary.write_text(table)
        content = {"settings": asdict(self), "groups": groups, "pairs": [asdict(result) for result in results]}
        write_json(self.output / "evaluation.json", plain_json(content))
        say(table)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(EvaluateRelighter, description=__doc__)))
