"""Folders of photos: what their EXIF data says, and which folders are refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from relightnerf.capture import SourceOptions, open_capture
from relightnerf.capture._photos import focal_prior, open_photos
from relightnerf.capture._pictures import mask_beside, opaque_pixels, picture_size
from relightnerf.errors import InputError
from relightnerf.io.images import read_image

_EXIF_IFD = 0x8769


def _save(path: Path, size: tuple[int, int] = (16, 12), orientation: int | None = None, **tags: float) -> Path:
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    numbers = {"equivalent": 0xA405, "focal": 0x920A, "width": 0xA002, "resolution": 0xA20E, "unit": 0xA210}
    exif.get_ifd(_EXIF_IFD).update({numbers[name]: value for name, value in tags.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (10, 100, 200)).save(path, exif=exif)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in (10, 1, 2):
        _save(tmp_path / f"IMG_{index}.JPG")
    return tmp_path


def test_photos_are_found_in_natural_order(folder: Path) -> None:
    source = open_photos(folder, SourceOptions())
    assert [photo.name for photo in source.photos] == ["IMG_1", "IMG_2", "IMG_10"]
    assert source.files == [folder / f"IMG_{index}.JPG" for index in (1, 2, 10)]


def test_photos_below_images_and_their_masks(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        _save(tmp_path / "images" / name)
    _save(tmp_path / "masks" / "b.png.png")
    source = open_capture(tmp_path, SourceOptions())
    assert source.kind == "photos"
    assert [mask_beside(path) for path in source.files[:3]] == [None, tmp_path / "masks" / "b.png.png", None]
    assert source.files[3] == tmp_path / "masks" / "b.png.png"


def test_a_mask_of_another_shape(folder: Path) -> None:
    _save(folder / "masks" / "IMG_2.png", (12, 16))
    with pytest.raises(InputError, match=r"IMG_2.png: is 12x16, its photo 16x12"):
        open_capture(folder, SourceOptions())


def test_focal_length_of_a_35_mm_equivalent(tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpg", (400, 300), equivalent=26)
    assert focal_prior(path, (400, 300)) == pytest.approx(26 / 43.27 * 500)
    assert focal_prior(path, (40, 30)) == pytest.approx(26 / 43.27 * 50)


def test_focal_length_of_a_sensor(tmp_path: Path) -> None:
    # 20 mm with 100 pixels per mm at 6000 pixels, of which the file keeps 600
    path = _save(tmp_path / "a.jpg", (600, 400), focal=20.0, width=6000, resolution=1000.0, unit=3)
    assert focal_prior(path, (600, 400)) == pytest.approx(200.0)


def test_no_exif_no_focal_length(folder: Path) -> None:
    assert focal_prior(folder / "IMG_1.JPG", (16, 12)) is None


@pytest.mark.parametrize("orientation", range(1, 9))
def test_sizes_are_those_of_upright_photos(orientation: int, tmp_path: Path) -> None:
    path = _save(tmp_path / "a.jpg", (16, 12), orientation)
    height, width = read_image(path).shape[:2]
    assert picture_size(path, upright=True) == (width, height)
    assert picture_size(path) == (16, 12)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    for index in range(3):
        image = Image.fromarray(np.full((48, 64, 3), 60 * index, dtype=np.uint8))
        image.save(tmp_path / f"{index}.heic")
    source = open_photos(tmp_path, SourceOptions())
    assert [(photo.width, photo.height) for photo in source.photos] == [(64, 48)] * 3
    assert read_image(source.photos[2].path).mean() == pytest.approx(120, abs=3)


def test_transparent_pixels_are_not_used(tmp_path: Path) -> None:
    pixels = np.full((4, 6, 4), 255, dtype=np.uint8)
    pixels[:2, :, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    opaque = opaque_pixels(tmp_path / "a.png")
    assert not opaque[:2].any()
    assert opaque[2:].all()
    assert opaque_pixels(_save(tmp_path / "b.png")) is None


def test_mixed_sizes_are_listed(folder: Path) -> None:
    _save(folder / "IMG_4.JPG", (12, 16))
    with pytest.raises(InputError, match=r"3 of 16x12 \(IMG_1.JPG, ...\); 1 of 12x16 \(IMG_4.JPG\)"):
        open_capture(folder, SourceOptions())


def test_an_orientation_that_makes_sizes_differ_is_mixed(folder: Path) -> None:
    _save(folder / "IMG_4.JPG", orientation=6)
    with pytest.raises(InputError, match=r"different sizes: 3 of 16x12 .* 1 of 12x16"):
        open_capture(folder, SourceOptions())


def test_unreadable_photo(folder: Path) -> None:
    (folder / "IMG_2.JPG").write_bytes(b"\xff\xd8 no")
    with pytest.raises(InputError, match=r"IMG_2.JPG: cannot be read as an image"):
        open_capture(folder, SourceOptions())


def test_one_photo(tmp_path: Path) -> None:
    _save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="only one photo"):
        open_capture(tmp_path, SourceOptions())


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        open_capture(tmp_path / "absent", SourceOptions())
    with pytest.raises(InputError, match="an empty folder"):
        open_capture(tmp_path, SourceOptions())
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InputError, match="not a capture"):
        open_capture(tmp_path, SourceOptions())
    with pytest.raises(InputError, match="not a capture"):
        open_capture(tmp_path / "notes.txt", SourceOptions())
