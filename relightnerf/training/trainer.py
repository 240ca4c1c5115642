"""The training loop: gradients, checkpoints, logs. What is trained, and on which loss, is the objective's business."""

import contextlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate

from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import psnr, scaled, ssim
from relightnerf.io.images import write_image
from relightnerf.progress import say, track
from relightnerf.training.checkpoints import claim_output, load_checkpoint, save_checkpoint, write_point
from relightnerf.training.config import TrainingRun

_NUMBER = "number"
"""Key of a sample's number in a batch, which its randomness follows from."""
Batch = Mapping[str, Float[Tensor, "batch *_"]]
Validation = tuple[dict[str, float], UInt8[np.ndarray, "height width 3"]]


class Objective(Protocol):
    """What is trained."""

    @property
    def module(self) -> nn.Module:
        """Holds every weight; those that are trained require a gradient."""
        ...

    @property
    def dataset(self) -> Dataset[dict[str, Tensor]]:
        """Gives sample ``number``, any number from 0 on."""
        ...

    def to(self, device: torch.device) -> None:
        """Move what is not in ``module``."""
        ...

    def loss(self, module: nn.Module, batch: Batch, generators: Sequence[torch.Generator]) -> Float[Tensor, ""]:
        """Return the mean loss; what is random about a sample comes from its own generator, which is on the CPU."""
        ...

    def validate(self) -> Validation | None:
        """Return scores and a sheet of pictures; None without validation data."""
        ...

    def save(self, folder: Path) -> None:
        """Write what users load."""
        ...


def train(run: TrainingRun, objective: Objective) -> list[float]:
    """Train from the last checkpoint, or from the start, to the end; returns the losses of the steps taken now.

    A resumed run takes the same steps with the same numbers as an uninterrupted one, and several processes (started by
    ``accelerate launch``) the same as one: samples, noise and learning rate follow from the sample's and the step's
    number alone. The output folder gets
    ``checkpoints/``, ``model/`` (what users load, as of the last checkpoint), ``samples/`` and ``validation.jsonl``
    (validations' pictures and scores), and ``logs/`` for TensorBoard.

    Raises:
        InputError: the output folder belongs to another run, or the batch cannot be shared by the processes.
    """
    accelerator = Accelerator(mixed_precision=run.precision)
    if run.batch % (accelerator.num_processes * run.accumulate):
        raise InputError(
            f"--batch {run.batch}: not a multiple of {accelerator.num_processes} processes x {run.accumulate} parts",
            "choose another batch",
        )
    if accelerator.is_main_process:
        claim_output(run)
    accelerator.wait_for_everyone()
    return _Training(run, objective, accelerator).run()


def check_size(size: tuple[int, int], block: int) -> None:
    """Check that training pictures can be cut into a model's blocks.

    Raises:
        InputError: a side is not a multiple of ``block``.
    """
    if any(side % block for side in size):
        raise InputError(f"--size {size[0]} {size[1]}: not multiples of {block}", "choose a size that this model takes")


def pair_scores(
    picture: Float[np.ndarray, "height width 3"], truth: Float[np.ndarray, "height width 3"]
) -> dict[str, float]:
    """Return ``psnr`` and ``ssim`` as it is, and ``psnr_scaled`` with each channel's exposure fitted."""
    return {
        "psnr": psnr(picture, truth),
        "ssim": ssim(picture, truth),
        "psnr_scaled": psnr(scaled(picture, truth), truth),
    }


def rate_factor(run: TrainingRun, step: int) -> float:
    """Return what the learning rate is multiplied by at a step: a linear rise, then 1, then half a cosine to 0."""
    rise = min(1.0, (step + 1) / run.warmup) if run.warmup else 1.0
    start = (1.0 - run.cooldown) * run.steps
    fallen = (step - start) / (run.steps - start) if step > start else 0.0
    return rise * 0.5 * (1.0 + math.cos(math.pi * fallen))


