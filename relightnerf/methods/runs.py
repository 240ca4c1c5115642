"""Settings of the nerfstudio runs inside a scene folder."""

from pathlib import Path

from relightnerf.field.checkpoints import METHODS
from relightnerf.field.loading import at_scene
from relightnerf.field.trainer import RelightTrainerConfig
from relightnerf.methods.grids import FieldSize, field_config
from relightnerf.methods.splats import splat_config
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
