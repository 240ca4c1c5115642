"""View names: short, unique, and safe as the first half of ``<view>__<light>.png``."""

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np


def safe_name(text: str) -> str:
    """Return ``text`` with only letters, digits, ``. - _`` in it, no double underscore, and no dot in front."""
    return re.sub(r"_{2,}", "_", re.sub(r"[^\w.-]+", "_", text)).strip("._") or "view"


def view_names(paths: Sequence[PurePath]) -> list[str]:
    """Return a view name for each picture: its stem; with its folder's name in front where stems repeat.

    Names differ in more than upper and lower case, for file systems that do not tell these apart.
    """
    names = [safe_name(path.stem) for path in paths]
    repeated = _repeated(names)
    names = [
        safe_name(f"{path.parent.name}_{path.stem}") if name.lower() in repeated else name
        for name, path in zip(names, paths, strict=True)
    ]
    taken: set[str] = set()
    return [_unused(name, taken) for name in names]


def natural_key(text: str) -> list[Any]:
    """Return a sort key in which ``frame_2`` comes before ``frame_10``."""
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", text)]


def evenly_chosen(count: int, wanted: int | None) -> list[int]:
    """Return ``wanted`` indices below ``count``, evenly spread with both ends, or all of them."""
    if wanted is None or wanted >= count:
        return list(range(count))
    return sorted({int(index) for index in np.linspace(0, count - 1, wanted).round()})


def _repeated(names: Sequence[str]) -> set[str]:
    lowered = [name.lower() for name in names]
    return {name for name in lowered if lowered.count(name) > 1}


def _unused(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate.lower() in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate.lower())
    return candidate
