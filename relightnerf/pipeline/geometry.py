"""Second stage: a radiance field of the photos as they are, and from it depth, normals and a mesh."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.pipeline.flags import stored_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from jaxtyping import Float

    from relightnerf.cameras import Cameras
    from relightnerf.depth_prior import SearchPlan
    from relightnerf.geometry.depth_sources import DepthSource
    from relightnerf.methods.grids import FieldSize
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

STEPS = {"quick": 1500, "full": 5000, "large": 6000}
"""Training steps of the base field by preset."""
GEOMETRY_VERSION = 5
"""Of how geometry is found: 1 and 2 are by stereo near a field's depth, 3 by the depth network, 4 by one that knows
where up is, and by level planes, 5 by planes of any plain ground or wall that photos alone tell the normals of."""
_UNAIDED = 1 / 3
"""Share of the steps in which only photos count. They tell outlines, also of what is plain; known depth of what lies
behind a plain thing would be in their way, and the thing would be painted onto it."""
_FIRST = 2 / 3
"""Share of the steps after which depth is searched again, from the field's own."""
_LEAST_SHARE = 0.2
"""Share of the typical distance to what the photos look at; a camera that is nearer to it looks elsewhere."""
LARGE = "large"
"""The preset of a larger field."""


@dataclass
class Geometry:
    """Fit the base field to the photos; write depth, normals and a mesh."""

    scene: Path
    """Scene folder."""
    preset: Literal["quick", "full", "large"] = "full"
    """quick: a short fit; full: a longer fit; large: a longer fit of a larger field."""
    steps: int | None = None
    """Training steps of the base field; overrides the preset."""
    eval_every: int = 8
    """Hold out every n-th view, here and in the relightable field; 0 holds out none."""
    depth_source: str = "field"
    """Where depth comes from. field: the base field; folder:PATH: files <view>.npy; or a depth model of transformers
    (id or folder)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Write ``geometry/``: the run, ``search/``, ``stereo/``, depth, normals, confidence, the mesh and a preview.

        Raises:
            InputError: a flag cannot be used, or the scene is not prepared.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.geometry.depth_sources import load_depth_source
        from relightnerf.io.images import check_pictures
        from relightnerf.scene import Scene

        device, steps = resolve_device(self.device), self.training_steps()
        scene, stage = Scene.load(self.scene), self.stage()
        cameras = scene.cameras()
        photos = [scene.image_path(name) for name in cameras.names]
        check_pictures(photos, (scene.width, scene.height), "run `relightnerf prepare --force`")
        scene.masks(cameras.names)
        source = load_depth_source(self.depth_source, cameras, device)
        size: FieldSize = "large" if self.preset == LARGE else "default"
        stage.run(lambda: _work(scene, cameras, source, steps, self.eval_every, size, device), self.force)

    def training_steps(self) -> int:
        """Return the steps of the base field.

        Raises:
            InputError: they, or --eval-every, are too few.
        """
        from relightnerf.errors import InputError

        steps = STEPS[self.preset] if self.steps is None else self.steps
        if steps < 1 or self.eval_every < 0:
            raise InputError(f"--steps {steps}, --eval-every {self.eval_every}: too small", "give at least 1 and 0")
        return steps

    def stage(self) -> "Stage":
        """Return the stage's recipe without running it.

        Raises:
            InputError: a flag cannot be used, or the scene is not prepared.
        """
        from relightnerf.geometry.depth_sources import depth_files
        from relightnerf.scene import Scene
        from relightnerf.scene.stage import Stage

        steps, scene = self.training_steps(), Scene.load(self.scene)
        parameters = {"steps": steps, "eval_every": self.eval_every, "depth_source": self.depth_source}
        if self.preset == LARGE:
            parameters["size"] = LARGE
        files = depth_files(self.depth_source, scene.cameras().names)
        inputs = [scene.capture, *files]
        return Stage("geometry", scene.geometry, parameters, inputs, version=GEOMETRY_VERSION, flags=stored_flags(self))


def mask_version(scene: "Scene") -> int:
    """Return the version of how a field learns from the photos of a scene.

    In the first version, masks counted only if every view had one. Where some have one and others have none, results
    of that version are others than those of the second; everywhere else they are the same.
    """
    names = scene.cameras().names
    masked = sum(scene.mask_path(name) is not None for name in names)
    return 2 if 0 < masked < len(names) else 1


def base_field(scene: "Scene") -> Path:
    """Return the folder of the base field."""
    return scene.geometry / "field"


def base_size(scene: "Scene") -> "FieldSize":
    """Return the size of the base field; the relightable field has the same."""
    from relightnerf.io.files import read_json
    from relightnerf.scene.stage import MANIFEST

    return "large" if read_json(scene.geometry / MANIFEST)["parameters"].get("size") == LARGE else "default"


def _search(scene: "Scene") -> Path:
    """Return the folder of what is found by the first search: less, and less exact."""
    return scene.geometry / "search"


def _stereo(scene: "Scene") -> Path:
    """Return the folder of the depth that photos agree on: npy of any size, 0 where they do not."""
    return scene.geometry / "stereo"


def _work(
    scene: "Scene",
    cameras: "Cameras",
    source: "DepthSource",
    steps: int,
    eval_every: int,
    size: "FieldSize",
    device: str,
) -> None:
    from relightnerf.depth_prior import FIRST_SEARCH, LAST_SEARCH
    from relightnerf.field.fitting import train
    from relightnerf.field.loading import load_renderer
    from relightnerf.field.split import held_out
    from relightnerf.io.files import write_json
    from relightnerf.io.images import read_array, write_array
    from relightnerf.methods.runs import run_config
    from relightnerf.progress import track

    unseen = held_out(cameras.names, eval_every)
    seen = cameras.subset(set(cameras.names) - set(unseen))
    config = run_config(scene, base_field(scene), eval_every, "", (steps, 0), device, size=size)
    parser = config.pipeline.datamanager.dataparser
    parser.depth_from = ""
    train(config, "base field", until=max(1, round(_UNAIDED * steps)))
    _write_agreed(scene, seen, _search(scene), FIRST_SEARCH, device, lambda: _first_depths(scene, seen))
    parser.depth_from = str(_search(scene).relative_to(scene.root))
    train(config, "base field", until=max(1, round(_FIRST * steps)))
    _write_agreed(
        scene, seen, _stereo(scene), LAST_SEARCH, device, lambda: _field_depths(scene, seen, device), _search(scene)
    )
    parser.depth_from = str(_stereo(scene).relative_to(scene.root))
    train(config, "base field")
    write_json(scene.geometry / "heldout.json", {"views": unseen})
    renderer = load_renderer(scene, device, base_field(scene))
    for camera in track(cameras, "depth"):
        path = scene.depth_path(camera.name)
        if not path.is_file():
            own = renderer.depth(camera)
            write_array(path, source.depth(scene.image_path(camera.name), camera, own))
    depths = [read_array(scene.depth_path(name)) for name in cameras.names]
    _write_mesh_and_normals(scene, cameras, depths)
    _write_confidence(scene, cameras)
    _write_unsure(scene)
    _write_preview(scene, cameras)


def _write_agreed(
    scene: "Scene",
    cameras: "Cameras",
    folder: Path,
    plan: "SearchPlan",
    device: str,
    starts: "Callable[[], list[Float[np.ndarray, 'height width']]]",
    earlier: Path | None = None,
) -> None:
    """Write the depth that some cameras' photos agree on, searched from the depths that ``starts`` gives.

    Where they do not agree, the depth of an ``earlier`` search stays.
    """
    import cv2
    import numpy as np

    from relightnerf.depth_prior import (
        agreed_depths,
        completed,
        estimate_capture,
        find_planes,
        photo_normals,
        shipped_network,
        with_planes,
    )
    from relightnerf.field.dataparser import scene_frame
    from relightnerf.geometry.stereo import StereoView
    from relightnerf.io.images import read_array, read_image, write_array

    paths = [folder / f"{name}.npy" for name in cameras.names]
    if all(path.is_file() for path in paths):
        return
    photos = [read_image(scene.image_path(name)) for name in cameras.names]
    up = np.array(scene.world_up)
    network = shipped_network(device)
    estimates = estimate_capture(network, cameras, photos, starts(), plan.passes, up)
    size = estimates[0].camera.width, estimates[0].camera.height
    small = [cv2.resize(photo, size, interpolation=cv2.INTER_AREA) for photo in photos]
    if plan.planes:
        views = [StereoView(e.camera, photo, e.depth) for e, photo in zip(estimates, small, strict=True)]
        normals = photo_normals(network, views, up)
        planes = find_planes(views, normals, up, scene_frame(scene, cameras).center)
        estimates = with_planes(estimates, views, normals, planes, up, 0.5 * plan.most_scale)
    for path, depth in zip(paths, agreed_depths(estimates, small, plan.most_scale), strict=True):
        write_array(path, depth if earlier is None else completed(depth, read_array(earlier / path.name)))


def _first_depths(scene: "Scene", cameras: "Cameras") -> "list[Float[np.ndarray, 'height width']]":
    """Return for every view the one depth of the place that the photos look at."""
    import numpy as np

    from relightnerf.field.dataparser import scene_frame

    focus = scene_frame(scene, cameras).center
    along = np.array([camera.project(focus[None])[1][0] for camera in cameras])
    # A camera that looks elsewhere starts at the others' distance.
    typical = max(float(np.median(along)), 1e-6)
    along = np.where(along > _LEAST_SHARE * typical, along, typical)
    return [np.full((cameras.height, cameras.width), depth, np.float32) for depth in along]


def _field_depths(scene: "Scene", cameras: "Cameras", device: str) -> "list[Float[np.ndarray, 'height width']]":
    from relightnerf.field.loading import load_renderer

    renderer = load_renderer(scene, device, base_field(scene))
    return [renderer.depth(camera) for camera in cameras]


def _write_mesh_and_normals(scene: "Scene", cameras: "Cameras", depths: list) -> None:
    import open3d

    from relightnerf.geometry.mesh import fuse_mesh
    from relightnerf.geometry.normals import view_normals
    from relightnerf.geometry.raycast import RayScene
    from relightnerf.io.files import atomic_path
    from relightnerf.io.images import read_image, write_array
    from relightnerf.progress import track

    if not scene.mesh_path.is_file():
        mesh = fuse_mesh(cameras, depths, (read_image(scene.image_path(name)) for name in cameras.names))
        with atomic_path(scene.mesh_path) as temporary:
            open3d.io.write_triangle_mesh(str(temporary), mesh)
    rays = RayScene.load(scene.mesh_path)
    for index, depth in enumerate(track(depths, "normals")):
        path = scene.normal_path(cameras.names[index])
        if not path.is_file():
            write_array(path, view_normals(cameras[index], depth, rays))


def _write_confidence(scene: "Scene", cameras: "Cameras") -> None:
    """Write how sure each view's depth is, by the depth that the photos agree on."""
    import cv2
    import numpy as np

    from relightnerf.depth_prior import confidence_maps
    from relightnerf.geometry.stereo import StereoView, working_camera
    from relightnerf.io.images import read_array, write_array

    if all(scene.confidence_path(name).is_file() for name in cameras.names):
        return
    views, agreed = [], {}
    for camera in map(working_camera, cameras):
        depth = read_array(scene.depth_path(camera.name))
        small = cv2.resize(depth, (camera.width, camera.height), interpolation=cv2.INTER_NEAREST)
        views.append(StereoView(camera, np.zeros((*small.shape, 3), np.uint8), small))
        path = _stereo(scene) / f"{camera.name}.npy"
        if path.is_file():
            agreed[camera.name] = read_array(path)
    for name, confidence in zip(cameras.names, confidence_maps(views, agreed), strict=True):
        full = cv2.resize(confidence, (cameras.width, cameras.height), interpolation=cv2.INTER_LINEAR)
        write_array(scene.confidence_path(name), full)


