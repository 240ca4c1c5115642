"""A folder of photos without poses."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from relightnerf.capture._names import evenly_chosen, natural_key, view_names
from relightnerf.capture._pictures import check_mask, enable_heif, mask_beside, picture_size, pictures_in
from relightnerf.capture._sfm import FEWEST_PHOTOS, Unposed, pose_photos
from relightnerf.capture._types import Capture, SourceOptions
from relightnerf.errors import InputError

# tags of EXIF 2.32, CIPA DC-008
_EXIF_IFD = 0x8769
_FOCAL_LENGTH = 0x920A
_FOCAL_LENGTH_35MM = 0xA405
_PIXEL_WIDTH = 0xA002
_PIXEL_HEIGHT = 0xA003
_PLANE_RESOLUTION = 0xA20E
_PLANE_UNIT = 0xA210
_MM_PER_UNIT = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
"""Millimetres in the units that EXIF numbers: inch, centimetre, millimetre, micrometre."""
_DIAGONAL_35MM = 43.27
"""Of a frame of 35 mm film, 36 x 24 mm, in mm."""


@dataclass(frozen=True)
class PhotosSource:
    """Photos whose cameras have to be found."""

    photos: tuple[Unposed, ...]
    quick: bool
    kind: str = "photos"
    finds_poses: bool = True

    @property
    def files(self) -> list[Path]:
        """The photos and their masks."""
        return [*(photo.path for photo in self.photos), *self.masks]

    @property
    def masks(self) -> list[Path]:
        """The masks of those photos that have one."""
        return [photo.mask for photo in self.photos if photo.mask is not None]

    @property
    def count(self) -> int:
        """The number of photos."""
        return len(self.photos)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first photo, pixels."""
        return self.photos[0].width, self.photos[0].height

    def load(self, workspace: Path) -> Capture:
        """Find the cameras by structure from motion."""
        return pose_photos(self.photos, workspace, self.quick, ordered=False)


def open_photos(path: Path, options: SourceOptions) -> PhotosSource | None:
    """Return the photos in a folder or in its ``images``; None if there are none.

    Raises:
        InputError: there are fewer than three photos, one cannot be read, or they have different sizes.
    """
    if not path.is_dir():
        return None
    pictures = pictures_in(path) or (pictures_in(path / "images") if (path / "images").is_dir() else [])
    if not pictures:
        return None
    pictures = sorted(pictures, key=lambda picture: natural_key(picture.name))
    pictures = [pictures[index] for index in evenly_chosen(len(pictures), options.max_views)]
    if len(pictures) < FEWEST_PHOTOS:
        count = "one photo" if len(pictures) == 1 else f"{len(pictures)} photos"
        raise InputError(f"{path}: only {count}", "take 30 or more all around the scene, each overlapping the next")
    enable_heif(pictures)
    sizes = [picture_size(picture, upright=True) for picture in pictures]
    _check_sizes(path, pictures, sizes)
    photos = [
        Unposed(name, picture, mask_beside(picture), *size, focal_prior(picture, size))
        for name, picture, size in zip(view_names(pictures), pictures, sizes, strict=True)
    ]
    for photo in photos:
        check_mask(photo.mask, (photo.width, photo.height))
    return PhotosSource(tuple(photos), options.quick)


def focal_prior(picture: Path, size: tuple[int, int]) -> float | None:
    """Return the focal length in pixels that a photo's EXIF data tells, for a picture of ``size``; None if it does not.

    From the 35 mm equivalent (by the diagonal, CIPA DCG-001), or from the focal length and the sensor's resolution.
    """
    with Image.open(picture) as image:
        tags = image.getexif().get_ifd(_EXIF_IFD)
    equivalent = _positive(tags.get(_FOCAL_LENGTH_35MM))
    if equivalent is not None:
        return equivalent / _DIAGONAL_35MM * math.hypot(*size)
    focal, resolution = _positive(tags.get(_FOCAL_LENGTH)), _positive(tags.get(_PLANE_RESOLUTION))
    width, unit = _positive(tags.get(_PIXEL_WIDTH)), _MM_PER_UNIT.get(tags.get(_PLANE_UNIT, 2))
    if focal is None or resolution is None or width is None or unit is None:
        return None
    height = _positive(tags.get(_PIXEL_HEIGHT)) or 0.0
    return focal * resolution / unit * max(size) / max(width, height)


def _check_sizes(folder: Path, pictures: list[Path], sizes: list[tuple[int, int]]) -> None:
    if len(set(sizes)) == 1:
        return
    counted = sorted(set(sizes), key=sizes.count, reverse=True)
    listed = "; ".join(
        f"{sizes.count(size)} of {size[0]}x{size[1]} ({pictures[sizes.index(size)].name}"
        f"{', ...' if sizes.count(size) > 1 else ''})"
        for size in counted
    )
    raise InputError(
        f"{folder}: photos of different sizes: {listed}",
        "keep one size and orientation: move the others out of the folder",
    )


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
