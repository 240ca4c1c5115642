"""Runs that stop half way, as if the user had pressed ctrl-c."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


def stop_after(patch: pytest.MonkeyPatch, module: ModuleType, count: int) -> None:
    """Let a module write so many pictures, and interrupt the next."""
    write, left = module.write_image, [count]

    def stopping(path: Path, image: np.ndarray) -> None:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, image)

    patch.setattr(module, "write_image", stopping)