def _write_unsure(scene: "Scene") -> None:
    """Write how much is unsure, and from where a photo would help most; say so if it is much."""
    import numpy as np

    from relightnerf.depth_prior import unsure_geometry
    from relightnerf.geometry.views import SceneViews
    from relightnerf.io.files import write_json
    from relightnerf.lights import angles_from_direction
    from relightnerf.progress import say

    unsure = unsure_geometry(SceneViews(scene), np.array(scene.world_up))
    found: dict[str, float] = {"share": round(unsure.share, 4)}
    if unsure.direction_world is not None:
        angles = angles_from_direction(unsure.direction_world, world_up=scene.world_up)
        found |= dict(zip(("azimuth_deg", "elevation_deg"), map(round, angles), strict=True))
    write_json(scene.unsure_path, found)
    if advice := unsure_advice(found):
        say(f"geometry: {advice}")


def unsure_advice(found: "Mapping[str, float]") -> str | None:
    """Return what to tell of unsure geometry; None if little is unsure.

    Args:
        found: content of ``Scene.unsure_path``.
    """
    from relightnerf.scene import MUCH_UNSURE, place_of_help

    if found.get("share", 0.0) <= MUCH_UNSURE:
        return None
    advice = f"{found['share']:.0%} of the pixels have unsure geometry"
    place = place_of_help(found)
    return f"{advice}; photos from {place} would help" if place else advice


