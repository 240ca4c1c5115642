"""Where a field's run lies in a stage's folder; imports nothing that takes time."""

from pathlib import Path

METHOD = "relightnerf"
"""Name of the method, which nerfstudio makes a folder of."""


def run_folder(output: Path) -> Path:
    """Return the nerfstudio run in a stage's folder: the one with ``config.yml``."""
    return output / METHOD / "run"


def newest_checkpoint(run: Path) -> Path | None:
    """Return a run's checkpoint with the highest step."""
    return max((run / "nerfstudio_models").glob("step-*.ckpt"), default=None)


def checkpoint_step(checkpoint: Path) -> int:
    """Return the last step that was done before a checkpoint was written."""
    return int(checkpoint.stem.removeprefix("step-"))
