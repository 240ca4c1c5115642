"""What every source of a capture is turned into: photos with poses and lenses, and sparse points."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Float, UInt8


@dataclass(frozen=True)
class Lens:
    """A camera's intrinsics for a picture of ``width`` x ``height``, in one of COLMAP's camera models.

    Attributes:
        model: name of the model in COLMAP, e.g. ``"PINHOLE"`` or ``"OPENCV"``.
        width: of the picture, pixels.
        height: of the picture, pixels.
        params: the model's parameters in COLMAP's order; the centre of the top left pixel is at (0.5, 0.5).
    """

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class Photo:
    """One photo of a capture.

    Attributes:
        name: its view name: unique, and safe in file names.
        path: the picture.
        lens: its intrinsics, for the picture's own size.
        camera_to_world: 4x4 pose (x right, y up, looking along -z).
        mask: a picture whose dark pixels are to be ignored, or None.
        upright: turn the picture as its EXIF orientation says before the lens applies.
    """

    name: str
    path: Path
    lens: Lens
    camera_to_world: Float[np.ndarray, "4 4"]
    mask: Path | None = None
    upright: bool = False


@dataclass(frozen=True)
class Points:
    """Sparse coloured points in the capture's world frame."""

    positions: Float[np.ndarray, "points 3"] = field(default_factory=lambda: np.zeros((0, 3)))
    colors: UInt8[np.ndarray, "points 3"] = field(default_factory=lambda: np.zeros((0, 3), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class Capture:
    """Photos with known cameras, in the order of their names, and the points seen in them."""

    photos: tuple[Photo, ...]
    points: Points


@dataclass(frozen=True)
class SourceOptions:
    """How to read a capture.

    Attributes:
        max_views: photos to use, evenly chosen; None for all (of a video: what the effort suggests).
        quick: spend less time where poses have to be found.
    """

    max_views: int | None = None
    quick: bool = False


class Source(Protocol):
    """A capture that was recognised and checked, but not read yet."""

    @property
    def kind(self) -> str:
        """What it is, for people: ``"nerfstudio dataset"`` and the like."""

    @property
    def finds_poses(self) -> bool:
        """Whether the cameras have to be found, so that the effort matters."""

    @property
    def files(self) -> Sequence[Path]:
        """The files that the result depends on."""

    @property
    def masks(self) -> Sequence[Path]:
        """Those of the files that are masks of photos."""

    @property
    def count(self) -> int:
        """How many photos there are to prepare; some of them may turn out to be unusable."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its first photo, pixels."""

    def load(self, workspace: Path) -> Capture:
        """Return the photos with their cameras; slow work leaves its steps in ``workspace`` and goes on from there."""