def _write_preview(scene: "Scene", cameras: "Cameras", columns: int = 4) -> None:
    import numpy as np

    from relightnerf.imaging.color import to_uint8
    from relightnerf.imaging.contact_sheet import contact_sheet
    from relightnerf.io.images import read_array, read_image, write_image

    chosen = cameras.names[:: max(1, len(cameras) // columns)][:columns]
    photos = [read_image(scene.image_path(name)) for name in chosen]
    depths = [read_array(scene.depth_path(name)) for name in chosen]
    near = min((float(np.quantile(d[d > 0], 0.02)) for d in depths if (d > 0).any()), default=1.0)
    inverse = [np.divide(near, d, out=np.zeros_like(d), where=d > 0).clip(0.0, 1.0) for d in depths]
    shades = [to_uint8(np.repeat(values[..., None], 3, axis=-1)) for values in inverse]
    normals = [read_array(scene.normal_path(name)) for name in chosen]
    colours = [to_uint8(np.where(np.any(n != 0, axis=-1, keepdims=True), 0.5 + 0.5 * n, 0.0)) for n in normals]
    labels = [f"{name}: {what}" for what in ("photo", "depth", "normal") for name in chosen]
    write_image(scene.geometry / "preview.png", contact_sheet([*photos, *shades, *colours], labels, len(chosen)))
