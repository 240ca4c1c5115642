"""Depth of one picture by a model of diffusers (Marigold) or transformers; affine-invariant, greater than 0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from relightnerf.errors import InputError, first_line

DepthModel = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""Depth (h, w) of an 8-bit sRGB picture (h, w, 3)."""

NEAR_TO_FAR = 0.2  # depth of the nearest over that of the farthest point, where the model leaves it open


def load_depth_model(name: str, device: str) -> DepthModel:
    """Load a folder or hub id: a `MarigoldDepthPipeline`, or a depth-estimation model of transformers."""
    try:
        return _marigold(name, device) if _is_pipeline(name) else _transformers(name, device)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"--depth-model {name}: the model cannot be loaded ({first_line(error)})",
            "give the folder or hub id of a Marigold depth pipeline or of a depth-estimation model of transformers",
        ) from None


def _is_pipeline(name: str) -> bool:
    if Path(name).is_dir():
        return (Path(name) / "model_index.json").is_file()
    from transformers.utils import cached_file

    return cached_file(name, "model_index.json", _raise_exceptions_for_missing_entries=False) is not None


def _marigold(name: str, device: str) -> DepthModel:
    import torch
    from diffusers import MarigoldDepthPipeline

    pipeline: Any = MarigoldDepthPipeline.from_pretrained(name).to(device)
    pipeline.set_progress_bar_config(disable=True)

    def depth(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        generator = torch.Generator(device="cpu").manual_seed(0)
        found = pipeline(Image.fromarray(picture), generator=generator, output_type="np").prediction
        # 0 is the nearest, 1 the farthest; an affine-invariant depth may be shifted
        return NEAR_TO_FAR + (1.0 - NEAR_TO_FAR) * _resized(np.squeeze(found), picture)

    return depth


def _transformers(name: str, device: str) -> DepthModel:
    from transformers import pipeline

    estimator = pipeline("depth-estimation", model=name, device=device)
    config = estimator.model.config
    metric = getattr(config, "depth_estimation_type", None) == "metric" or config.model_type == "zoedepth"

    def depth(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        found = estimator(Image.fromarray(picture))["predicted_depth"]
        values = _resized(np.squeeze(np.asarray(found, np.float32)), picture)
        return np.maximum(values, 1e-3) if metric else from_inverse(values)

    return depth


def from_inverse(relative: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depth up to 1 of inverse depth whose scale and shift are unknown, as Depth Anything and DPT give it.

    The shift is chosen such that the nearest point is `NEAR_TO_FAR` as far as the farthest.
    """
    low, high = float(relative.min()), float(relative.max())
    inverse = 1.0 + (1.0 / NEAR_TO_FAR - 1.0) * (relative - low) / max(high - low, 1e-12)
    return (1.0 / inverse).astype(np.float32)


def _resized(values: NDArray[np.float32], picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    return cv2.resize(values.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
