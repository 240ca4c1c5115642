"""nerfstudio's trainer with checkpoints that are whole or absent."""

import os
from dataclasses import dataclass, field

import torch
from nerfstudio.engine.trainer import Trainer, TrainerConfig
from torch import Tensor

from relightnerf.io.files import atomic_path


@dataclass
class RelightTrainerConfig(TrainerConfig):
    """nerfstudio's trainer settings."""

    _target: type = field(default_factory=lambda: RelightTrainer)


class RelightTrainer(Trainer):
    """Writes each checkpoint beside its place and renames it, so that a kill never leaves half of one."""

    def train_iteration(self, step: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """Run one step; the losses come without their graph, which must not outlive the sizes that the grids have."""
        loss, losses, metrics = super().train_iteration(step)
        return loss.detach(), {name: value.detach() for name, value in losses.items()}, metrics

    def save_checkpoint(self, step: int, with_optimizers: bool = True) -> None:
        """Write the state after ``step``; older checkpoints go once it is there, if the configuration says so.

        Args:
            step: the last step that was done.
            with_optimizers: whether training is to go on from here; without, the file is a third of the size.
        """
        self.checkpoint_dir.mkdir(parents=True, exist_ok=True)
        path = self.checkpoint_dir / f"step-{step:09d}.ckpt"
        states = self.optimizers.optimizers if with_optimizers else {}
        content = {
            "step": step,
            "pipeline": self.pipeline.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in states.items()},
            "schedulers": {name: scheduler.state_dict() for name, scheduler in self.optimizers.schedulers.items()},
            "scalers": self.grad_scaler.state_dict(),
        }
        with atomic_path(self.base_dir / path.name) as temporary:
            with open(temporary, "wb") as file:  # through a file, the bytes do not depend on the file's name
                torch.save(content, file)
        os.replace(self.base_dir / path.name, path)
        if self.config.save_only_latest_checkpoint:
            for other in self.checkpoint_dir.glob("*.ckpt"):
                if other != path:
                    other.unlink()
