"""Fourth stage: the relit pictures of each view take over the colours of its photo."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    from relightnerf.lights import LightSet
    from relightnerf.scene import Scene


@dataclass
class Match:
    """Match the colours of the relit pictures to the photos (mean and spread in LAB)."""

    scene: Path
    """Scene folder."""
    relighter: str = "shading"
    """Whose pictures to match."""
    mode: Literal["joint", "image", "off"] = "joint"
    """joint: over all lights of a view together; image: each picture alone; off: copy them."""
    force: bool = False
    """Do it again even if it is done."""

    def run(self) -> None:
        """Write ``matched/<view>__<light>.png`` and ``lights.json``.

        Raises:
            InputError: the scene has no complete set of relit pictures.
        """
        from relightnerf.relighters import relighter_name
        from relightnerf.scene import Scene
        from relightnerf.stage import Stage

        scene = Scene.load(self.scene)
        relit = scene.relit(relighter_name(self.relighter))
        lights = _lights(relit, self.relighter)
        names = scene.cameras().names
        pictures = _complete_set(scene, relit, lights, self.relighter)
        inputs = [relit / "lights.json", *pictures, *(scene.image_path(n) for n in names), *_masks(scene, names)]
        stage = Stage("match", scene.matched, {"mode": self.mode, "relighter": self.relighter}, inputs)
        stage.run(lambda: self._work(scene, relit, names, lights), self.force)

    def _work(self, scene: "Scene", relit: Path, names: tuple[str, ...], lights: "LightSet") -> None:
        from relightnerf.lights import save_lights
        from relightnerf.progress import track

        for name in track(names, "matching"):
            if not all((scene.matched / f"{name}__{light}.png").is_file() for light in lights.names):
                self._match_view(scene, relit, name, lights)
        save_lights(scene.matched / "lights.json", lights)

    def _match_view(self, scene: "Scene", relit: Path, name: str, lights: "LightSet") -> None:
        import numpy as np

        from relightnerf.color import to_float, to_uint8
        from relightnerf.images import read_image, write_image
        from relightnerf.matching import match_images

        photo = to_float(read_image(scene.image_path(name)))
        mask = next((read_image(path)[..., 0] > 0 for path in _masks(scene, (name,))), None)
        pictures = to_float(np.stack([read_image(relit / f"{name}__{light}.png") for light in lights.names]))
        for light, image in zip(lights.names, match_images(pictures, photo, self.mode, mask), strict=True):
            path = scene.matched / f"{name}__{light}.png"
            if not path.is_file():
                write_image(path, to_uint8(image))


def _lights(relit: Path, relighter: str) -> "LightSet":
    from relightnerf.lights import load_lights

    path = relit / "lights.json"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file, so the relit pictures are absent or incomplete",
            f"run `relightnerf synthesize --relighter {relighter}`",
        )
    return load_lights(path)


def _complete_set(scene: "Scene", relit: Path, lights: "LightSet", relighter: str) -> list[Path]:
    """Return the relit pictures, after a check that they and the photos are whole and of one size."""
    from relightnerf.images import check_pictures

    names, size = scene.cameras().names, (scene.width, scene.height)
    paths = [relit / f"{name}__{light}.png" for name in names for light in lights.names]
    check_pictures([scene.image_path(name) for name in names], size, "run `relightnerf prepare --force`")
    check_pictures(paths, size, f"run `relightnerf synthesize --relighter {relighter} --force`")
    return paths


def _masks(scene: "Scene", names: tuple[str, ...]) -> list[Path]:
    return [path for name in names if (path := scene.capture / "masks" / f"{name}.png").is_file()]
