"""Writing a capture into a scene: undistorted, resized, one file at a time."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8

from relightnerf.cameras import Cameras, save_cameras
from relightnerf.capture._lenses import pinhole_intrinsics, undistorted
from relightnerf.capture._pictures import enable_heif, opaque_pixels, same_shape
from relightnerf.capture._points import write_points
from relightnerf.capture._types import Capture, Photo
from relightnerf.errors import InputError
from relightnerf.io.images import read_image, read_mask, write_image
from relightnerf.progress import say, track

_HALF = 128
"""8-bit value from which a pixel of a resized mask counts as used: at least half of it was."""
POINTS = "sparse_pc.ply"
"""Name of the file of sparse points, nerfstudio's."""


def prepared_cameras(capture: Capture, max_size: int) -> Cameras:
    """Return the pinhole cameras of the prepared pictures, whose longer side is at most ``max_size`` pixels.

    Raises:
        InputError: the photos have different shapes.
    """
    check_shapes([(photo.path, photo.lens.width, photo.lens.height) for photo in capture.photos])
    first = min((photo.lens for photo in capture.photos), key=lambda lens: lens.width)
    scale = min(1.0, max_size / max(first.width, first.height))
    width, height = max(1, round(first.width * scale)), max(1, round(first.height * scale))
    intrinsics = [_scaled_intrinsics(photo, width, height) for photo in capture.photos]
    poses = np.stack([photo.camera_to_world for photo in capture.photos])
    return Cameras(tuple(photo.name for photo in capture.photos), poses, np.array(intrinsics), width, height)


def check_shapes(sizes: list[tuple[Path, int, int]]) -> None:
    """Check that pictures have one shape (up to 2 %), so that all can be brought to one size.

    Raises:
        InputError: they differ; the line names one of each shape.
    """
    _, width, height = sizes[0]
    others = {(w, h): path for path, w, h in reversed(sizes) if not same_shape((w, h), (width, height))}
    if others:
        listed = ", ".join(f"{path.name} {w}x{h}" for (w, h), path in others.items())
        listed = f"{sizes[0][0].name} {width}x{height}, {listed}"
        raise InputError(
            f"{sizes[0][0].parent}: photos of different shapes ({listed})", "leave out or crop those that differ"
        )


def write_prepared(capture: Capture, cameras: Cameras, folder: Path) -> None:
    """Write pictures, masks, points and, last, ``transforms.json`` of a capture; what is there already stays.

    A mask is 255 where a pixel is to be used and 0 where not; it is written before its picture.

    Raises:
        InputError: a photo was changed while it was read, or the masks leave out every pixel of every photo.
    """
    for photo in track(capture.photos, "preparing photos"):
        picture = folder / "images" / f"{photo.name}.png"
        if not picture.is_file():
            _write_photo(photo, folder, (cameras.width, cameras.height))
    _check_masks(capture.photos, folder / "masks")
    extra = {}
    if len(capture.points):
        write_points(folder / POINTS, capture.points)
        extra["ply_file_path"] = POINTS
    save_cameras(folder / "transforms.json", cameras, **extra)


def _write_photo(photo: Photo, folder: Path, size: tuple[int, int]) -> None:
    enable_heif([photo.path])
    image = read_image(photo.path, photo.upright)
    if image.shape[:2] != (photo.lens.height, photo.lens.width):
        raise InputError(f"{photo.path}: changed while it was read", "run the command again")
    mask = _mask(photo)
    image, seen = undistorted(image, photo.lens)
    if mask is not None:
        mask = undistorted(mask[..., None], photo.lens)[0][..., 0]
    if seen is not None:
        mask = np.where(seen, np.uint8(255) if mask is None else mask, 0).astype(np.uint8)
    if mask is not None:
        whole = _resized(mask, size) >= _HALF
        write_image(folder / "masks" / f"{photo.name}.png", np.where(whole, 255, 0).astype(np.uint8))
    write_image(folder / "images" / f"{photo.name}.png", _resized(image, size))


def _check_masks(photos: Sequence[Photo], folder: Path) -> None:
    """Say which masks leave out all of their photos; all of them cannot be meant."""
    masks = {photo.name: folder / f"{photo.name}.png" for photo in photos}
    empty = [name for name, path in masks.items() if path.is_file() and not read_mask(path).any()]
    if len(empty) == len(photos):
        where = photos[0].mask or photos[0].path
        raise InputError(f"{where}: leaves out every pixel, as all masks do", "make them white where photos are used")
    if empty:
        say(f"prepare: masks leave out every pixel of {len(empty)} of {len(photos)} photos (the first: {empty[0]})")


def _mask(photo: Photo) -> UInt8[np.ndarray, "height width"] | None:
    """Return 255 where a photo's mask or its alpha channel lets it be used; None when neither says anything."""
    used: Bool[np.ndarray, "height width"] | None = opaque_pixels(photo.path, photo.upright)
    if photo.mask is not None:
        used = read_mask(photo.mask, photo.upright)
    if used is None:
        return None
    return _resized(np.where(used, 255, 0).astype(np.uint8), (photo.lens.width, photo.lens.height))


def _resized(image: UInt8[np.ndarray, "..."], size: tuple[int, int]) -> UInt8[np.ndarray, "..."]:
    import cv2

    if (image.shape[1], image.shape[0]) == size:
        return image
    smaller = size[0] <= image.shape[1] and size[1] <= image.shape[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)


def _scaled_intrinsics(photo: Photo, width: int, height: int) -> Float[np.ndarray, "4"]:
    scale_x, scale_y = width / photo.lens.width, height / photo.lens.height
    return np.array(pinhole_intrinsics(photo.lens)) * [scale_x, scale_y, scale_x, scale_y]
