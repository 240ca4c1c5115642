"""PLY files: what is written is read, to the byte; other layouts are read alike; damaged files are named."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest

from relightnerf.errors import InputError
from relightnerf.io.ply import read_vertices, write_vertices

_COLUMNS = [("x", "<f4"), ("opacity", "<f4"), ("red", "u1"), ("far", "<f8"), ("id", "<i2")]
_TABLE = np.array([(1.5, -0.1, 255, 1e-300, -2), (-0.0, 3e38, 0, 0.1, 300), (0.0, 1.0, 7, -4.0, 0)], dtype=_COLUMNS)
_PROPERTIES = "property float x\nproperty float opacity\nproperty uchar red\nproperty double far\nproperty short id\n"
_FACES = "element face 2\nproperty list uchar int vertex_indices\nproperty uchar flags\n"


def _header(kind: str, before: str = "", after: str = "") -> bytes:
    head = f"ply\nformat {kind} 1.0\ncomment of a test\nobj_info none\n{before}element vertex 3\n{_PROPERTIES}{after}"
    return f"{head}end_header\n".encode()


def _binary(order: str) -> bytes:
    return b"".join(struct.pack(f"{order}ffBdh", *row.tolist()) for row in _TABLE)


def _binary_faces(order: str) -> bytes:
    return struct.pack(f"{order}B3iBBB", 3, 0, 1, 2, 9, 0, 9)  # a triangle, and a face of no corners


def _text() -> bytes:
    return b"".join(f"{x!r} {o!r} {r} {f!r} {i}\n".encode() for x, o, r, f, i in _TABLE.tolist())


def _assert_is_read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    read = read_vertices(path)
    assert read.dtype.names == _TABLE.dtype.names
    for name in _TABLE.dtype.names or ():
        assert read[name].dtype == _TABLE[name].dtype.newbyteorder(read[name].dtype.byteorder)
        np.testing.assert_array_equal(read[name], _TABLE[name])
        np.testing.assert_array_equal(np.signbit(read[name]), np.signbit(_TABLE[name]))


def _refusal(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        read_vertices(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    return str(error.value)


def test_the_bytes_of_a_file(tmp_path: Path) -> None:
    # 1.5 is 1.1 in binary: sign 0, exponent 127, fraction .1, so 0x3fc00000; -2 is 0xc0000000
    write_vertices(tmp_path / "a.ply", np.array([(1.5, -2.0)], dtype=[("x", "<f4"), ("f_dc_0", "<f4")]))
    assert (tmp_path / "a.ply").read_bytes() == (
        b"ply\nformat binary_little_endian 1.0\nelement vertex 1\nproperty float x\nproperty float f_dc_0\nend_header\n"
        b"\x00\x00\xc0\x3f\x00\x00\x00\xc0"
    )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_is_written_is_read(tmp_path: Path, count: int) -> None:
    write_vertices(tmp_path / "a.ply", _TABLE[:count])
    read = read_vertices(tmp_path / "a.ply")
    assert read.dtype == _TABLE.dtype
    assert read.tobytes() == _TABLE[:count].tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_order_of_bytes_in_memory_is_not_written(tmp_path: Path, order: str) -> None:
    write_vertices(
        tmp_path / "a.ply", _TABLE.astype([(name, np.dtype(kind).newbyteorder(order)) for name, kind in _COLUMNS])
    )
    assert (tmp_path / "a.ply").read_bytes().endswith(b"end_header\n" + _binary("<"))


@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("kind", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">"), ("ascii", "")])
def test_all_formats_are_read_alike(tmp_path: Path, kind: str, order: str, ends: bytes) -> None:
    body = _binary(order) if order else _text().replace(b"\n", ends)
    _assert_is_read(tmp_path / "a.ply", _header(kind).replace(b"\n", ends) + body)


def test_types_by_their_other_names(tmp_path: Path) -> None:
    header = _header("binary_little_endian")
    for name, other in (("float", "float32"), ("uchar", "uint8"), ("double", "float64"), ("short", "int16")):
        header = header.replace(f"property {name} ".encode(), f"property {other} ".encode())
    _assert_is_read(tmp_path / "a.ply", header + _binary("<"))


@pytest.mark.parametrize(("kind", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">"), ("ascii", "")])
def test_other_elements_are_left_out(tmp_path: Path, kind: str, order: str) -> None:
    cameras = "element camera 1\nproperty float focal\nproperty int views\nelement nothing 1000000000000\n"
    camera = struct.pack(f"{order}fi", 2.0, 8) if order else b"2.0 8\n"
    faces, body = (_binary_faces(order), _binary(order)) if order else (b"3 0 1 2 9\n0 9\n", _text())
    _assert_is_read(tmp_path / "a.ply", _header(kind, after=_FACES + cameras) + body + faces + camera)
    _assert_is_read(tmp_path / "b.ply", _header(kind, before=_FACES + cameras) + faces + camera + body)


@pytest.mark.parametrize(("kind", "order"), [("binary_little_endian", "<"), ("ascii", "")])
def test_cut_files_are_refused(tmp_path: Path, kind: str, order: str) -> None:
    faces = _binary_faces(order) if order else b"3 0 1 2 9\n0 9\n"
    whole = _header(kind, before=_FACES) + faces + (_binary(order) if order else _text())
    for length in range(len(whole) if order else len(whole) - 1):  # text without its last newline is whole
        _refusal(tmp_path / "a.ply", whole[:length])


@pytest.mark.parametrize("kind", ["binary_little_endian", "binary_big_endian", "ascii"])
@pytest.mark.parametrize("count", [10**12, 10**30, "9" * 5000])
def test_a_count_beyond_the_file_is_refused_at_once(tmp_path: Path, kind: str, count: int | str) -> None:
    started = time.perf_counter()
    for element in (b"element vertex ", b"element face "):
        header = _header(kind, before=_FACES)
        start = header.index(element) + len(element)
        _refusal(tmp_path / "a.ply", header[:start] + str(count).encode() + header[start + 1 :] + b"1 2 3 4 5\n" * 9)
    assert time.perf_counter() - started < 1.0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("ply\n", "stl\n", "does not begin with 'ply'"),
        ("ascii", "binary_middle_endian", "header line 'format binary_middle_endian 1.0'"),
        ("format ascii 1.0\n", "", "header line 'property float x'"),
        ("element vertex 3\n", "", "header line 'property float x'"),
        ("vertex 3", "vertex -3", "header line 'element vertex -3'"),
        ("vertex 3", "vertex many", "header line 'element vertex many'"),
        ("vertex 3", "point 3", "it has no vertices"),
        (_PROPERTIES, "", "it has no vertices"),
        ("float x", "half x", "header line 'property half x'"),
        ("float x", "list float int x", "header line 'property list float int x'"),
        ("float x", "list uchar float x", "the vertices' x is a list"),
        ("float opacity", "float x", "occurs more than once"),
        ("end_header\n", "", "header line '1.5 -0.1"),
        ("255", "256", "256"),
        ("1.5", "one", "one"),
        ("1.5", "1.5 2.5", "columns"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, old: str, new: str, reason: str) -> None:
    whole = _header("ascii").decode() + _text().decode()
    assert old in whole
    assert reason in _refusal(tmp_path / "a.ply", whole.replace(old, new, 1).encode())


def test_a_list_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    faces = "element face 1\nproperty list int int vertex_indices\n"
    for length in (-1, 2**31 - 1):
        data = _header("binary_little_endian", before=faces) + struct.pack("<i", length) + _binary("<")
        assert "rows of 'face'" in _refusal(tmp_path / "a.ply", data)


def test_anything_but_a_file_is_refused(tmp_path: Path) -> None:
    assert "'ply'" in _refusal(tmp_path / "a.ply", b"\x00" * 100_000)
    for path in (tmp_path, tmp_path / "absent.ply"):
        with pytest.raises(InputError):
            read_vertices(path)
