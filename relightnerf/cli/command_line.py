"""A command as text to type."""

import shlex
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any


def command_line(command: Any) -> str:
    """Return the text to type for a command, ``relightnerf STAGE --…``; flags at their defaults are left out."""
    words = ["relightnerf", type(command).__name__.lower(), *_flags(command)]
    return " ".join(shlex.quote(word) for word in words)


def _flags(command: Any, prefix: str = "") -> Iterator[str]:
    for flag in fields(command):
        value = getattr(command, flag.name)
        name = f"{prefix}{flag.name}".replace("_", "-")
        if is_dataclass(value):
            yield from _flags(value, f"{name}.")
        elif value != _default(flag):
            yield from _words(name, value)


def _words(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        parent, _, last = name.rpartition(".")
        return [f"--{name}" if value else f"--{parent + '.' if parent else ''}no-{last}"]
    return [f"--{name}", *(str(part) for part in (value if isinstance(value, tuple) else (value,)))]


def _default(flag: "Field[Any]") -> Any:
    return flag.default_factory() if flag.default_factory is not MISSING else flag.default
