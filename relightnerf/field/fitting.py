"""Training runs of the stages: a nerfstudio run that can be killed at any time and goes on as if it had not been."""

import time
from pathlib import Path

import torch
from nerfstudio.engine.callbacks import TrainingCallbackLocation
from nerfstudio.utils import writer
from nerfstudio.utils.rich_utils import CONSOLE

from relightnerf.errors import InputError, first_line
from relightnerf.field.checkpoints import AGAIN, checkpoint_step, model_state, newest_checkpoint
from relightnerf.field.cpu import tune_cpu
from relightnerf.field.trainer import RelightTrainer, RelightTrainerConfig
from relightnerf.io.files import atomic_path
from relightnerf.progress import track

_SECONDS_PER_SAVE = 30.0
"""What a kill may cost at most; a checkpoint takes a few tenths of a second."""
_SEED = 42
"""Of the networks' first weights."""


def train(config: RelightTrainerConfig, description: str, warmup: Path | None = None, until: int | None = None) -> None:
    """Train a run to its last step, going on from its newest checkpoint if there is one.

    Args:
        config: the run; its files go to ``config.get_base_dir()``.
        description: what the progress bar says.
        warmup: checkpoint of another run to start from: its density and colours under the capture's light.
        until: do only so many of all its steps; what follows is left to another call.
    """
    end = config.max_num_iterations if until is None else until
    newest = newest_checkpoint(config.get_base_dir())
    if until is not None and newest is not None and checkpoint_step(newest) + 1 >= until:
        return
    tune_cpu()
    CONSOLE.quiet = True
    _save_config(config)
    trainer = _set_up(config)
    if warmup is not None and trainer._start_step == 0:
        _load_warmup(trainer, warmup)
    steps = range(trainer._start_step, end)
    saved = time.monotonic()
    for step in track(steps, description, done=trainer._start_step):
        train_step(trainer, step)
        if time.monotonic() - saved > _SECONDS_PER_SAVE:
            trainer.save_checkpoint(step)
            saved = time.monotonic()
    if steps:
        trainer.save_checkpoint(end - 1, with_optimizers=end < config.max_num_iterations)


def _load_warmup(trainer: RelightTrainer, warmup: Path) -> None:
    try:
        trainer.pipeline.model.load_warmup(model_state(warmup))
    except RuntimeError as error:  # the grids of another size
        raise InputError(f"{warmup}: a field of another size ({first_line(error)})", AGAIN) from None


def _save_config(config: RelightTrainerConfig) -> None:
    import yaml

    run = config.get_base_dir()
    with atomic_path(run / "config.yml") as temporary:
        temporary.write_text(yaml.dump(config))


def _set_up(config: RelightTrainerConfig) -> RelightTrainer:
    torch.manual_seed(_SEED)
    config.vis = "none"  # neither a viewer nor an event log
    config.logging.local_writer.enable = False
    config.load_dir = config.get_checkpoint_dir() if newest_checkpoint(config.get_base_dir()) else None
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    return trainer


def train_step(trainer: RelightTrainer, step: int) -> None:
    """Do one step, and what the model and the data manager have to do before and after it."""
    trainer.step = step
    trainer.pipeline.train()
    for callback in trainer.callbacks:
        callback.run_callback_at_location(step, location=TrainingCallbackLocation.BEFORE_TRAIN_ITERATION)
    trainer.train_iteration(step)
    for callback in trainer.callbacks:
        callback.run_callback_at_location(step, location=TrainingCallbackLocation.AFTER_TRAIN_ITERATION)
    writer.write_out_storage()
