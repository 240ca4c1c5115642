"""Looking into picture files before they are read: sizes, EXIF, masks beside them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageOps

from relightnerf.errors import InputError
from relightnerf.io.images import named_errors

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".heic", ".heif", ".webp", ".tif", ".tiff", ".bmp")
_HEIF_SUFFIXES = (".heic", ".heif")
_EXIF_ORIENTATION = 0x0112
"""The EXIF tag that tells how a picture is to be turned."""
_EXIF_SIDEWAYS = (5, 6, 7, 8)
"""Its values that exchange width and height."""
_MIDDLE_GRAY = 128
"""8-bit value from which a pixel of an alpha channel is opaque."""
_SHAPE_TOLERANCE = 0.02
"""Relative difference of the ratio of two sizes' sides up to which they are one shape. Rounding of a small copy's sides
is less (a pixel in 50); the next common formats (4:3 and 3:2) differ by 12 %."""


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures directly in a folder, without hidden ones, unsorted."""
    return [p for p in folder.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES and not p.name.startswith(".")]


def enable_heif(paths: Sequence[Path]) -> None:
    """Let Pillow read HEIC pictures when there are any among ``paths``.

    Raises:
        InputError: there are, and the library for them is not installed.
    """
    heif = next((path for path in paths if path.suffix.lower() in _HEIF_SUFFIXES), None)
    if heif is None:
        return
    try:
        import pillow_heif
    except ImportError:
        raise InputError(
            f"{heif}: HEIC pictures need the package pillow-heif", "install pillow-heif, or convert the photos to JPEG"
        ) from None
    pillow_heif.register_heif_opener()


def picture_size(path: Path, upright: bool = False) -> tuple[int, int]:
    """Return (width, height) in pixels from a picture's header; turned by the EXIF orientation if ``upright``.

    Raises:
        InputError: the file is absent or not a picture that Pillow reads.
    """
    with named_errors(path), Image.open(path) as image:
        width, height = image.size
        sideways = upright and image.getexif().get(_EXIF_ORIENTATION) in _EXIF_SIDEWAYS
    return (height, width) if sideways else (width, height)


def mask_beside(picture: Path) -> Path | None:
    """Return the mask of a picture in ``masks/`` in its folder, or beside its folder when that is called images."""
    folders = [picture.parent / "masks"]
    if picture.parent.name.lower().startswith("images"):
        folders.append(picture.parent.parent / "masks")
    names = [f"{picture.stem}.png", f"{picture.name}.png", picture.name, f"{picture.stem}.jpg"]
    return next((folder / name for folder in folders for name in names if (folder / name).is_file()), None)


def check_mask(mask: Path | None, size: tuple[int, int]) -> None:
    """Check that a mask, if there is one, has the shape of its photo of ``size``, up to 2 %.

    Raises:
        InputError: it has not, or cannot be read.
    """
    if mask is None:
        return
    width, height = picture_size(mask)
    if not same_shape((width, height), size):
        raise InputError(f"{mask}: is {width}x{height}, its photo {size[0]}x{size[1]}", "replace or remove the mask")


def same_shape(size: tuple[float, float], other: tuple[float, float]) -> bool:
    """Say whether two sizes (width, height) have the same ratio of their sides, up to 2 %."""
    return abs(size[0] * other[1] / (size[1] * other[0]) - 1) <= _SHAPE_TOLERANCE


def opaque_pixels(path: Path, upright: bool = False) -> Bool[np.ndarray, "height width"] | None:
    """Return where a picture with an alpha channel is opaque; None when there is none or it is opaque everywhere."""
    with Image.open(path) as image:
        if "A" not in image.getbands() and "transparency" not in image.info:
            return None
        turned = ImageOps.exif_transpose(image) if upright else image
        alpha = np.asarray(turned.convert("RGBA"))[..., 3]
    return None if alpha.min() >= _MIDDLE_GRAY else alpha >= _MIDDLE_GRAY
