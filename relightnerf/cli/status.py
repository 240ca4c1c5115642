"""The state of a scene's stages, and the next command."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from relightnerf.status.scene_status import Row

_MINUTE, _HOUR = 60.0, 3600.0
"""In seconds."""
_AGES = ((24 * _HOUR, "day"), (_HOUR, "hour"), (_MINUTE, "minute"))
_COLORS = {"complete": "green", "partial": "yellow", "out of date": "yellow", "broken": "red", "not run": "dim"}


@dataclass
class Status:
    """Show the stages of a scene: state, age and size, and the next command."""

    scene: Path
    """Scene folder."""

    def run(self) -> None:
        """Print a table of the stages and the next command; writes nothing.

        Raises:
            InputError: there is no such folder, or it is not a scene.
        """
        from relightnerf.cli.command_line import command_line
        from relightnerf.pipeline.view import View
        from relightnerf.progress import say, show
        from relightnerf.status.scene_status import next_command, scene_rows

        rows = scene_rows(self.scene)
        show(_table(rows, self.scene))
        for row in rows:
            if row.status.reason:
                say(f"{row.name}: {row.status.reason}")
        if advice := self._unsure():
            say(f"geometry: {advice}")
        say(f"next: {command_line(next_command(rows) or View(self.scene))}")

    def _unsure(self) -> str | None:
        from relightnerf.io.files import read_json
        from relightnerf.pipeline.geometry import unsure_advice

        path = self.scene / "geometry" / "unsure.json"
        return unsure_advice(read_json(path)) if path.is_file() else None


def _table(rows: "list[Row]", root: Path) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("stage", "state", "age", "took", "size"):
        table.add_column(name, justify="left" if name in ("stage", "state") else "right", no_wrap=True)
    for row in rows:
        state, color = row.status.state, _COLORS[row.status.state]
        size = _size(row.folder)
        table.add_row(row.name, f"[{color}]{state}[/]", _age(row), _took(row.seconds), _megabytes(size) if size else "")
    table.add_row("total", "", "", "", _megabytes(_size(root)))
    return table


def _age(row: "Row") -> str:
    if row.written is None:
        return ""
    age = time.time() - row.written
    seconds, unit = next(((s, u) for s, u in _AGES if age >= s), (1.0, "second"))
    count = max(0, int(age / seconds))
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _took(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE:.1f} min" if seconds < _HOUR else f"{seconds / _HOUR:.1f} h"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def _size(folder: Path) -> int:
    """Return the size of a folder in bytes."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir()) if folder.is_dir() else 0
