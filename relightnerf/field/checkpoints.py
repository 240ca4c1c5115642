"""Where a field's run lies in a stage's folder, and what is in its checkpoints; imports nothing that takes time."""

from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from relightnerf.errors import InputError, first_line

if TYPE_CHECKING:
    from torch import Tensor

    from relightnerf.scene import Scene

METHODS = ("relightnerf", "relightnerf-splat")
"""The nerfstudio methods that a scene's field can be of: grids, and 3D Gaussians; nerfstudio makes a folder of each."""

FORMAT = 2
"""Version of what a field consists of, kept in its state."""
AGAIN = "run `relightnerf geometry --force`, then `relightnerf fit --force`"
"""What to do about a field that cannot be used."""


def run_folder(output: Path) -> Path:
    """Return the nerfstudio run in a stage's folder, of whichever method: the one with ``config.yml``."""
    runs = [output / method / "run" for method in METHODS]
    return next((run for run in runs if run.is_dir()), runs[0])


def newest_checkpoint(run: Path) -> Path | None:
    """Return a run's checkpoint with the highest step."""
    return max((run / "nerfstudio_models").glob("step-*.ckpt"), default=None)


def checkpoint_step(checkpoint: Path) -> int:
    """Return the last step that was done before a checkpoint was written."""
    return int(checkpoint.stem.removeprefix("step-"))


def field_files(scene: "Scene") -> list[Path]:
    """Return the files that a scene's fitted field consists of.

    Raises:
        InputError: the field is absent or its fit was not completed.
    """
    from relightnerf.io.files import list_files
    from relightnerf.scene.stage import MANIFEST

    checkpoints = [path for path in list_files([scene.field]) if path.suffix == ".ckpt"]
    if not checkpoints or not (scene.field / MANIFEST).is_file():
        raise InputError(
            f"{scene.field}: no fitted field, or one that is not complete",
            f"run `relightnerf fit --scene {scene.root}` first",
        )
    return [scene.capture / "transforms.json", *checkpoints]


def allow_numpy_scalars() -> None:
    """Let ``torch.load`` read the numpy scalars in nerfstudio's checkpoints, which it refuses by default (torch 2.6).

    nerfstudio 1.1 calls it with the default; so its own commands need this, too, before they load a checkpoint of ours.
    """
    import numpy as np
    import torch

    make_scalar = np.float64(0.0).__reduce__()[0]
    torch.serialization.add_safe_globals([make_scalar, np.dtype, np.dtypes.Float64DType])


def read_checkpoint(checkpoint: Path) -> dict[str, Any]:
    """Return what nerfstudio has saved of a run: its ``step``, and the ``pipeline`` with the model's state.

    Raises:
        InputError: the checkpoint is damaged, or was written by a version whose fields were built otherwise.
    """
    import torch

    allow_numpy_scalars()
    try:
        content: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
        number = content["pipeline"].get("_model.format")
    except (OSError, EOFError, RuntimeError, LookupError, TypeError, AttributeError, UnpicklingError) as error:
        what = f"{checkpoint}: not a whole checkpoint ({first_line(error)})"
        raise InputError(what, AGAIN) from None
    if number != FORMAT:
        raise InputError(f"{checkpoint}: a field of an older version of relightnerf", AGAIN)
    return content


def model_state(checkpoint: Path) -> "dict[str, Tensor]":
    """Return the state of the model in a checkpoint; raises as ``read_checkpoint``."""
    state = read_checkpoint(checkpoint)["pipeline"]
    return {key.removeprefix("_model."): value for key, value in state.items() if key.startswith("_model.")}
