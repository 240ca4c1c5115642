"""Where a view's depth comes from: the base field, a folder of files, or a depth-estimation model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError, first_line
from relightnerf.io.images import read_array

_FOLDER = "folder:"
"""What the name of a depth source that is a folder begins with."""


@dataclass(frozen=True)
class ScaleSettings:
    """What tunes the fit of a model's relative depth to the field's."""

    iterations: int = 10
    """Of the reweighted least squares: enough for weights to settle; each costs next to nothing."""
    least_inverse: float = 0.01
    """Inverse depth below this part of its median is taken to be unknown: the fitted line is near 0 or below there,
    e.g. in the sky, and its reciprocal says nothing."""


_SETTINGS = ScaleSettings()


class DepthSource(Protocol):
    """Gives each view's depth."""

    @property
    def inputs(self) -> Sequence[Path]:
        """Files that the depth is read from."""
        ...

    def depth(
        self, image_path: Path, camera: Camera, field_depth: Float[np.ndarray, "height width"]
    ) -> Float[np.ndarray, "height width"]:
        """Return the depth along the camera's -z, world units, 0 where unknown.

        Args:
            image_path: the view's photo.
            camera: the view's camera.
            field_depth: the base field's depth of the same view.
        """
        ...


def depth_files(name: str, views: Sequence[str]) -> list[Path]:
    """Return the files that a depth source of this name reads besides a model's own."""
    return [Path(name.removeprefix(_FOLDER)) / f"{view}.npy" for view in views] if name.startswith(_FOLDER) else []


def load_depth_source(name: str, cameras: Cameras, device: str) -> DepthSource:
    """Return the depth source of this name: ``field``, ``folder:PATH``, or a transformers model's id or folder.

    Raises:
        InputError: a file of the folder is absent or has the wrong size, or the model cannot be loaded.
    """
    if name == "field":
        return _FieldDepth()
    if name.startswith(_FOLDER):
        return _FolderDepth(name, cameras)
    return _ModelDepth(name, device)


class _FieldDepth:
    inputs: Sequence[Path] = ()

    def depth(self, image_path: Path, camera: Camera, field_depth: np.ndarray) -> np.ndarray:
        return field_depth


class _FolderDepth:
    def __init__(self, name: str, cameras: Cameras) -> None:
        self.inputs = depth_files(name, cameras.names)
        self._files = dict(zip(cameras.names, self.inputs, strict=True))
        for path in self.inputs:
            depth = read_array(path)
            if depth.shape != (cameras.height, cameras.width):
                raise InputError(
                    f"{path}: shape {depth.shape}, the view has {(cameras.height, cameras.width)}",
                    "give depth at the size of the prepared images",
                )

    def depth(self, image_path: Path, camera: Camera, field_depth: np.ndarray) -> np.ndarray:
        depth = read_array(self._files[camera.name])
        return np.where(np.isfinite(depth) & (depth > 0), depth, 0.0)


class _ModelDepth:
    """Relative inverse depth of a model, brought to the field's scale by a robust linear fit (MiDaS, Ranftl 2020)."""

    inputs: Sequence[Path] = ()

    def __init__(self, name: str, device: str) -> None:
        from transformers import pipeline

        try:
            self._pipeline = pipeline("depth-estimation", model=name, device=device)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"--depth-source {name}: the model cannot be loaded ({first_line(error)})",
                "give field, folder:PATH, or the folder of a downloaded transformers depth-estimation model",
            ) from None

    def depth(self, image_path: Path, camera: Camera, field_depth: np.ndarray) -> np.ndarray:
        from PIL import Image

        with Image.open(image_path) as image:
            # Inverse depth up to scale and shift, at the model's own size.
            predicted = self._pipeline(image.convert("RGB"))["predicted_depth"]
        values = np.asarray(
            Image.fromarray(np.asarray(predicted, np.float32).squeeze()).resize(
                (camera.width, camera.height), Image.Resampling.BILINEAR
            )
        )
        return scaled_to(values, field_depth)


def scaled_to(
    relative: Float[np.ndarray, "height width"], reference: Float[np.ndarray, "height width"]
) -> Float[np.ndarray, "height width"]:
    """Return the depth whose inverse is the line in ``relative`` that fits the inverse of ``reference`` best.

    Args:
        relative: inverse depth up to scale and shift.
        reference: depth, 0 where unknown.
    """
    known = reference > 0
    if not known.any():
        return np.zeros_like(reference)
    # Fitted in inverse depth, where the model's scale and shift are linear, and far pixels do not outweigh near ones.
    x, y = relative[known].astype(np.float64), 1.0 / reference[known]
    weights = np.ones_like(x)
    slope = offset = 0.0
    for _ in range(_SETTINGS.iterations):  # iteratively reweighted least squares with the Cauchy weight
        mean_x, mean_y = np.average(x, weights=weights), np.average(y, weights=weights)
        # Weighted least squares for a line: slope = cov(x, y) / var(x), and the means lie on it.
        variance = max(float(np.average((x - mean_x) ** 2, weights=weights)), 1e-12)
        slope = float(np.average((x - mean_x) * (y - mean_y), weights=weights)) / variance
        offset = mean_y - slope * mean_x
        error = np.abs(y - slope * x - offset)
        # Scaled by the median error: half of the pixels keep a weight of 1/2 or more, and gross ones lose theirs.
        weights = 1.0 / (1.0 + (error / max(float(np.median(error)), 1e-9)) ** 2)
    inverse = slope * relative + offset
    # The line says nothing near or below 0, so depth there is left unknown.
    return np.where(inverse > _SETTINGS.least_inverse * np.median(y), 1.0 / np.maximum(inverse, 1e-9), 0.0).astype(
        np.float32
    )
