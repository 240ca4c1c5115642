"""Fifth stage: the relightable field, from the base field and the matched images."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from relightnerf.field.checkpoints import METHODS
from relightnerf.pipeline.flags import stored_flags

if TYPE_CHECKING:
    from relightnerf.scene import Scene
    from relightnerf.scene.stage import Stage

GRIDS, SPLATS = METHODS
STEPS = {
    GRIDS: {"quick": 3600, "full": 12000, "large": 20000},
    SPLATS: {"quick": 1200, "full": 5000, "large": 8000},
}
"""Training steps on relit images by method and preset."""


@dataclass
class Fit:
    """Fit the light-conditioned radiance field to the matched images, starting from the base field."""

    scene: Path
    """Scene folder."""
    preset: Literal["quick", "full", "large"] = "full"
    """quick: a short fit; full: a longer fit; large: the longest. The field has the size of the base field."""
    steps: int | None = None
    """Training steps; overrides the preset."""
    eval_every: int | None = None
    """Hold out every n-th view; by default the same views as the base field. 0 holds out none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""
    method: Literal["relightnerf", "relightnerf-splat"] = "relightnerf"
    """relightnerf: on grids, on any machine; relightnerf-splat: 3D Gaussians, on CUDA."""

    def run(self) -> None:
        """Write ``field/<method>/run/``, a nerfstudio run, and ``field/heldout.json``.

        Raises:
            InputError: a flag cannot be used, or an earlier stage has not been run.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.errors import InputError
        from relightnerf.field.checkpoints import read_checkpoint
        from relightnerf.scene import Scene

        device = resolve_device(self.device)
        if self.method == SPLATS and device != "cuda":
            raise InputError(
                f"--method {SPLATS}: needs CUDA, and computes on {device} here", "give --method relightnerf"
            )
        scene, stage = Scene.load(self.scene), self.stage()
        _check_images(scene)
        scene.masks(scene.cameras().names)
        (checkpoint, _), eval_every = _base(scene), stage.parameters["eval_every"]
        read_checkpoint(checkpoint)  # before anything is cleared
        work = _fit_splats if self.method == SPLATS else _fit_grids
        stage.run(lambda: work(scene, checkpoint, self.training_steps(), eval_every, device), self.force)

    def training_steps(self) -> int:
        """Return the steps on relit images.

        Raises:
            InputError: they, or --eval-every, are too few.
        """
        from relightnerf.errors import InputError

        steps = STEPS[self.method][self.preset] if self.steps is None else self.steps
        if steps < 1 or (self.eval_every or 0) < 0:
            raise InputError(f"--steps {steps}, --eval-every {self.eval_every}: too small", "give at least 1 and 0")
        return steps

    def stage(self) -> "Stage":
        """Return the stage's recipe without running it.

        Raises:
            InputError: a flag cannot be used, or the scene has no complete base field.
        """
        from relightnerf.pipeline.geometry import mask_version
        from relightnerf.scene import Scene
        from relightnerf.scene.stage import Stage

        steps, scene = self.training_steps(), Scene.load(self.scene)
        checkpoint, base_eval_every = _base(scene)
        eval_every = base_eval_every if self.eval_every is None else self.eval_every
        inputs = [scene.capture / "transforms.json", checkpoint, scene.matched]
        parameters: dict[str, object] = {"steps": steps, "eval_every": eval_every}
        if self.method == SPLATS:
            parameters["method"] = self.method
        version, flags = mask_version(scene), stored_flags(self)
        return Stage("fit", scene.field, parameters, inputs, version=version, flags=flags)


def _fit_grids(scene: "Scene", checkpoint: Path, steps: int, eval_every: int, device: str) -> None:
    from relightnerf.field.fitting import train
    from relightnerf.methods.runs import run_config
    from relightnerf.pipeline.geometry import base_size

    config = run_config(scene, scene.field, eval_every, scene.matched.name, (0, steps), device, size=base_size(scene))
    train(config, "relightable field", checkpoint)
    _write_held_out(scene, eval_every)


def _fit_splats(scene: "Scene", checkpoint: Path, steps: int, eval_every: int, device: str) -> None:
    from relightnerf.export.scene import write_gaussians
    from relightnerf.field.fitting import train
    from relightnerf.field.loading import load_renderer
    from relightnerf.methods.runs import run_config
    from relightnerf.pipeline.geometry import base_field

    seeds = scene.field / "seeds.ply"
    if not seeds.is_file():
        write_gaussians(seeds, scene, load_renderer(scene, device, base_field(scene)), None)
    config = run_config(scene, scene.field, eval_every, scene.matched.name, (steps, steps), device, SPLATS)
    config.pipeline.model.seeds = seeds.absolute()
    train(config, "relightable splats")
    _write_held_out(scene, eval_every)


def _write_held_out(scene: "Scene", eval_every: int) -> None:
    from relightnerf.field.split import held_out
    from relightnerf.io.files import write_json

    write_json(scene.field / "heldout.json", {"views": held_out(scene.cameras().names, eval_every)})


def _base(scene: "Scene") -> tuple[Path, int]:
    from relightnerf.errors import InputError
    from relightnerf.field.checkpoints import newest_checkpoint, run_folder
    from relightnerf.io.files import read_json
    from relightnerf.pipeline.geometry import base_field
    from relightnerf.scene.stage import MANIFEST

    checkpoint = newest_checkpoint(run_folder(base_field(scene)))
    manifest = scene.geometry / MANIFEST
    if checkpoint is None or not manifest.is_file():
        raise InputError(
            f"{scene.geometry}: no complete base field", f"run `relightnerf geometry --scene {scene.root}` first"
        )
    return checkpoint, int(read_json(manifest)["parameters"]["eval_every"])


def _check_images(scene: "Scene") -> None:
    from relightnerf.errors import InputError
    from relightnerf.io.images import check_pictures
    from relightnerf.lights import load_lights
    from relightnerf.scene.stage import MANIFEST

    if not (scene.matched / MANIFEST).is_file():
        raise InputError(f"{scene.matched}: no complete set of matched images", "run `relightnerf match` first")
    lights = load_lights(scene.matched / "lights.json")
    files = (scene.matched / f"{view}__{light}.png" for view in scene.cameras().names for light in lights.names)
    check_pictures(files, (scene.width, scene.height), "run `relightnerf match --force`")
