"""Scores of the field's pictures against held-out photos, or against true pictures under known lights."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.errors import InputError

if TYPE_CHECKING:
    from relightnerf.cameras import Cameras
    from relightnerf.evaluation.metrics import Distance
    from relightnerf.evaluation.report import Pair
    from relightnerf.lights import LightSet
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

_OURS = "this run"
"""Name of the field's row in the table."""


@dataclass
class Evaluate:
    """Compare held-out views with their photos, or with true pictures under other lights."""

    scene: Path
    """Scene folder."""
    truth: Path | None = None
    """Folder with transforms.json, lights.json and true pictures `<camera>__<light>.png`. If it also has
    `<camera>__capture.png`, the row `identity` scores the unchanged photo, and another row the photo relit in 2D.
    Without this flag, the held-out photos are the truth."""
    compare: tuple[str, ...] = ()
    """NAME=FOLDER with other pictures `<camera>__<light>.png`; each adds a row."""
    lpips_weights: Path | None = None
    """torchvision's AlexNet weights; by default looked for in torch's cache. Without them there is no LPIPS."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to render on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Render, compare, print the table, and write ``report/metrics.json`` and ``report/comparison.png``.

        Raises:
            InputError: a folder or file cannot be used, or the scene has no fitted field or no held-out views.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.evaluation.report import check_rows, score_table
        from relightnerf.io.files import read_json
        from relightnerf.progress import show
        from relightnerf.render.scene_renderer import SceneRenderer
        from relightnerf.scene import Scene

        scene = Scene.load(self.scene)
        device = resolve_device(self.device)
        cameras, lights, pairs = self._truth() if self.truth else _held_out(scene)
        rows = self._other_rows(pairs)
        check_rows(pairs, rows)
        if "identity" in rows and lights is not None:
            rows |= _relit_photos(scene, cameras, lights, rows["identity"], device, self.force)
        lpips_weights = self._lpips_weights()
        folder = pictures_folder(scene)
        SceneRenderer(scene, device, self.force).pictures(cameras, lights, folder)
        self._compare(scene, pairs, {**_our_row(scene, pairs), **rows}, lpips_weights)
        show(score_table(read_json(scene.report / "metrics.json")))

    def _compare(
        self, scene: "Scene", pairs: "list[Pair]", rows: dict[str, dict[str, Path]], weights: Path | None
    ) -> None:
        from relightnerf.evaluation.report import check_rows, comparison_picture, score_rows
        from relightnerf.io.files import write_json
        from relightnerf.io.images import write_image

        def work() -> None:
            write_image(scene.report / "comparison.png", comparison_picture(pairs, rows))
            write_json(scene.report / "metrics.json", score_rows(pairs, rows, _lpips(weights)))

        check_rows(pairs, rows)
        comparison_stage(scene, pairs, rows, weights is not None).run(work, self.force)

    def _truth(self) -> "tuple[Cameras, LightSet, list[Pair]]":
        from relightnerf.cameras import load_cameras
        from relightnerf.evaluation.report import Pair
        from relightnerf.lights import load_lights

        folder = Path(str(self.truth))
        cameras, lights = load_cameras(folder / "transforms.json"), load_lights(folder / "lights.json")
        names = [(camera, light) for camera in cameras.names for light in lights.names]
        pairs = [Pair(camera, light, folder / f"{camera}__{light}.png") for camera, light in names]
        return cameras, lights, pairs

    def _other_rows(self, pairs: "list[Pair]") -> dict[str, dict[str, Path]]:
        rows = {}
        photos = {pair.name: pair.truth.with_name(f"{pair.camera}__capture.png") for pair in pairs}
        if self.truth and all(path.is_file() for path in photos.values()):
            rows["identity"] = photos
        for entry in self.compare:
            name, _, folder = entry.partition("=")
            if not name or not folder or name in (_OURS, "identity"):
                raise InputError(f"--compare {entry}: not NAME=FOLDER", "give e.g. --compare shading=pictures")
            rows[name] = {pair.name: Path(folder) / f"{pair.name}.png" for pair in pairs}
            absent = next((path for path in rows[name].values() if not path.is_file()), None)
            if absent is not None:
                raise InputError(f"{absent}: no such picture", "give a folder with a picture for every pair")
        return rows

    def _lpips_weights(self) -> Path | None:
        from relightnerf.evaluation.lpips import BACKBONE_FILE, Lpips, find_backbone
        from relightnerf.progress import say

        path = find_backbone(self.lpips_weights)
        if path is None:
            say(f"evaluate: LPIPS left out, its weights ({BACKBONE_FILE}) are not at hand; give --lpips-weights FILE")
        else:
            Lpips(path)
        return path


def pictures_folder(scene: "Scene") -> Path:
    """Return the folder of the field's pictures that are compared."""
    return scene.report / "pictures"


