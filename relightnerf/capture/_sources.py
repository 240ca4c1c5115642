"""The kinds of capture that can be read, and how one is told from another."""

from collections.abc import Callable
from pathlib import Path

from relightnerf.capture._colmap import open_colmap
from relightnerf.capture._nerfstudio import open_nerfstudio
from relightnerf.capture._photos import open_photos
from relightnerf.capture._types import Source, SourceOptions
from relightnerf.capture._video import open_video
from relightnerf.errors import InputError

_SOURCES: tuple[Callable[[Path, SourceOptions], Source | None], ...] = (
    open_nerfstudio,
    open_colmap,
    open_video,
    open_photos,
)
"""Asked in this order; the first that recognises the path reads it."""


def open_capture(path: Path, options: SourceOptions) -> Source:
    """Recognise and check a capture.

    Raises:
        InputError: there is nothing at ``path``, or nothing that is a capture, or its files are broken.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file or folder", "check --capture")
    for open_source in _SOURCES:
        source = open_source(path, options)
        if source is not None:
            return source
    what = "an empty folder" if path.is_dir() and not any(path.iterdir()) else "not a capture"
    raise InputError(
        f"{path}: {what}", "give a folder of photos, a video, a COLMAP model or a nerfstudio dataset (transforms.json)"
    )
