"""Videos: the sharp frame of each window is picked, upright, and broken files are refused."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from relightnerf.capture import SourceOptions, open_capture
from relightnerf.capture._video import open_video, pick_sharp_frames
from relightnerf.errors import InputError

WINDOWS, LENGTH = 4, 5
SHARP = (2, 0, 4, 3)
"""Which frame of each window is not blurred."""


def _frame(index: int) -> np.ndarray:
    """Return noise whose mean tells its number; blurred unless it is the sharp one of its window."""
    noise = np.random.default_rng(index).integers(-20, 20, (48, 64, 1))
    frame = np.clip(40 + 8 * index + np.repeat(noise, 3, axis=2), 0, 255).astype(np.uint8)
    return frame if SHARP[index // LENGTH] == index % LENGTH else cv2.GaussianBlur(frame, (0, 0), 3)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "walk.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(10), options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(WINDOWS * LENGTH):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(_frame(index), format="rgb24")))
        container.mux(stream.encode())
    return path


def test_the_sharp_frames_are_picked(video: Path, tmp_path: Path) -> None:
    frames = pick_sharp_frames(video, tmp_path / "frames", WINDOWS)
    assert [frame.name for frame in frames] == [f"frame_{window:04d}" for window in range(WINDOWS)]
    means = [np.asarray(Image.open(frame.path)).mean() for frame in frames]
    wanted = [_frame(LENGTH * window + sharp).mean() for window, sharp in enumerate(SHARP)]
    assert np.allclose(means, wanted, atol=3)
    assert (frames[0].width, frames[0].height) == (64, 48)


def test_picking_goes_on_with_the_same_bytes(video: Path, tmp_path: Path) -> None:
    whole = [frame.path.read_bytes() for frame in pick_sharp_frames(video, tmp_path / "a", WINDOWS)]
    pick_sharp_frames(video, tmp_path / "b", WINDOWS)
    for name in ("frame_0002.png", "frame_0003.png"):
        (tmp_path / "b" / name).unlink()
    assert [frame.path.read_bytes() for frame in pick_sharp_frames(video, tmp_path / "b", WINDOWS)] == whole


def test_a_video_is_recognised(video: Path) -> None:
    source = open_capture(video, SourceOptions(max_views=3))
    assert (source.kind, source.finds_poses, list(source.files)) == ("video", True, [video])
    assert source.wanted == 3
    assert open_video(video, SourceOptions()).wanted == WINDOWS * LENGTH


def test_undecodable_video(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"not a video" * 100)
    with pytest.raises(InputError, match=r"a.mp4: the video cannot be decoded"):
        open_capture(tmp_path / "a.mp4", SourceOptions())


def test_cut_video(video: Path) -> None:
    video.write_bytes(video.read_bytes()[:300])
    with pytest.raises(InputError, match=r"walk.mp4: the video cannot be decoded"):
        open_capture(video, SourceOptions())
