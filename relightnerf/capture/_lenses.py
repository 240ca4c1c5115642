"""From a photo's lens to a pinhole camera without distortion and without black borders."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from relightnerf.capture._types import Lens

_ONE_FOCAL = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "SIMPLE_RADIAL_FISHEYE", "RADIAL", "RADIAL_FISHEYE", "SIMPLE_DIVISION",
              "SIMPLE_FISHEYE")  # fmt: skip
"""COLMAP's models with one focal length for both axes."""
_PINHOLE_AT_ZERO = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")
"""Models whose distortion is a polynomial around the pinhole camera."""

_EDGE = 0.499
"""Where a picture ends for interpolation: at the centres of its outer pixels, pixels; rounding has to pass."""


@dataclass(frozen=True)
class LensSettings:
    """What tunes the pinhole camera that replaces a lens."""

    border_samples: int = 64
    """Points on each side of a picture that have to be seen, 16 pixels apart in a picture of 1000: between two of them
    the border of an undistorted picture hardly bends."""
    same_ray: float = 1e-3
    """A lens sees a pixel if it maps it back to the ray up to this part of its length: half a pixel at a focal length
    of 500. Where a polynomial folds over it is off by much more."""
    longest_zoom: float = 3.0
    """Longest focal length of the pinhole camera, over the lens's own, from which the search goes down."""
    zoom_factor: float = 0.995
    """From one focal length that is tried to the next: half a per cent of the picture's width is lost at most."""
    zooms: int = 360
    """Focal lengths that are tried, down to half of the lens's own: a shorter one would make the middle of the picture,
    which has the detail, too small."""


_SETTINGS = LensSettings()
_ZOOMS = _SETTINGS.longest_zoom * _SETTINGS.zoom_factor ** np.arange(_SETTINGS.zooms)
"""Candidate focal lengths of the pinhole camera over the lens's own, from 3 down to 0.5."""


def is_pinhole(lens: Lens) -> bool:
    """Say whether pictures of this lens are used as they are."""
    return lens.model in _PINHOLE_AT_ZERO and not any(lens.params[_focal_count(lens) + 2 :])


def resized_lens(lens: Lens, width: int, height: int) -> Lens:
    """Return the lens of the same picture at another size of the same shape, up to a rounding of the sides."""
    if (width, height) == (lens.width, lens.height):
        return lens
    # COLMAP's parameters: focal lengths, principal point, distortion. Pixels scale the first two; distortion is a
    # function of rays and has no unit of pixels.
    scale_x, scale_y = width / lens.width, height / lens.height
    if _focal_count(lens) == 1:
        mean = (scale_x + scale_y) / 2
        params = (lens.params[0] * mean, lens.params[1] * scale_x, lens.params[2] * scale_y, *lens.params[3:])
    else:
        fx, fy, cx, cy, *rest = lens.params
        params = (fx * scale_x, fy * scale_y, cx * scale_x, cy * scale_y, *rest)
    return Lens(lens.model, width, height, params)


@lru_cache(maxsize=1024)
def pinhole_intrinsics(lens: Lens) -> tuple[float, float, float, float]:
    """Return (fx, fy, cx, cy) in pixels of the pinhole camera that replaces a lens for pictures of the same size.

    Its focal length is the shortest one (the widest view) for which every pixel is seen by the lens, at least half the
    lens's own; the principal point stays.
    """
    if _focal_count(lens) == 1:
        focal, cx, cy = lens.params[:3]
        intrinsics = (focal, focal, cx, cy)
    else:
        fx, fy, cx, cy = lens.params[:4]
        intrinsics = (fx, fy, cx, cy)
    zoom = 1.0 if is_pinhole(lens) else _zoom(lens, intrinsics)
    fx, fy, cx, cy = intrinsics
    return fx * zoom, fy * zoom, cx, cy


