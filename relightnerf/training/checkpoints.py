"""Checkpoints of a training run: folders that are whole or absent, and the claim on the run's output folder."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from relightnerf.diffusion.hub import named_model_errors
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_folder, atomic_path, is_temporary, plain_json, read_json, write_json
from relightnerf.training.config import TrainingRun

VALIDATION = "validation.jsonl"
"""File in a run's output folder with one line of scores a validation."""
_RUN = "run.json"
_WEIGHTS, _STATE = "weights.safetensors", "state.pt"
_KEPT = 2
"""Checkpoints that stay: the one to go on from, and the one before."""
_FREE_TO_CHANGE = {
    *("output", "steps", "workers", "save_every", "log_every", "validate_every"),
    *("validation_samples", "accumulate", "gradient_checkpointing"),
}
"""Settings that do not change the steps that a run takes, so that it may go on with others."""


def claim_output(run: TrainingRun) -> None:
    """Write the run's settings into its output folder, unless they are there.

    Raises:
        InputError: the folder belongs to a run with other settings, or holds something else.
    """
    path = run.output / _RUN
    wanted = {key: value for key, value in plain_json(asdict(run)).items() if key not in _FREE_TO_CHANGE}
    if path.is_file():
        found = read_json(path)
        differing = sorted(key for key in wanted | found if found.get(key) != wanted.get(key))
        if differing:
            raise InputError(
                f"{run.output}: holds a run with other settings ({', '.join(differing)})",
                "choose another --output, or give the same settings to go on",
            )
        return
    if run.output.exists() and any(not is_temporary(p) for p in run.output.iterdir()):
        raise InputError(f"{run.output}: holds other files", "choose another --output")
    write_json(path, wanted)


def save_checkpoint(output: Path, step: int, module: nn.Module, state: dict[str, Any]) -> None:
    """Write the trained weights and everything else that the next step depends on; older ones are removed.

    Args:
        output: of the run.
        step: steps taken so far.
        module: its trained parameters are saved.
        state: state dictionaries by name.
    """
    folder = _folder(output) / f"step-{step:08d}"
    with atomic_folder(folder) as temporary:
        weights = {n: p.detach().contiguous() for n, p in module.named_parameters() if p.requires_grad}
        save_file(weights, temporary / _WEIGHTS)
        torch.save({"step": step, **state}, temporary / _STATE)
    for old in _checkpoints(output)[:-_KEPT]:
        shutil.rmtree(old)


def load_checkpoint(output: Path, module: nn.Module, device: torch.device) -> dict[str, Any] | None:
    """Load the newest checkpoint's weights into the module and return its state; None if there is no checkpoint.

    Raises:
        InputError: the checkpoint is broken.
    """
    found = _checkpoints(output)
    if not found:
        return None
    with named_model_errors(found[-1]):
        weights = load_file(found[-1] / _WEIGHTS, device=_name(device))
        parameters = {n: p for n, p in module.named_parameters() if p.requires_grad}
        if weights.keys() != parameters.keys():
            raise ValueError("other weights than this run trains")
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(weights[name])
        return torch.load(found[-1] / _STATE, map_location=_name(device), weights_only=True)


def write_point(output: Path, point: Mapping[str, float]) -> None:
    """Add a validation's scores to ``validation.jsonl``; points of the same or later steps, of a lost try, go.

    Args:
        output: of the run.
        point: ``step`` and scores.
    """
    path = output / VALIDATION
    earlier = read_points(output) if path.is_file() else []
    lines = [json.dumps(p) + "\n" for p in (*(e for e in earlier if e["step"] < point["step"]), point)]
    with atomic_path(path) as temporary:
        temporary.write_text("".join(lines))


def read_points(output: Path) -> list[dict[str, float]]:
    """Return the validations' steps and scores of a run."""
    return [json.loads(line) for line in (output / VALIDATION).read_text().splitlines()]


def _folder(output: Path) -> Path:
    return output / "checkpoints"


def _checkpoints(output: Path) -> list[Path]:
    return sorted(p for p in _folder(output).glob("step-*") if p.is_dir())


def _name(device: torch.device) -> str:
    """Return what safetensors calls a device; it knows no number of a CPU, which several processes have."""
    return "cpu" if device.type == "cpu" else str(device)
