"""A video: its sharpest frames are taken as photos."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from relightnerf.capture._pictures import picture_size
from relightnerf.capture._sfm import FEWEST_PHOTOS, Unposed, pose_photos
from relightnerf.capture._types import Capture, SourceOptions
from relightnerf.errors import InputError
from relightnerf.io.images import write_image
from relightnerf.progress import say, track

if TYPE_CHECKING:
    import av

_SUFFIXES = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mts", ".3gp", ".gif")


@dataclass(frozen=True)
class VideoSettings:
    """What tunes which frames of a video are taken as photos."""

    quick_frames: int = 60
    """Frames to use when quick. The pairs to compare, and with them time, grow with it; with much fewer, neighbours are
    too far apart in a film all around a scene (6 degrees with these)."""
    full_frames: int = 120
    """Frames to use when not."""
    sharpness_width_px: int = 480
    """Width of the frames whose sharpness is compared: small enough that compression and noise are gone, large enough
    to show the blur of a moving camera. Larger ones take longer."""

    def frames(self, quick: bool) -> int:
        """Return how many frames are taken."""
        return self.quick_frames if quick else self.full_frames


SETTINGS = VideoSettings()


@dataclass(frozen=True)
class VideoSource:
    """A video that has enough frames."""

    path: Path
    wanted: int
    quick: bool
    kind: str = "video"
    finds_poses: bool = True

    @property
    def files(self) -> list[Path]:
        """The video."""
        return [self.path]

    @property
    def masks(self) -> list[Path]:
        """None: a video has no masks."""
        return []

    @property
    def count(self) -> int:
        """The number of frames to be taken."""
        return self.wanted

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the first frame, pixels."""
        height, width = next(_decoded(self.path)).shape[:2]
        return width, height

    def load(self, workspace: Path) -> Capture:
        """Pick sharp frames and find their cameras by structure from motion."""
        frames = pick_sharp_frames(self.path, workspace / "frames", self.wanted)
        return pose_photos(frames, workspace, self.quick, ordered=True)


def open_video(path: Path, options: SourceOptions) -> VideoSource | None:
    """Return the video in a file; None if the file's suffix is not that of a video.

    Raises:
        InputError: it cannot be decoded, or is too short.
    """
    if not path.is_file() or path.suffix.lower() not in _SUFFIXES:
        return None
    count = _count_frames(path)
    if count < FEWEST_PHOTOS:
        raise InputError(f"{path}: the video has {count} frames", "film slowly all around the scene")
    next(_decoded(path))
    return VideoSource(path, min(count, options.max_views or SETTINGS.frames(options.quick)), options.quick)


def pick_sharp_frames(path: Path, folder: Path, wanted: int) -> tuple[Unposed, ...]:
    """Write the sharpest frame of each of ``wanted`` even windows of a video, upright, as ``frame_<number>.png``.

    Sharpness is the variance of the Laplacian (Pech-Pacheco et al. 2000) of the gray frame at a common small size.

    Raises:
        InputError: the video ends before the frames that it announces, with too few of them.
    """
    paths = [folder / f"frame_{window:04d}.png" for window in range(wanted)]
    if not paths[-1].is_file():
        say(f"video: picking {wanted} sharp frames of {path.name}")
        _write_windows(path, paths)
    paths = [frame for frame in paths if frame.is_file()]
    if len(paths) < FEWEST_PHOTOS:
        raise InputError(f"{path}: only {len(paths)} of its frames can be decoded", "convert it to an mp4 file")
    return tuple(Unposed(frame.stem, frame, None, *picture_size(frame)) for frame in paths)


def _write_windows(path: Path, paths: list[Path]) -> None:
    count = _count_frames(path)
    best: tuple[float, UInt8[np.ndarray, "height width 3"]] | None = None
    window = 0
    for index, frame in enumerate(track(_decoded(path), "picking frames", total=count)):
        current = min(index * len(paths) // count, len(paths) - 1)
        if current != window and best is not None:
            write_image(paths[window], best[1])
            best = None
        window = current
        sharpness = _sharpness(frame)
        if best is None or sharpness > best[0]:
            best = sharpness, frame
    if best is not None:
        write_image(paths[window], best[1])


def _sharpness(frame: UInt8[np.ndarray, "height width 3"]) -> float:
    import cv2

    gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    scale = min(1.0, SETTINGS.sharpness_width_px / gray.shape[1])
    gray = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return float(cv2.Laplacian(gray, cv2.CV_64F).var())


def _count_frames(path: Path) -> int:
    import av

    try:
        with av.open(str(path)) as container:
            return sum(packet.size > 0 for packet in container.demux(_stream(path, container)))
    except av.error.FFmpegError as error:
        raise _unreadable(path, error) from None


def _decoded(path: Path) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield the frames of a video as 8-bit sRGB, turned as its metadata says; a broken end is left out."""
    import av

    index = 0
    try:
        with av.open(str(path)) as container:
            stream = _stream(path, container)
            stream.thread_type = "AUTO"
            for frame in container.decode(stream):
                turns = round(getattr(frame, "rotation", 0) / 90)
                yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
                index += 1
    except av.error.FFmpegError as error:
        if index < FEWEST_PHOTOS:
            raise _unreadable(path, error) from None
        say(f"video: {path.name} cannot be decoded beyond frame {index}")


def _stream(path: Path, container: "av.container.InputContainer") -> "av.VideoStream":
    if not container.streams.video:
        raise InputError(f"{path}: has no video in it", "give another file")
    return container.streams.video[0]


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: the video cannot be decoded ({error})", "convert it to an mp4 file with H.264")