def undistorted(
    image: UInt8[np.ndarray, "height width channels"], lens: Lens
) -> tuple[UInt8[np.ndarray, "height width channels"], Bool[np.ndarray, "height width"] | None]:
    """Return the picture that the lens's pinhole camera would have taken, and which of its pixels the lens saw.

    The second value is None when the lens saw all of them.
    """
    if is_pinhole(lens):
        return image, None
    import cv2

    map_x, map_y, seen = _undistortion(lens)
    # Where pixels are not known to the lens, borders are repeated, and ``seen`` says so.
    remapped = cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return remapped.reshape(image.shape), None if seen.all() else seen


def _focal_count(lens: Lens) -> int:
    return 1 if lens.model in _ONE_FOCAL else 2


@lru_cache(maxsize=4)
def _undistortion(
    lens: Lens,
) -> tuple[Float32[np.ndarray, "height width"], Float32[np.ndarray, "height width"], Bool[np.ndarray, "height width"]]:
    # From each pixel of the pinhole picture back to the lens's. COLMAP's first pixel centre is at 0.5, OpenCV's at 0.
    x, y = np.meshgrid(np.arange(lens.width) + 0.5, np.arange(lens.height) + 0.5)
    pixels, seen = _project(lens, _rays(pinhole_intrinsics(lens), x.ravel(), y.ravel()))
    maps = (pixels - 0.5).astype(np.float32).reshape(lens.height, lens.width, 2)
    return maps[..., 0].copy(), maps[..., 1].copy(), seen.reshape(lens.height, lens.width)


def _zoom(lens: Lens, intrinsics: tuple[float, float, float, float]) -> float:
    best = float(_ZOOMS[0])
    fx, fy, cx, cy = intrinsics
    # In every direction from the principal point, a pixel of the border is furthest out, so only the border is tested.
    x, y = _border(lens.width, lens.height)
    # From the narrowest view to wider ones, up to the first that looks beyond the lens's picture.
    for zoom in _ZOOMS:
        _, seen = _project(lens, _rays((fx * zoom, fy * zoom, cx, cy), x, y))
        if not seen.all():
            break
        best = float(zoom)
    return best


def _border(width: int, height: int) -> tuple[Float[np.ndarray, " samples"], Float[np.ndarray, " samples"]]:
    steps = np.linspace(0.0, 1.0, _SETTINGS.border_samples)
    low, high = np.zeros_like(steps), np.ones_like(steps)
    x = np.concatenate([steps, steps, low, high])
    y = np.concatenate([low, high, steps, steps])
    # Pixel centres, as everywhere: from 0.5 to width - 0.5.
    return 0.5 + x * (width - 1), 0.5 + y * (height - 1)


def _rays(
    intrinsics: tuple[float, float, float, float], x: Float[np.ndarray, " pixels"], y: Float[np.ndarray, " pixels"]
) -> Float[np.ndarray, "pixels 3"]:
    fx, fy, cx, cy = intrinsics
    # Inverse of u = fx x / z + cx at z = 1, OpenCV axes: x right, y down, z forward.
    return np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1)


def _project(
    lens: Lens, rays: Float[np.ndarray, "pixels 3"]
) -> tuple[Float[np.ndarray, "pixels 2"], Bool[np.ndarray, " pixels"]]:
    """Return where the lens images rays (OpenCV camera frame, z = 1), and whether that is inside the picture.

    A polynomial lens folds over far outside of the field that it was fitted in; a pixel counts as seen only if the lens
    also maps it back to the same ray.
    """
    import pycolmap

    camera = pycolmap.Camera(model=lens.model, width=lens.width, height=lens.height, params=list(lens.params))
    pixels = np.asarray(camera.img_from_cam(rays))
    size = np.array([lens.width, lens.height])
    inside = np.isfinite(pixels).all(axis=-1) & (pixels >= _EDGE).all(axis=-1) & (pixels <= size - _EDGE).all(axis=-1)
    # Pixels outside are replaced by the middle, as the inverse of a polynomial far outside may not converge.
    back = np.asarray(camera.cam_from_img(np.where(inside[:, None], pixels, size / 2)))
    away, length = (np.linalg.norm(values, axis=-1) for values in (back - rays[:, :2], rays))
    return pixels, inside & (away < _SETTINGS.same_ray * length)
