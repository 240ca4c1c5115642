import re
from pathlib import Path

import av
import numpy as np
import pytest
from stopping import stop_after

from relightnerf.errors import InputError
from relightnerf.imaging.color import linear_to_srgb, to_uint8
from relightnerf.io import images
from relightnerf.io.images import read_image, write_array, write_image
from relightnerf.lights import LightSet, gray_ball, reference_lights, save_lights
from relightnerf.pipeline import relight
from relightnerf.pipeline.relight import Relight

WIDTH, HEIGHT, FOV = 32, 24, 50.0


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A ball in front of a wall, evenly lit, with its depth in ``depth.npy`` beside it."""
    focal = WIDTH / 2 / np.tan(np.radians(FOV) / 2)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = np.dstack([(columns - WIDTH / 2) / focal, (HEIGHT / 2 - rows) / focal, -np.ones((HEIGHT, WIDTH))])
    # |t ray - (0, 0, -4)| = 1
    along, square = 4.0 * -rays[..., 2], (rays**2).sum(-1)
    inside = along**2 - 15.0 * square
    depth = np.where(inside > 0, (along - np.sqrt(np.maximum(inside, 0))) / square, 6.0)
    write_array(tmp_path / "depth.npy", depth)
    albedo = np.where(inside[..., None] > 0, [0.7, 0.6, 0.5], [0.4, 0.45, 0.5])
    write_image(tmp_path / "photo.png", to_uint8(linear_to_srgb(0.6 * albedo)))
    return tmp_path / "photo.png"


@pytest.fixture
def sides(tmp_path: Path) -> Path:
    """The file of lights from the left, the right and above, each a little from behind the camera."""
    directions = np.array([[-2.0, 0, 1], [2, 0, 1], [0, 2, 1]]) / np.sqrt(5)
    save_lights(tmp_path / "lights.json", LightSet("camera", ("left", "right", "top"), directions))
    return tmp_path / "lights.json"


def _relight(photo: Path, **flags) -> Relight:
    given = {"image": photo, "depth": photo.with_name("depth.npy"), "fov": FOV, "output": photo.parent / "out"}
    return Relight(**{**given, **flags})


def _files(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.iterdir()}


def test_a_picture_a_light_and_a_sheet_are_written(photo: Path, sides: Path) -> None:
    _relight(photo, lights=sides).run()
    names = {f"photo__{light}.png" for light in ("left", "right", "top", "sheet")}
    assert {p.name for p in (photo.parent / "out").iterdir()} == {*names, "photo.manifest.json"}
    assert all(read_image(photo.parent / "out" / n).shape == (HEIGHT, WIDTH, 3) for n in names if "sheet" not in n)
    sheet = read_image(photo.parent / "out" / "photo__sheet.png")
    assert sheet.shape == (2 * (HEIGHT + 16 + 4) + 4, 2 * (WIDTH + 4) + 4, 3)
    np.testing.assert_array_equal(sheet[20 : 20 + HEIGHT, 4 : 4 + WIDTH], read_image(photo))
    ball = gray_ball(np.array([-2.0, 0, 1]) / np.sqrt(5), 5)
    np.testing.assert_array_equal(sheet[20 + HEIGHT - 5 : 20 + HEIGHT, 8 + 2 * WIDTH - 5 : 8 + 2 * WIDTH], ball)


def test_without_lights_the_reference_directions_are_taken(photo: Path) -> None:
    _relight(photo).run()
    found = {p.name for p in (photo.parent / "out").glob("*.png")}
    assert found == {f"photo__{light}.png" for light in (*reference_lights().names, "sheet")}


def test_the_brighter_side_of_the_ball_follows_the_light(photo: Path, sides: Path) -> None:
    _relight(photo, lights=sides).run()
    left, right, top = (
        read_image(photo.parent / "out" / f"photo__{name}.png").astype(float).mean(-1)[8:16, 12:20]
        for name in ("left", "right", "top")
    )
    assert left[:, :3].mean() > left[:, -3:].mean() + 15
    assert right[:, -3:].mean() > right[:, :3].mean() + 15
    assert top[:3].mean() > top[-3:].mean() + 15


def test_thumbnails_of_the_sheet_are_at_most_256_wide(photo: Path, sides: Path) -> None:
    big = np.full((240, 640, 3), 120, np.uint8)
    write_image(photo, big)
    write_array(photo.with_name("depth.npy"), np.full((240, 640), 2.0))
    _relight(photo, lights=sides).run()
    assert read_image(photo.parent / "out" / "photo__sheet.png").shape == (2 * (96 + 20) + 4, 2 * 260 + 4, 3)


def test_a_second_run_is_skipped_and_several_photos_share_a_folder(
    photo: Path, sides: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = photo.with_name("other.png")
    other.write_bytes(photo.read_bytes())
    flags = {"lights": sides, "sweep": photo.parent / "out" / "a.gif", "sweep_frames": 3}
    for image in (photo, other):
        _relight(
            image,
            **flags,
        ).run()
        flags.pop("sweep", None)
    before = _files(photo.parent / "out")
    assert len(before) == 2 * 5 + 2
    capsys.readouterr()
    _relight(photo, **flags, sweep=photo.parent / "out" / "a.gif").run()
    _relight(other, **flags).run()
    assert capsys.readouterr().out.count("up to date, skipped") == 3
    assert _files(photo.parent / "out") == before


@pytest.mark.parametrize(("name", "frames", "fps"), [("sweep.mp4", 8, 12), ("sweep.gif", 8, 10)])
def test_the_light_of_a_sweep_goes_once_around(photo: Path, sides: Path, name: str, frames: int, fps: int) -> None:
    video = photo.parent / "videos" / name
    flags = {"sweep": video, "sweep_frames": frames, "fps": fps, "sweep_elevation": 0.0}
    _relight(photo, lights=sides, **flags).run()
    with av.open(str(video)) as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(decoded) == frames and decoded[0].shape == (HEIGHT, WIDTH, 3)
    assert {p.name for p in video.parent.iterdir()} == {name, f".{name}.json"}
    if name.endswith("mp4"):
        with av.open(str(video)) as container:
            assert container.streams.video[0].average_rate == fps
    # from behind the ball over the left, the camera and the right; the ball drawn in the corner says so too
    half_left, half_right = (decoded[i].astype(float).mean(-1) for i in (3, 5))
    for ball in ((slice(8, 16), slice(12, 20)), (slice(-5, None), slice(-5, None))):
        left, right = half_left[ball], half_right[ball]
        assert left[:, :2].mean() > left[:, -2:].mean() + 10
        assert right[:, -2:].mean() > right[:, :2].mean() + 10


def test_a_run_stopped_at_any_picture_ends_as_one_that_was_not(
    photo: Path, sides: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = photo.parent / "whole", photo.parent / "stopped"
    flags = {"lights": sides, "sweep_frames": 10}
    _relight(photo, output=whole, sweep=whole / "a.mp4", **flags).run()
    monkeypatch.setattr(relight, "_CHUNK", 2)
    for pictures in (2, 5):
        with monkeypatch.context() as patch:
            stop_after(patch, images, pictures)
            with pytest.raises(KeyboardInterrupt):
                _relight(photo, output=stopped, sweep=stopped / "a.mp4", **flags).run()
        assert not (stopped / "a.mp4").exists()
    kept = (stopped / ".a.mp4.frames" / "00000.png").stat().st_mtime_ns
    _relight(photo, output=stopped, sweep=stopped / "a.mp4", **flags).run()
    assert kept and {p.name for p in stopped.iterdir()} == {p.name for p in whole.iterdir()}
    for path in whole.iterdir():
        if path.suffix != ".json":
            assert (stopped / path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"depth": Path("small.npy")}, "small.npy: depth is 8x6"),
        ({"depth": Path("absent.npy")}, "absent.npy: no such file"),
        ({"depth": Path("zero.npy")}, "no depth greater than 0"),
        ({"fov": 0.0}, "--fov 0.0"),
        ({"fov": 175.0}, "--fov 175.0"),
        ({"fov": float("nan")}, "--fov nan"),
        ({"sweep": Path("a.avi")}, "a.avi"),
        ({"sweep": Path("a.mp4"), "fps": 0}, "--fps 0"),
        ({"sweep": Path("a.mp4"), "sweep_frames": 0}, "--sweep-frames 0"),
        ({"sweep": Path("a.mp4"), "sweep_elevation": 91.0}, "--sweep-elevation 91.0"),
        ({"lights": Path("sheet.json")}, "'sheet'"),
        ({"relighter": "absent"}, "absent"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_written(
    photo: Path, flags: dict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photo.parent)
    write_array(Path("small.npy"), np.ones((6, 8)))
    write_array(Path("zero.npy"), np.zeros((HEIGHT, WIDTH)))
    save_lights(Path("sheet.json"), LightSet("camera", ("sheet",), np.eye(3)[:1]))
    before = set(photo.parent.iterdir())
    with pytest.raises(InputError, match=re.escape(said)):
        _relight(photo, **flags).run()
    assert set(photo.parent.iterdir()) == before
