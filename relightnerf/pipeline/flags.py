"""A command's flags as plain values in a manifest, and back."""

import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from relightnerf.io.files import plain_json

_NOT_STORED = ("scene", "force")
"""Where the scene lies is no choice, and to do a stage again is one for once."""


def stored_flags(command: Any) -> dict[str, Any]:
    """Return the flags of a command (a dataclass) as plain values: lists, numbers, text."""
    names = (field.name for field in fields(command) if field.name not in _NOT_STORED)
    return {name: _plain(getattr(command, name)) for name in names}


def restored(command: type[Any], scene: Path, flags: Mapping[str, Any]) -> Any:
    """Return a command with the flags that ``stored_flags`` gave.

    Args:
        command: the dataclass.
        scene: the scene's folder.
        flags: plain values; those that this version does not know are left out.
    """
    hints = typing.get_type_hints(command)
    known = {name: _typed(hints[name], value) for name, value in flags.items() if name in hints}
    return command(scene=scene, **known)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return plain_json(value)


def _typed(hint: Any, value: Any) -> Any:
    if is_dataclass(hint) and isinstance(hint, type):
        hints = typing.get_type_hints(hint)
        return hint(**{name: _typed(hints[name], part) for name, part in value.items() if name in hints})
    if value is not None and Path in (hint, *typing.get_args(hint)):
        return Path(value)
    return tuple(value) if isinstance(value, list) else value
