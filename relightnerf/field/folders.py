"""Where a field's run lies in a stage's folder; imports nothing that takes time."""

from pathlib import Path

METHODS = ("relightnerf", "relightnerf-splat")
"""The nerfstudio methods that a scene's field can be of: grids, and 3D Gaussians; nerfstudio makes a folder of each."""


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
