"""Fitted fields of a scene folder, loaded from wherever the scene lies now."""

from pathlib import Path

import torch
import yaml
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.pipelines.base_pipeline import VanillaPipeline
from torch import Tensor

from relightnerf.devices import resolve_device
from relightnerf.errors import InputError, first_line
from relightnerf.field.checkpoints import AGAIN, model_state, newest_checkpoint, read_checkpoint, run_folder
from relightnerf.field.cpu import tune_cpu
from relightnerf.field.dataparser import scene_frame
from relightnerf.field.frame import FieldFrame
from relightnerf.field.model import RelightModel, RelightModelConfig
from relightnerf.field.renderer import FieldRenderer
from relightnerf.field.splats.model import SplatModel
from relightnerf.field.splats.renderer import SplatRenderer
from relightnerf.field.trainer import RelightTrainerConfig
from relightnerf.scene import Scene


def load_renderer(scene: Scene, device: str = "auto", folder: Path | None = None) -> FieldRenderer:
    """Load a field of a scene, to render it.

    Args:
        scene: the scene.
        device: ``auto``, ``cpu`` or ``cuda``.
        folder: stage folder of the field's run; None: the scene's relightable field.

    Raises:
        InputError: there is no such field.
    """
    config, checkpoint = _run(run_folder(folder or scene.field), scene)
    tune_cpu()
    model = _model(config.pipeline.model, model_state(checkpoint)).to(resolve_device(device))
    return field_renderer(model, scene_frame(scene, scene.cameras()))


def field_renderer(model: RelightModel, frame: FieldFrame) -> FieldRenderer:
    """Return the renderer for a model, of whichever of the two methods it is."""
    return (SplatRenderer if isinstance(model, SplatModel) else FieldRenderer)(model, frame)


def load_pipeline(scene: Scene, device: str = "cpu") -> tuple[RelightTrainerConfig, VanillaPipeline, int]:
    """Load the fitted field of a scene as nerfstudio's viewer takes it.

    Returns:
        The settings, the pipeline in evaluation mode, and the last step of its training.

    Raises:
        InputError: the scene has no fitted field.
    """
    config, checkpoint = _run(run_folder(scene.field), scene)
    config = at_scene(config, scene)
    config.output_dir = scene.root.absolute()
    config.machine.device_type = device
    config.load_dir = checkpoint.parent
    pipeline = config.pipeline.setup(device=device, test_mode="test")
    content = read_checkpoint(checkpoint)
    pipeline.load_pipeline(content["pipeline"], content["step"])
    pipeline.eval()
    return config, pipeline, int(content["step"])


def at_scene(config: RelightTrainerConfig, scene: Scene) -> RelightTrainerConfig:
    """Point a run's settings at the folder where its scene lies now."""
    root = scene.root.absolute()
    config.data = config.pipeline.datamanager.data = config.pipeline.datamanager.dataparser.data = root
    return config


def _run(run: Path, scene: Scene) -> tuple[RelightTrainerConfig, Path]:
    """Return the settings of a run and its newest checkpoint."""
    checkpoint = newest_checkpoint(run)
    if checkpoint is None or not (run / "config.yml").is_file():
        raise InputError(f"{run}: no fitted field", f"run `relightnerf fit --scene {scene.root}` first")
    return _settings(run / "config.yml"), checkpoint


def _settings(path: Path) -> RelightTrainerConfig:
    try:
        config = yaml.load(path.read_text(), Loader=yaml.Loader)
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, ImportError) as error:
        raise InputError(f"{path}: cannot be read ({first_line(error)})", AGAIN) from None
    if not isinstance(config, RelightTrainerConfig):
        raise InputError(f"{path}: not the settings of a field", AGAIN)
    return config


def _model(settings: RelightModelConfig, weights: dict[str, Tensor]) -> RelightModel:
    has_lights = bool(weights["light_decoder.transfer.4.weight"].any())
    metadata = {"light_directions": torch.zeros(1, len(weights["latents"]), 3)} if has_lights else {}
    box = SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]))
    model = settings.setup(scene_box=box, num_train_data=1, metadata=metadata)
    try:
        model.load_state_dict(weights)
    except (RuntimeError, LookupError) as error:
        raise InputError(f"the field's weights do not go with its settings ({first_line(error)})", AGAIN) from None
    return model