def held_out_stage(scene: "Scene", with_lpips: bool) -> "Stage":
    """Return the recipe of the comparison with the held-out photos, without running it.

    Raises:
        InputError: the scene has no fitted field, or no held-out views.
    """
    pairs = _held_out(scene)[2]
    return comparison_stage(scene, pairs, _our_row(scene, pairs), with_lpips)


def comparison_stage(
    scene: "Scene", pairs: "list[Pair]", rows: dict[str, dict[str, Path]], with_lpips: bool
) -> "Stage":
    """Return the recipe of a comparison of rows of pictures with the true ones."""
    from relightnerf.scene.stage import Stage

    inputs = [path for pair in pairs for path in (pair.truth, pair.mask) if path is not None]
    inputs += [row[pair.name] for row in rows.values() for pair in pairs]
    parameters = {"rows": list(rows), "pairs": [pair.name for pair in pairs], "lpips": with_lpips}
    return Stage("evaluate", scene.report, parameters, inputs, ["metrics.json", "comparison.png"])


def _our_row(scene: "Scene", pairs: "list[Pair]") -> dict[str, dict[str, Path]]:
    return {_OURS: {pair.name: pictures_folder(scene) / f"{pair.name}.png" for pair in pairs}}


def _held_out(scene: "Scene") -> "tuple[Cameras, None, list[Pair]]":
    from relightnerf.evaluation.report import Pair
    from relightnerf.field.checkpoints import field_files
    from relightnerf.lights import CAPTURE_LIGHT

    field_files(scene)
    chosen = scene.cameras().subset(scene.held_out())
    if not chosen.names:
        raise InputError(
            f"{scene.field}: the fit held out no views, so there is nothing to compare with",
            "fit with --eval-every 8, or give --truth",
        )
    pairs = [Pair(n, CAPTURE_LIGHT, scene.image_path(n), scene.mask_path(n)) for n in chosen.names]
    return chosen, None, pairs


def _relit_photos(
    scene: "Scene", cameras: "Cameras", lights: "LightSet", photos: dict[str, Path], device: str, force: bool
) -> dict[str, dict[str, Path]]:
    """Relight true photos of held-out cameras with the 2D relighter that the field was fitted to."""
    from relightnerf.diffusion.options import DiffusionOptions
    from relightnerf.field.checkpoints import field_files
    from relightnerf.field.loading import load_renderer
    from relightnerf.geometry.normals import view_normals
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.geometry.views import SceneViews, View
    from relightnerf.imaging.color import to_float, to_uint8
    from relightnerf.io.files import read_json
    from relightnerf.io.images import read_image, write_image
    from relightnerf.progress import track
    from relightnerf.relighters import load_relighter, relighter_name
    from relightnerf.scene.stage import MANIFEST, Stage

    source = str(read_json(scene.matched / MANIFEST)["parameters"]["relighter"])
    name = relighter_name(source)
    synthesized = read_json(scene.relit(name) / MANIFEST)["parameters"]
    relighter = load_relighter(source, device, DiffusionOptions(**synthesized.get("diffusion", {})))
    folder = scene.report / name
    row = {
        f"{camera}__{light}": folder / f"{camera}__{light}.png" for camera in cameras.names for light in lights.names
    }
    photo = {camera: photos[f"{camera}__{lights.names[0]}"] for camera in cameras.names}

    def work() -> None:
        rays, field = RayScene.load(scene.mesh_path), load_renderer(scene, device)
        relighter.fit(SceneViews(scene), rays)
        for camera in track(cameras, f"photos by {name}"):
            depth = field.depth(camera)
            image = to_float(read_image(photo[camera.name]))
            view = View(camera, image, depth, view_normals(camera, depth, rays))
            relit = relighter.relight(view, rays, lights.directions_world(camera.camera_to_world))
            for light, picture in zip(lights.names, to_uint8(relit), strict=True):
                write_image(row[f"{camera.name}__{light}"], picture)

    parameters = {"relighter": name, **relighter.parameters, "directions": lights.directions.tolist()}
    inputs = [*field_files(scene), scene.mesh_path, *photo.values(), *relighter.inputs]
    Stage("evaluate", folder, parameters, inputs, [path.name for path in row.values()]).run(work, force)
    return {name: row}


def _lpips(weights: Path | None) -> "Distance | None":
    if weights is None:
        return None
    from relightnerf.evaluation.lpips import lpips_distance

    return lpips_distance(weights)
