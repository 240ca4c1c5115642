from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from relightnerf.errors import InputError
from relightnerf.io.hdr import read_hdr, write_hdr


def _picture(height: int = 23, width: int = 37) -> np.ndarray:
    picture = np.random.default_rng(0).gamma(1.0, 3.0, (height, width, 3)).astype(np.float32)
    picture[0, 0] = [70000.0, 0.0, -0.5]
    return picture


def test_what_is_written_is_read_back_exactly(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "100% %03d.exr"
    write_hdr(path, _picture())
    read = read_hdr(path)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, _picture())
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_equal_pictures_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_hdr(tmp_path / f"{name}.exr", _picture())
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "b.exr").read_bytes()


def test_another_program_reads_what_is_written(tmp_path: Path) -> None:
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    write_hdr(tmp_path / "a.exr", _picture())
    np.testing.assert_array_equal(np.array(mitsuba.Bitmap(str(tmp_path / "a.exr"))), _picture())


@pytest.mark.parametrize(("kind", "tolerance"), [("Float16", 1e-3), ("Float32", 1e-2)])
def test_what_another_program_compresses_lossily_is_read(tmp_path: Path, kind: str, tolerance: float) -> None:
    """DWAB, as the Multi-Illumination set's own tools write it."""
    mitsuba = pytest.importorskip("mitsuba")
    mitsuba.set_variant("scalar_rgb")
    height, width = 90, 130
    smooth = np.exp(np.sin(np.mgrid[:height, :width].sum(0) / 20.0))[..., None] * [1.0, 2.0, 0.5]
    bitmap = mitsuba.Bitmap(smooth.astype(np.float32)).convert(
        mitsuba.Bitmap.PixelFormat.RGB, getattr(mitsuba.Struct.Type, kind), False
    )
    path = tmp_path / "a.exr"
    bitmap.write(str(path), mitsuba.Bitmap.FileFormat.OpenEXR, 45)
    reference = np.array(mitsuba.Bitmap(str(path)).convert(bitmap.pixel_format(), mitsuba.Struct.Type.Float32, False))
    np.testing.assert_allclose(read_hdr(path), reference, rtol=10 * tolerance, atol=tolerance)
    np.testing.assert_allclose(read_hdr(path), smooth, rtol=0.05)


@pytest.mark.parametrize("compression", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
def test_any_compression_is_read_exactly(tmp_path: Path, compression: str) -> None:
    header = {"compression": getattr(OpenEXR, f"{compression}_COMPRESSION"), "type": OpenEXR.scanlineimage}
    picture = _picture(700, 500)
    with OpenEXR.File(header, {"RGB": picture}) as file:
        file.write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(read_hdr(tmp_path / "a.exr"), picture)


def test_gray_is_read_as_three_equal_channels(tmp_path: Path) -> None:
    picture = np.ascontiguousarray(_picture()[..., 0])
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": picture}) as file:
        file.write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(read_hdr(tmp_path / "a.exr"), np.stack([picture] * 3, -1))


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such image"):
        read_hdr(tmp_path / "absent.exr")
    (tmp_path / "text.exr").write_text("not a picture")
    with pytest.raises(InputError, match=r"text\.exr: cannot be read as EXR"):
        read_hdr(tmp_path / "text.exr")
    write_hdr(tmp_path / "a.exr", _picture())
    whole = (tmp_path / "a.exr").read_bytes()
    for kept in (9, 60, 300, 500, len(whole) - 900, len(whole) - 1):
        (tmp_path / "cut.exr").write_bytes(whole[:kept])
        with pytest.raises(InputError, match=r"cut\.exr: cannot be read"):
            read_hdr(tmp_path / "cut.exr")
