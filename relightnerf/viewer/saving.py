"""Saved views: a PNG of the picture, a JSON file from which ``render`` makes it again, and keyframes."""

import re
from pathlib import Path

import numpy as np
from jaxtyping import Float

from relightnerf.imaging.color import to_uint8
from relightnerf.io.images import write_image
from relightnerf.render.saved_views import Keyframes, SavedView, load_views, save_keyframes, save_view


def keep_view(folder: Path, name: str, picture: Float[np.ndarray, "height width 3"], view: SavedView) -> Path:
    """Write ``<name>.png`` and ``<name>.json``, with a number behind the name where there is one like it already.

    Args:
        folder: where to.
        name: what people call it; characters that file names had better not have become dashes.
        picture: sRGB in [0, 1].
        view: what it shows.

    Returns:
        The JSON file.
    """
    stem = _stem(name)
    number, path = 1, folder / f"{stem}.json"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}.json"
    write_image(path.with_suffix(".png"), to_uint8(picture))
    save_view(path, view)
    return path


def add_keyframe(folder: Path, name: str, view: SavedView) -> tuple[Path, int]:
    """Put a view behind those in ``<name>_keyframes.json``, which is made where there is none.

    Args:
        folder: where to.
        name: what people call it, as in ``keep_view``.
        view: the keyframe.

    Returns:
        The file, and how many keyframes it has now.

    Raises:
        InputError: the file there does not hold keyframes.
    """
    path = folder / f"{_stem(name)}_keyframes.json"
    before = load_views(path) if path.exists() else Keyframes(())
    views = (*before.views, view)
    save_keyframes(path, views, before.seconds)
    return path, len(views)


def _stem(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "view"