class _Training:
    """One process's part of a run."""

    def __init__(self, run: TrainingRun, objective: Objective, accelerator: Accelerator) -> None:
        self._run, self._objective, self._accelerator = run, objective, accelerator
        objective.to(accelerator.device)
        objective.module.to(memory_format=torch.channels_last)  # a sixth faster, on the CPU too
        self._trained = [p for p in objective.module.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(self._trained, lr=run.learning_rate, weight_decay=run.weight_decay)
        self._module, self._optimizer = accelerator.prepare(objective.module, optimizer)
        self._ema = EMAModel(self._trained, decay=run.ema) if run.ema else None
        self._seconds = 0.0
        self._step = self._resumed_step()

    def run(self) -> list[float]:
        run, losses, logs = self._run, [], self._writer()
        steps, started = range(self._step, run.steps), time.monotonic()
        for step, batch in zip(track(steps, "training", run.steps, self._step), self._batches(), strict=True):
            losses.append(self._take_step(step, batch))
            self._step = step + 1
            self._seconds += time.monotonic() - started
            if logs and self._is_due(run.log_every):
                logs.add_scalar("loss", np.mean(losses[-run.log_every :]), self._step)
            if self._accelerator.is_main_process and self._is_due(run.validate_every):
                self._validate(logs)
            if self._accelerator.is_main_process and self._is_due(run.save_every):
                self._save()
            self._accelerator.wait_for_everyone()
            started = time.monotonic()
        if logs:
            logs.close()
        return losses

    def _is_due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self._run.steps

    def _take_step(self, step: int, batch: Batch) -> float:
        run, accelerator = self._run, self._accelerator
        for group in self._optimizer.param_groups:
            group["lr"] = run.learning_rate * rate_factor(run, step)
        total = 0.0
        for index, part in enumerate(_parts(batch, run.accumulate, accelerator.device)):
            generators = [torch.Generator().manual_seed(_seed(run.seed, int(n))) for n in part[_NUMBER]]
            last = index == run.accumulate - 1
            with contextlib.nullcontext() if last else accelerator.no_sync(self._module):
                loss = self._objective.loss(self._module, part, generators) / run.accumulate
                accelerator.backward(loss)
            total += float(loss.detach())
        accelerator.clip_grad_norm_(self._trained, run.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._ema:
            self._ema.step(self._trained)
        return total

    def _batches(self) -> Iterator[Batch]:
        run, accelerator = self._run, self._accelerator
        share = run.batch // accelerator.num_processes
        first = accelerator.process_index * share
        starts = (step * run.batch + first for step in range(self._step, run.steps))
        loader = DataLoader(
            _Samples(self._objective.dataset),
            batch_sampler=[list(range(start, start + share)) for start in starts],
            num_workers=run.workers,
            collate_fn=_collated,
            pin_memory=accelerator.device.type == "cuda",
        )
        for batch in loader:
            if isinstance(batch, InputError):
                raise batch
            yield batch

    def _writer(self) -> Any:
        if not self._accelerator.is_main_process or self._step >= self._run.steps:
            return None
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(self._run.output / "logs", purge_step=self._step)

    def _validate(self, logs: Any) -> None:
        with self._averaged():
            validation = self._objective.validate()
        if validation is None:
            return
        scores, sheet = validation
        overall = [f"{name} {value:.4g}" for name, value in scores.items() if "/" not in name]
        say(f"step {self._step}: {', '.join(overall)}")
        write_point(self._run.output, {"step": self._step, "seconds": round(self._seconds, 1), **scores})
        write_image(self._run.output / "samples" / f"step-{self._step:08d}.png", sheet)
        for name, value in scores.items():
            logs.add_scalar(f"validation/{name}", value, self._step)
        logs.add_image("validation", sheet, self._step, dataformats="HWC")

    def _save(self) -> None:
        with self._averaged():
            self._objective.save(self._run.output / "model")
        state = {"optimizer": self._optimizer.state_dict(), "seconds": self._seconds}
        if self._ema:
            state["ema"] = self._ema.state_dict()
        if self._accelerator.scaler is not None:
            state["scaler"] = self._accelerator.scaler.state_dict()
        save_checkpoint(self._run.output, self._step, self._objective.module, state)

    def _resumed_step(self) -> int:
        state = load_checkpoint(self._run.output, self._objective.module, self._accelerator.device)
        if state is None:
            return 0
        self._optimizer.load_state_dict(state["optimizer"])
        if self._ema:
            self._ema.load_state_dict(state["ema"])
        if self._accelerator.scaler is not None:
            self._accelerator.scaler.load_state_dict(state["scaler"])
        self._seconds, step = float(state["seconds"]), int(state["step"])
        say(
            f"training: {'done already' if step >= self._run.steps else 'going on'} at step {step} ({self._run.output})"
        )
        return step

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """Within the block, the weights are their moving averages, if the run keeps them."""
        if self._ema is None:
            yield
            return
        self._ema.store(self._trained)
        self._ema.copy_to(self._trained)
        try:
            yield
        finally:
            self._ema.restore(self._trained)


class _Samples(Dataset[Any]):
    """A dataset whose workers hand over what is wrong with the input instead of a traceback."""

    def __init__(self, dataset: Dataset[dict[str, Tensor]]) -> None:
        self._dataset = dataset

    def __getitem__(self, number: int) -> dict[str, Tensor] | InputError:
        try:
            return {**self._dataset[number], _NUMBER: torch.tensor(float(number), dtype=torch.float64)}
        except InputError as error:
            return error


def _collated(samples: list[Any]) -> Batch | InputError:
    error = next((sample for sample in samples if isinstance(sample, InputError)), None)
    return error or default_collate(samples)


def _parts(batch: Batch, count: int, device: torch.device) -> Iterator[Batch]:
    moved = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
    share = len(next(iter(moved.values()))) // count
    return ({n: v[i * share : (i + 1) * share] for n, v in moved.items()} for i in range(count))


def _seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
