"""Tables of points as PLY files (Turk, "The PLY polygon file format", 1994): one row a vertex, a scalar a column."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np

from relightnerf.errors import InputError, first_line
from relightnerf.io.files import atomic_path

_TYPES = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2"},
    **{"int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8"},
}
_NAMES = {kind: name for name, kind in reversed(_TYPES.items())}
_WHOLE = {name for name, kind in _TYPES.items() if kind[0] in "iu"}
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_LINE = 1 << 16


@dataclass
class _Element:
    name: str
    count: int
    columns: list[tuple[str, np.dtype]] = field(default_factory=list)
    lengths: dict[str, np.dtype] = field(default_factory=dict)  # how the lengths are written of columns that are lists


def write_vertices(path: Path, table: np.ndarray) -> None:
    """Write a structured array as the vertices of a binary little-endian PLY file, atomically."""
    kinds = {name: table.dtype[name].newbyteorder("<") for name in table.dtype.names or ()}
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    lines += [f"property {_NAMES[kind.str[1:]]} {name}" for name, kind in kinds.items()]
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write("\n".join([*lines, "end_header\n"]).encode())
        file.write(np.ascontiguousarray(table.astype(list(kinds.items()), copy=False)).data)


def read_vertices(path: Path) -> np.ndarray:
    """Read the vertices of a PLY file, text or binary, as a structured array; other elements are left out.

    Raises:
        InputError: the file is absent, is no PLY file or a damaged one, or a vertex holds a list.
    """
    try:
        with open(path, "rb") as file:
            order, elements = _header(file)
            return (_from_text if order == "=" else _from_binary)(file, elements)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the path") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a PLY file ({first_line(error)})", "replace the file") from None


def _header(file: BinaryIO) -> tuple[str, list[_Element]]:
    """Return the byte order and the elements up to the vertices, whose data begin where the file is now."""
    order, elements = "", list[_Element]()
    words = _words(file)
    if next(words, None) != ["ply"]:
        raise ValueError("it does not begin with 'ply'")
    for line in words:
        match line:
            case [] | ["comment" | "obj_info", *_]:
                pass
            case ["format", kind, "1.0"] if kind in _ORDERS:
                order = _ORDERS[kind]
            case ["element", name, count] if count.isdecimal():
                elements.append(_Element(name, int(count)))
            case ["property", kind, name] if kind in _TYPES and order and elements:
                elements[-1].columns.append((name, np.dtype(order + _TYPES[kind])))
            case ["property", "list", length, kind, name] if kind in _TYPES and length in _WHOLE and order and elements:
                elements[-1].columns.append((name, np.dtype(order + _TYPES[kind])))
                elements[-1].lengths[name] = np.dtype(order + _TYPES[length])
            case ["end_header"]:
                return order, _up_to_vertices(elements)
            case _:
                raise ValueError(f"header line {' '.join(line)[:60]!r}")
    raise ValueError("the header has no end")


def _words(file: BinaryIO) -> Iterator[list[str]]:
    while line := file.readline(_LONGEST_LINE):
        yield line.decode(errors="replace").split()


def _up_to_vertices(elements: list[_Element]) -> list[_Element]:
    index = next((i for i, element in enumerate(elements) if element.name == "vertex"), None)
    if index is None or not elements[index].columns:
        raise ValueError("it has no vertices")
    if elements[index].lengths:
        raise ValueError(f"the vertices' {next(iter(elements[index].lengths))} is a list")
    return elements[: index + 1]


def _from_text(file: BinaryIO, elements: list[_Element]) -> np.ndarray:
    *before, vertex = elements
    text = file.read()
    start = sum(element.count for element in before if element.columns)
    _check_whole(start + vertex.count <= len(text), vertex)
    rows = filter(None, (line.strip() for line in text.decode("latin-1").split("\n")))
    lines = list(islice(rows, start, start + vertex.count))
    _check_whole(len(lines) == vertex.count, vertex)
    return np.loadtxt(lines, vertex.columns, comments=None, ndmin=1) if lines else np.empty(0, vertex.columns)


def _from_binary(file: BinaryIO, elements: list[_Element]) -> np.ndarray:
    *before, vertex = elements
    for element in before:
        _skip(file, element)
    row = np.dtype(vertex.columns)
    _check_whole(vertex.count * row.itemsize <= _left(file), vertex)
    return np.fromfile(file, row, vertex.count)


def _skip(file: BinaryIO, element: _Element) -> None:
    size = sum(element.lengths.get(name, kind).itemsize for name, kind in element.columns)
    _check_whole(element.count * size <= _left(file), element)  # or more, where lists are not empty
    if not element.lengths:
        file.seek(element.count * size, os.SEEK_CUR)
        return
    for _ in range(element.count):
        for name, kind in element.columns:
            length = 1
            if name in element.lengths:
                raw = file.read(element.lengths[name].itemsize)
                _check_whole(len(raw) == element.lengths[name].itemsize, element)
                length = int(np.frombuffer(raw, element.lengths[name])[0])
            _check_whole(0 <= length * kind.itemsize <= _left(file), element)
            file.seek(length * kind.itemsize, os.SEEK_CUR)


def _left(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size - file.tell()


def _check_whole(whole: bool, element: _Element) -> None:
    if not whole:
        raise ValueError(f"it ends before the last of {element.count} rows of {element.name!r}")
