"""Reading and writing the pictures and arrays of a scene."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path

_HALF = 128
"""8-bit value from which a pixel of a mask that is a JPEG counts as used."""


def read_image(path: Path, upright: bool = True) -> UInt8[np.ndarray, "height width 3"]:
    """Read an 8-bit sRGB picture; alpha is dropped.

    Args:
        path: the picture.
        upright: turn it as its EXIF orientation says.

    Raises:
        InputError: the file is absent or not a picture that Pillow reads.
    """
    with named_errors(path), Image.open(path) as image:
        turned = ImageOps.exif_transpose(image) if upright else image
        return np.asarray(turned.convert("RGB"))


def read_mask(path: Path, upright: bool = True) -> Bool[np.ndarray, "height width"]:
    """Read a mask: true where any channel is above 0, as nerfstudio and COLMAP take it; 0 and 1 are a mask too.

    A JPEG does not keep its values exactly, and black near an edge comes out above 0. There half of white counts.

    Args:
        path: the picture.
        upright: turn it as its EXIF orientation says.

    Raises:
        InputError: the file is absent or not a picture that Pillow reads.
    """
    least = _HALF if path.suffix.lower() in (".jpg", ".jpeg") else 1
    return read_image(path, upright).max(axis=-1) >= least


def image_size(path: Path) -> tuple[int, int]:
    """Return (width, height) in pixels of a picture whose file is whole; it is not decoded.

    Raises:
        InputError: the file is absent, broken, or not a picture that Pillow reads.
    """
    with named_errors(path), Image.open(path) as image:
        image.verify()
        return image.size


def write_image(path: Path, image: UInt8[np.ndarray, "height width *channels"]) -> None:
    """Write an 8-bit picture atomically; the suffix chooses the format."""
    with atomic_path(path) as temporary:
        Image.fromarray(image).save(temporary)


def check_pictures(paths: Iterable[Path], size: tuple[int, int], fix: str) -> None:
    """Check that pictures are there, whole and of one size, before anything is cleared; they are not decoded.

    Args:
        paths: the pictures.
        size: (width, height) that each must have, pixels.
        fix: what to do if one is absent or of another size.

    Raises:
        InputError: one is absent, broken, or of another size.
    """
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: missing", fix)
        if (found := image_size(path)) != size:
            raise InputError(f"{path}: has another size, {found[0]}x{found[1]}, than {size[0]}x{size[1]}", fix)


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn what Pillow raises for a picture into an ``InputError`` that names it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such image", "check the path or remove its entry") from None
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})", "replace or remove the file") from None


def read_array(path: Path) -> Float[np.ndarray, "..."]:
    """Read a float npy file.

    Raises:
        InputError: the file is absent or not an npy file.
    """
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "run the stage that makes it") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{path}: cannot be read as an npy array ({error})", "replace the file") from None


def write_array(path: Path, array: Float[np.ndarray, "..."]) -> None:
    """Write a float32 npy file atomically."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array.astype(np.float32), allow_pickle=False)


def parse_size(text: str, flag: str) -> tuple[int, int]:
    """Return width and height of a text like ``96x64``.

    Args:
        text: what the user gave.
        flag: where, for the message.

    Raises:
        InputError: it is no such text.
    """
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise InputError(f"{flag} {text}: not a size", "give WIDTHxHEIGHT in pixels, e.g. 96x64")
    return int(parts[0]), int(parts[1])
