"""Pictures as text inside a page."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from relightnerf.imaging.color import to_uint8
from relightnerf.io.images import read_array, read_image

Picture = UInt8[np.ndarray, "_ _ 3"]

QUALITIES = (84, 72, 60, 45)
"""WebP qualities to be tried, best first."""

_NEAREST = 0.02
"""Quantile of depth that is shown brightest: a few wrong pixels right before the camera would darken all the rest."""


def data_uri(content: bytes, media_type: str) -> str:
    """Return bytes as a ``data:`` address."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def picture_uri(picture: Picture, longest: int | None = None, quality: int = QUALITIES[0]) -> str:
    """Return a picture as the address of a WebP, made smaller where a side is longer than ``longest`` pixels."""
    image = Image.fromarray(picture)
    if longest is not None:
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "WEBP", quality=quality, method=4)
    return data_uri(file.getvalue(), "image/webp")


def picture_uris(paths: Sequence[Path], room: int) -> list[str]:
    """Return pictures as addresses, of the best quality at which all together take at most ``room`` characters."""
    for quality in QUALITIES:
        uris = [picture_uri(read_image(path), quality=quality) for path in paths]
        if sum(map(len, uris)) <= room:
            break
    return uris


def depth_picture(path: Path) -> Picture:
    """Return a depth map as colours: near is bright, unknown is black."""
    import cv2

    depth = read_array(path)
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near = float(np.quantile(depth[known], _NEAREST))
    inverse = np.divide(near, depth, out=np.zeros_like(depth), where=known).clip(0.0, 1.0)
    colours = cv2.applyColorMap(to_uint8(inverse), cv2.COLORMAP_INFERNO)[..., ::-1]
    return np.ascontiguousarray(np.where(known[..., None], colours, 0))


def normal_picture(path: Path) -> Picture:
    """Return normals as colours: red to the right, green up, blue towards the camera, unknown is black."""
    normal: Float[np.ndarray, "height width 3"] = read_array(path)
    return to_uint8(np.where(np.any(normal != 0, axis=-1, keepdims=True), 0.5 + 0.5 * normal, 0.0))
