"""Checks of an installation, by using its parts; every check says what to do."""

import ctypes
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relightnerf.errors import InputError, first_line

Level = Literal["OK", "warning", "problem"]
SYSTEM_LIBRARIES = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
    "libgomp.so.1": "libgomp1",
}
"""Shared libraries that Open3D, PyTorch and OpenCV expect of the system, and Debian's packages of them."""
_OLDEST, _TOO_NEW = (3, 10), (3, 13)
"""Versions of Python: the first that works, and the first that does not any more (nerfstudio's packages)."""
_REINSTALL = "run scripts/setup.sh, or pip install --force-reinstall"
_ANSWER = 42
"""What the compiled test loop must give."""
_SCENE_GB, _LARGE_SCENE_GB, _MEMORY_GB = 1.0, 5.0, 4.0
"""Disk that a small and a large scene take, and memory that a run takes, all rounded up."""


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
        level: OK; warning: something will be slower or left out; problem: something will fail.
        text: what is there, in one line.
        fix: what to do about it; empty where nothing is to be done.
    """

    level: Level
    text: str
    fix: str = ""


def findings(place: Path) -> Iterator[tuple[str, Finding]]:
    """Yield what each check has found, by its name.

    Args:
        place: where scenes are to be written to, for the room on its disk.
    """
    for name, check in CHECKS.items():
        yield name, _checked(check, place)


def _checked(check: Callable[[Path], Finding], place: Path) -> Finding:
    try:
        return check(place)
    except InputError as error:
        return Finding("problem", error.what, error.fix)
    except Exception as error:  # whatever a broken package raises is what is to be found out
        return Finding("problem", f"{type(error).__name__}: {first_line(error)}", _remedy(error))


def _remedy(error: Exception) -> str:
    package = next((p for library, p in SYSTEM_LIBRARIES.items() if library in str(error)), None)
    if package is not None:
        return f"as root: apt-get install {package}"
    if isinstance(error, ImportError) and error.name:
        return f"{_REINSTALL} {error.name.partition('.')[0]}"
    return _REINSTALL + " relightnerf"


def _python(_: Path) -> Finding:
    version = platform.python_version()
    if not _OLDEST <= sys.version_info[:2] < _TOO_NEW:
        return Finding("problem", version, "make the environment with Python 3.10, 3.11 or 3.12")
    return Finding("OK", f"{version} in {sys.prefix}")


def _torch(_: Path) -> Finding:
    import torch

    if torch.cuda.is_available():
        return Finding("OK", f"{torch.__version__}, computes on {torch.cuda.get_device_name()}")
    if shutil.which("nvidia-smi") is None:
        return Finding("OK", f"{torch.__version__}, computes on {os.cpu_count()} CPU cores; no GPU is here")
    text = f"{torch.__version__}, finds no CUDA device although NVIDIA's driver is here"
    return Finding("warning", text, "install torch and torchvision of one CUDA build, as pytorch.org says")


def _compiled_loops(_: Path) -> Finding:
    import numba

    answer = numba.njit(lambda count: count * 2)(21)
    if answer != _ANSWER:
        return Finding("problem", f"numba {numba.__version__} computes wrongly", f"{_REINSTALL} numba")
    places = (Path(__file__).parents[1] / "field", Path.home())
    if not any(os.access(place, os.W_OK) for place in places):
        return Finding("warning", f"numba {numba.__version__}, cannot keep what it compiles", "set NUMBA_CACHE_DIR")
    return Finding("OK", f"numba {numba.__version__} compiles")


def _nerfstudio(_: Path) -> Finding:
    from importlib.metadata import entry_points, version

    method = next((e for e in entry_points(group="nerfstudio.method_configs") if e.name == "relightnerf"), None)
    if method is None:
        text = f"{version('nerfstudio')}, does not know the method relightnerf"
        return Finding("problem", text, "install this package into the same environment: pip install -e .")
    method.load()
    return Finding("OK", f"{version('nerfstudio')} knows the method relightnerf")


def _system_libraries(_: Path) -> Finding:
    if not sys.platform.startswith("linux"):
        return Finding("OK", f"nothing to check on {platform.system()}")
    missing = [package for library, package in SYSTEM_LIBRARIES.items() if not _loads(library)]
    if missing:
        return Finding("problem", f"missing: {', '.join(missing)}", f"as root: apt-get install {' '.join(missing)}")
    return Finding("OK", f"{', '.join(SYSTEM_LIBRARIES)}")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _open3d(_: Path) -> Finding:
    import numpy as np
    import open3d

    from relightnerf.geometry.raycast import RayScene

    ball = RayScene(open3d.geometry.TriangleMesh.create_sphere(1.0, 8))
    up = np.array([[0.0, 0.0, 1.0]], np.float32)
    ball.ambient_visibility(1.01 * up, up, 4)
    return Finding("OK", f"{open3d.__version__} casts rays")


def _opencv(_: Path) -> Finding:
    import cv2

    return Finding("OK", str(cv2.__version__))


def _poses(_: Path) -> Finding:
    import pycolmap

    return Finding("OK", f"pycolmap {pycolmap.__version__}")


def _video(_: Path) -> Finding:
    import av
    import numpy as np

    from relightnerf.io.video import write_video

    with tempfile.TemporaryDirectory() as folder:
        write_video(Path(folder) / "test.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2, 10)
    return Finding("OK", f"PyAV {av.__version__} writes mp4")


def _relighter(_: Path) -> Finding:
    from relightnerf.diffusion.model import RelightingModel
    from relightnerf.relighters import COMPACT, COMPACT_FOLDER

    model = RelightingModel.load(str(COMPACT_FOLDER))
    count = sum(parameter.numel() for parameter in model.denoiser.parameters())
    return Finding("OK", f"{COMPACT}, {count / 1e6:.1f} million weights")


def _lpips(_: Path) -> Finding:
    from relightnerf.evaluation.lpips import BACKBONE_FILE, find_backbone

    path = find_backbone()
    if path is None:
        return Finding("OK", f"left out of evaluations, unless --lpips-weights names torchvision's {BACKBONE_FILE}")
    return Finding("OK", str(path))


def _disk(place: Path) -> Finding:
    place = place.absolute()
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free / 1e9
    text = f"{free:.0f} GB free for scenes in {existing}"
    if not os.access(existing, os.W_OK):
        return Finding("problem", f"{existing} cannot be written", "choose another folder for scenes")
    if free < _SCENE_GB:
        return Finding("problem", text, f"make room: a small scene takes up to {_SCENE_GB:.0f} GB")
    if free < _LARGE_SCENE_GB:
        return Finding("warning", text, f"make room: a large scene takes up to {_LARGE_SCENE_GB:.0f} GB")
    return Finding("OK", text)


def _memory(_: Path) -> Finding:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    text = f"{total:.0f} GB"
    if total < _MEMORY_GB:
        return Finding(
            "warning", text, f"close other programs, and use --preset quick: {_MEMORY_GB:.0f} GB may be needed"
        )
    return Finding("OK", text)


CHECKS: dict[str, Callable[[Path], Finding]] = {
    "Python": _python,
    "system libraries": _system_libraries,
    "torch": _torch,
    "compiled loops": _compiled_loops,
    "nerfstudio": _nerfstudio,
    "Open3D": _open3d,
    "OpenCV": _opencv,
    "poses of photos": _poses,
    "videos": _video,
    "relighter": _relighter,
    "LPIPS": _lpips,
    "disk": _disk,
    "memory": _memory,
}
"""What is checked, in this order."""
