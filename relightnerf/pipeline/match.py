"""Fourth stage: relit pictures get the colours of their photos, and views are made to agree about their surfaces."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError
from relightnerf.pipeline.flags import stored_flags

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from relightnerf.consistency import SceneConsistency
    from relightnerf.geometry.views import SceneViews
    from relightnerf.imaging.lab_transfer import MatchMode
    from relightnerf.lights import LightSet
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

_REPORT, _MAPS = "consistency.json", "maps"
"""Names in the stage's folder: of how far the views disagree, and of the ratio maps while it works."""


@dataclass
class Match:
    """Match the colours of the relit pictures to the photos (LAB colour transfer), then make the views agree."""

    scene: Path
    """Scene folder."""
    relighter: str = "compact"
    """The relighter whose pictures to match."""
    mode: Literal["auto", "joint", "image", "off"] = "auto"
    """LAB colour transfer. joint: with the statistics of all lights of a view together; image: each picture by itself;
    off: no transfer; auto: off for compact and other models with the ratio codec, which keep the photo's colours and
    brightness, and joint for all others."""
    consistency: bool = True
    """Make the views agree: every surface point gets the mean relighting of the views that see it."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Write ``matched/<view>__<light>.png``, ``lights.json`` and, with consistency, ``consistency.json``.

        Raises:
            InputError: the scene has no complete set of relit pictures, or its geometry is missing.
        """
        from relightnerf.relighters import relighter_name
        from relightnerf.scene import Scene

        scene, stage = Scene.load(self.scene), self.stage()
        relit = scene.relit(relighter_name(self.relighter))
        lights, names = _lights(relit, self.relighter), scene.cameras().names
        _check_complete(scene, _pictures(relit, names, lights), self.relighter)
        views = _checked_views(scene) if self.consistency else None
        stage.run(lambda: self._work(scene, relit, names, lights, views), self.force)

    def stage(self) -> "Stage":
        """Return the stage's recipe without running it.

        Raises:
            InputError: the scene is not prepared, or has no relit pictures.
        """
        from relightnerf.relighters import relighter_name
        from relightnerf.scene import Scene
        from relightnerf.scene.stage import Stage

        scene = Scene.load(self.scene)
        relit = scene.relit(relighter_name(self.relighter))
        lights, names = _lights(relit, self.relighter), scene.cameras().names
        inputs = [relit / "lights.json", *_pictures(relit, names, lights)]
        inputs += [*(scene.image_path(n) for n in names), *filter(None, map(scene.mask_path, names))]
        if self.consistency:
            inputs += [scene.capture / "transforms.json", *_geometry(scene, names)]
        parameters = {"mode": self._colours(), "relighter": self.relighter, "consistency": self.consistency}
        return Stage("match", scene.matched, parameters, inputs, flags=stored_flags(self))

    def _colours(self) -> "MatchMode":
        from relightnerf.relighters import keeps_colours

        if self.mode != "auto":
            return self.mode
        return "off" if keeps_colours(self.relighter) else "joint"

    def _work(
        self,
        scene: "Scene",
        relit: Path,
        names: tuple[str, ...],
        lights: "LightSet",
        views: "SceneViews | None",
    ) -> None:
        from relightnerf.consistency import SceneConsistency
        from relightnerf.imaging.color import to_uint8
        from relightnerf.io.images import write_image
        from relightnerf.lights import save_lights
        from relightnerf.progress import track

        colours = self._colours()

        def matched(name: str) -> "Float[np.ndarray, 'lights height width 3']":
            return _matched(scene, name, [relit / path.name for path in outputs[name]], colours)

        outputs = {name: [scene.matched / f"{name}__{light}.png" for light in lights.names] for name in names}
        missing = [i for i, name in enumerate(names) if not all(path.is_file() for path in outputs[name])]
        report, maps = scene.matched / _REPORT, scene.matched / _MAPS
        consistency = None
        if views is not None and (missing or not report.is_file()):
            consistency = SceneConsistency(views, lights, maps, lambda name: to_uint8(matched(name)))
        for index in track(missing, "matching", done=len(names) - len(missing)):
            pictures = matched(names[index])
            if consistency:
                pictures = consistency.corrected(index, pictures)
            for path, picture in zip(outputs[names[index]], pictures, strict=True):
                if not path.is_file():
                    write_image(path, to_uint8(picture))
        if consistency:
            _report(consistency, outputs, report)
        shutil.rmtree(maps, ignore_errors=True)
        save_lights(scene.matched / "lights.json", lights)


def _matched(
    scene: "Scene", name: str, paths: Sequence[Path], colours: "MatchMode"
) -> "Float[np.ndarray, 'lights height width 3']":
    import numpy as np

    from relightnerf.imaging.color import to_float
    from relightnerf.imaging.lab_transfer import match_images
    from relightnerf.io.images import read_image

    photo = to_float(read_image(scene.image_path(name)))
    pictures = to_float(np.stack([read_image(path) for path in paths]))
    return match_images(pictures, photo, colours, scene.mask(name))


def _report(consistency: "SceneConsistency", outputs: Mapping[str, Sequence[Path]], path: Path) -> None:
    """Print and write how much the views disagree before and after; afterwards the maps are not needed any more."""
    from relightnerf.io.files import write_json
    from relightnerf.io.images import read_image
    from relightnerf.progress import say

    measured = consistency.report(lambda name: map(read_image, outputs[name]))
    ratio, colour = measured["log_ratio"], measured["srgb_rms"]
    if ratio["before"] is None:
        say("match: no two views see one surface under one light, so their agreement cannot be measured")
    else:
        say(
            f"match: where views meet, their log ratios differ by {ratio['after']:.3f} ({ratio['before']:.3f} before), "
            f"sRGB by {colour['after']:.4f} ({colour['before']:.4f} before)"
        )
    write_json(path, measured)


def _checked_views(scene: "Scene") -> "SceneViews":
    """Read and check every file of the views' geometry, before anything is cleared; return the views."""
    from relightnerf.geometry.views import SceneViews

    names = scene.cameras().names
    absent = next((path for path in _geometry(scene, names) if not path.is_file()), None)
    if absent is not None:
        raise InputError(f"{absent}: no such file", "run `relightnerf geometry`, or give --no-consistency")
    views = SceneViews(scene)
    views.check()
    return views


def _geometry(scene: "Scene", names: tuple[str, ...]) -> list[Path]:
    return [path for name in names for path in (scene.depth_path(name), scene.normal_path(name))]


def _lights(relit: Path, relighter: str) -> "LightSet":
    from relightnerf.lights import load_lights

    path = relit / "lights.json"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, so the relit pictures are absent or incomplete",
            f"run `relightnerf synthesize --relighter {relighter}`",
        )
    return load_lights(path)


def _pictures(relit: Path, names: tuple[str, ...], lights: "LightSet") -> list[Path]:
    return [relit / f"{name}__{light}.png" for name in names for light in lights.names]


def _check_complete(scene: "Scene", pictures: Sequence[Path], relighter: str) -> None:
    """Check that the relit pictures and the photos are complete and have one size."""
    from relightnerf.io.images import check_pictures

    names, size = scene.cameras().names, (scene.width, scene.height)
    check_pictures([scene.image_path(name) for name in names], size, "run `relightnerf prepare --force`")
    check_pictures(pictures, size, f"run `relightnerf synthesize --relighter {relighter} --force`")
