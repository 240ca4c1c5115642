"""Videos from frames: H.264 in MP4 that plays everywhere, or GIF."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path

SUFFIXES = (".mp4", ".gif")
_X264 = {"crf": "17", "threads": "1", "x264-params": "mbtree=0"}
"""Macroblock trees read memory that nobody wrote where frames are small, so that equal frames became unequal bytes."""
_MOST_GIF_FPS = 50
"""GIF counts in hundredths of a second, and browsers slow down frames of one hundredth."""


def write_video(path: Path, frames: Iterable[UInt8[np.ndarray, "height width 3"]], fps: int) -> None:
    """Write 8-bit sRGB frames as ``.mp4`` (H.264, yuv420p, BT.709) or ``.gif``, atomically; equal frames, equal bytes.

    H.264 wants even sizes: an odd last row or column is repeated. A GIF counts in hundredths of a second: frames last
    a little more or less, such that the whole is as long as it should be.

    Args:
        path: the file to write; its suffix chooses the format.
        frames: all of one size, at least one.
        fps: frames a second; at most 50 in a GIF.

    Raises:
        InputError: another suffix, or too many frames a second for a GIF.
    """
    check_video(path, fps)
    rest = iter(frames)
    all_frames = chain([next(rest)], rest)
    with atomic_path(path) as temporary:
        (_write_mp4 if path.suffix == ".mp4" else _write_gif)(temporary, all_frames, fps)


def check_video(path: Path, fps: int) -> None:
    """Raise ``InputError`` unless a video of this name and rate can be written."""
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path}: not a kind of video that can be written", "end the name with .mp4 or .gif")
    if fps < 1:
        raise InputError(f"--fps {fps}: a video needs at least 1 frame a second", "give a positive whole number")
    if path.suffix == ".gif" and fps > _MOST_GIF_FPS:
        raise InputError(f"--fps {fps}: a GIF has at most {_MOST_GIF_FPS} frames a second", "give fewer, or an .mp4")


def _write_mp4(path: Path, frames: Iterator[UInt8[np.ndarray, "height width 3"]], fps: int) -> None:
    import av
    from av.video.reformatter import ColorRange, Colorspace

    first = _even(next(frames))
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options=_X264)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        stream.codec_context.color_range = ColorRange.MPEG
        for image in chain([first], map(_even, frames)):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_gif(path: Path, frames: Iterator[UInt8[np.ndarray, "height width 3"]], fps: int) -> None:
    pictures = [Image.fromarray(frame).quantize(256, dither=Image.Dither.NONE) for frame in frames]
    ends = [round(100 * (i + 1) / fps) for i in range(len(pictures))]
    durations = [10 * (end - start) for start, end in zip([0, *ends], ends, strict=False)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0)


def _even(image: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "_ _ 3"]:
    return np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)), mode="edge")
