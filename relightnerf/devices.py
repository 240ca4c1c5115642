"""The device that a command computes on."""

import resource

from relightnerf.errors import InputError


def resolve_device(device: str) -> str:
    """Return ``"cpu"`` or ``"cuda"`` for ``"auto"``, ``"cpu"`` or ``"cuda"``; auto takes CUDA where torch has it.

    Raises:
        InputError: CUDA is asked for but torch finds no CUDA device, or the name is another.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {device}: no such device", "give auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            f"--device cuda: torch {torch.__version__} finds no CUDA device",
            "give --device cpu, or install a CUDA build of torch and the driver",
        )
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device


def peak_memory_gib(device: str) -> float:
    """Return the most memory that was in use so far, in GiB: torch's on ``"cuda"``, this process's on ``"cpu"``."""
    import torch

    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
