"""The nerfstudio runs inside a scene folder: their settings, and loading them from wherever the scene lies now."""

from pathlib import Path

import yaml
from nerfstudio.pipelines.base_pipeline import VanillaPipeline

from relightnerf.errors import InputError
from relightnerf.field.folders import METHODS, newest_checkpoint, run_folder
from relightnerf.field.method import FieldSize, field_config
from relightnerf.field.splat_method import splat_config
from relightnerf.field.trainer import RelightTrainerConfig
from relightnerf.field.training import read_checkpoint
from relightnerf.scene import Scene


def run_config(
    scene: Scene,
    output: Path,
    eval_every: int,
    lights_from: str,
    steps: tuple[int, int],
    device: str,
    method: str = METHODS[0],
    size: FieldSize = "default",
) -> RelightTrainerConfig:
    """Return the settings of a run whose files go to ``<output>/<method>/run``.

    Args:
        scene: whose images are used.
        output: folder of the run.
        eval_every: every so many views, one is held out; 0: none.
        lights_from: folder in the scene with relit images; "" for a field of the capture's light alone.
        steps: on the capture's photos, and on relit images after them.
        device: ``cpu`` or ``cuda``.
        method: one of ``METHODS``.
        size: of a field on grids.
    """
    config = field_config(*steps, size) if method == METHODS[0] else splat_config(*steps)
    config.output_dir, config.experiment_name, config.timestamp = output.parent.absolute(), output.name, "run"
    config.machine.device_type = device
    parser = config.pipeline.datamanager.dataparser
    parser.eval_every, parser.lights_from = eval_every, lights_from
    return at_scene(config, scene)


def at_scene(config: RelightTrainerConfig, scene: Scene) -> RelightTrainerConfig:
    """Point a run's settings at the folder where its scene lies now."""
    root = scene.root.absolute()
    config.data = config.pipeline.datamanager.data = config.pipeline.datamanager.dataparser.data = root
    return config


def load_pipeline(scene: Scene, device: str = "cpu") -> tuple[RelightTrainerConfig, VanillaPipeline, int]:
    """Load the fitted field of a scene, wherever the scene lies now.

    Returns:
        The settings, the pipeline in evaluation mode, and the last step of its training.

    Raises:
        InputError: the scene has no fitted field.
    """
    run = run_folder(scene.field)
    checkpoint = newest_checkpoint(run)
    if checkpoint is None or not (run / "config.yml").is_file():
        raise InputError(f"{scene.field}: no fitted field", f"run `relightnerf fit --scene {scene.root}` first")
    config = at_scene(yaml.load((run / "config.yml").read_text(), Loader=yaml.Loader), scene)
    config.output_dir = scene.root.absolute()
    config.machine.device_type = device
    config.load_dir = checkpoint.parent
    pipeline = config.pipeline.setup(device=device, test_mode="test")
    content = read_checkpoint(checkpoint)
    pipeline.load_pipeline(content["pipeline"], content["step"])
    pipeline.eval()
    return config, pipeline, int(content["step"])
