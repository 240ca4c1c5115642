"""High dynamic range pictures: OpenEXR and Radiance files with linear Rec. 709 values."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError, first_line
from relightnerf.io.files import atomic_path


def read_hdr(path: Path) -> Float[np.ndarray, "height width 3"]:
    """Read an EXR file (half or float, any compression; gray or RGB, alpha is dropped) or a Radiance .hdr file.

    Returns:
        float32, linear Rec. 709.

    Raises:
        InputError: the file is absent, or not such a picture that can be read whole.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such image", "check the path or remove its entry")
    return _read_radiance(path) if path.suffix.lower() == ".hdr" else _read_exr(path)


def _read_radiance(path: Path) -> np.ndarray:
    import cv2

    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.float32:
        raise InputError(f"{path}: cannot be read as a Radiance picture", "replace or remove the file")
    return np.ascontiguousarray(image[..., ::-1])


def _read_exr(path: Path) -> np.ndarray:
    import OpenEXR

    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: np.asarray(channel.pixels, np.float32) for name, channel in file.channels().items()}
    except Exception as error:  # the library raises whatever its C++ does
        what = f"{path}: cannot be read as EXR ({first_line(error)})"
        raise InputError(what, "replace or remove the file") from None
    names = "RGB" if {"R", "G", "B"} <= channels.keys() else "YYY"
    if names[0] not in channels:
        raise InputError(f"{path}: neither RGB nor gray, but {sorted(channels)}", "save it as RGB")
    return np.stack([channels[name] for name in names], axis=-1)


def write_hdr(path: Path, image: Float[np.ndarray, "height width 3"]) -> None:
    """Write linear Rec. 709 values as an EXR with ZIP compression, atomically; equal values, equal bytes.

    float16 stays half, everything else becomes float32.
    """
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with atomic_path(path) as temporary:
        with OpenEXR.File(
            header, {"RGB": np.ascontiguousarray(image, np.float16 if image.dtype == np.float16 else np.float32)}
        ) as file:
            file.write(str(temporary))
