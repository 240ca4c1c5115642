from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from relightnerf.errors import InputError
from relightnerf.io.video import write_video


def _frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    ramp = np.linspace(0, 255, width)[None, :, None] * np.ones((height, 1, 3))
    return [np.roll(ramp, 3 * i, axis=1).astype(np.uint8) for i in range(count)]


def test_mp4_is_h264_yuv420p_with_exactly_the_frames_and_the_rate(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", iter(_frames(31)), fps=24)
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.average_rate, stream.frames) == (24, 31)
        assert len(list(container.decode(stream))) == 31


def test_mp4_keeps_the_pictures(tmp_path: Path) -> None:
    frames = _frames(6)
    write_video(tmp_path / "a.mp4", frames, fps=10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        decoded = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    errors = [np.abs(a.astype(float) - b).mean() for a, b in zip(frames, decoded, strict=True)]
    assert max(errors) < 4.0


def test_odd_sizes_are_made_even(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", _frames(3, 47, 63), fps=10)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert (container.streams.video[0].height, container.streams.video[0].width) == (48, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_equal_frames_give_equal_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        write_video(tmp_path / f"{name}{suffix}", _frames(12), fps=12)
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


@pytest.mark.parametrize("fps", [24, 30, 7])
def test_gif_has_exactly_the_frames_and_the_length(tmp_path: Path, fps: int) -> None:
    write_video(tmp_path / "a.gif", _frames(24), fps=fps)
    with Image.open(tmp_path / "a.gif") as gif:
        durations = []
        for i in range(gif.n_frames):
            gif.seek(i)
            durations.append(gif.info["duration"])
    assert len(durations) == 24
    assert sum(durations) == 10 * round(2400 / fps)


def test_a_failed_encoding_leaves_nothing_behind(tmp_path: Path) -> None:
    def broken():
        yield from _frames(2)
        raise RuntimeError("renderer stopped")

    with pytest.raises(RuntimeError):
        write_video(tmp_path / "a.mp4", broken(), fps=24)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "fps", "said"), [("a.avi", 24, "mp4 or .gif"), ("a.mp4", 0, "--fps 0"), ("a.gif", 60, "at most 50")]
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, fps: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        write_video(tmp_path / name, _frames(1), fps)
