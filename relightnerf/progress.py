"""Messages of a stage at work: lines, and on a terminal a progress bar with the time left."""

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_T = TypeVar("_T")
_console = Console(highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print one line for the user."""
    _console.print(message, markup=False)


def show(renderable: RenderableType) -> None:
    """Print something of rich's, e.g. a table."""
    _console.print(renderable)


def track(items: Iterable[_T], description: str, total: int | None = None, done: int = 0) -> Iterator[_T]:
    """Iterate over ``items`` behind a progress bar with the time left; silent when the output is not a terminal.

    Args:
        items: what to iterate over.
        description: what is happening, e.g. ``"shading"``.
        total: the number of steps in all; taken from ``items`` when they have a length.
        done: steps that an earlier, interrupted run has done already.
    """
    if total is None and isinstance(items, Sized):
        total = len(items) + done
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_console, transient=True, disable=not _console.is_terminal) as progress:
        task = progress.add_task(description, total=total, completed=done)
        for item in items:
            yield item
            progress.advance(task)
