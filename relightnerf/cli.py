"""The command ``relightnerf`` and its subcommands, one per module of ``relightnerf.pipeline``."""

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import tyro

from relightnerf import __version__
from relightnerf.errors import InputError
from relightnerf.files import NO_SPACE

COMMANDS = (
    "run",
    "prepare",
    "geometry",
    "synthesize",
    "match",
    "fit",
    "render",
    "relight",
    "export",
    "evaluate",
    "view",
)
"""Subcommands; ``relightnerf.pipeline.<name>`` holds the dataclass ``<Name>`` with its flags."""

_NO_SPACE_MESSAGES = ("PytorchStreamWriter failed writing", "items requested", "requested and")
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}
_WARNING_LIBRARIES = (
    "diffusers",
    "kornia",
    "nerfacc",
    "nerfstudio",
    "torch",
    "torchmetrics",
    "torchvision",
    "transformers",
    "viser",
)
_EXIT_INPUT = 2
_EXIT_INTERRUPTED = 130


class Command(Protocol):
    """A stage's flags and what it does with them."""

    def run(self) -> None:
        """Do the stage's work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 something given cannot be used, 130 interrupted.

    Args:
        arguments: what follows ``relightnerf``; taken from ``sys.argv`` by default.

    Raises:
        SystemExit: after ``--help`` (0) and after flags that do not parse (2).
    """
    _silence_libraries()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if arguments == ["--version"]:
        print(f"relightnerf {__version__}")
        return 0
    return run_command(lambda: _parsed(arguments))


def run_command(parse: Callable[[], Command]) -> int:
    """Run what ``parse`` makes of the command line, for programs of the project; returns the exit code as ``main``.

    Args:
        parse: reads the flags; may exit, for ``--help``.
    """
    _silence_libraries()
    command: Command | None = None
    try:
        command = parse()
        command.run()
    except InputError as error:
        return _failed(str(error))
    except KeyboardInterrupt:
        print("stopped: the same command goes on where it stopped", file=sys.stderr)
        return _EXIT_INTERRUPTED
    except (OSError, RuntimeError) as error:
        line = _disk_trouble(error, command)
        if line is None:
            raise
        return _failed(line)
    return 0


def stage_main(command: str) -> None:
    """Run one subcommand with the flags of the calling script, and exit.

    Python puts a script's folder first on the import path, where ``stages/evaluate.py`` would hide an installed package
    of that name: it is taken off again.
    """
    script_folder = Path(sys.argv[0]).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != script_folder]
    sys.exit(main([command, *sys.argv[1:]]))


def _silence_libraries() -> None:
    """Hide what libraries warn each other about (deprecations, their own defaults): users can do nothing about it."""
    warnings.filterwarnings("ignore", module=rf"({'|'.join(_WARNING_LIBRARIES)})(\.|$)")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def _parsed(arguments: Sequence[str]) -> Command:
    if arguments and arguments[0] in COMMANDS:
        command = arguments[0]
        return tyro.cli(_flags(command), prog=f"relightnerf {command}", args=arguments[1:])
    return tyro.extras.subcommand_cli_from_dict(
        {command: _flags(command) for command in COMMANDS},
        prog="relightnerf",
        description="Photos taken under one light become a radiance field that can be seen under any light.",
        args=arguments or ["--help"],
    )


def _flags(command: str) -> Callable[..., Any]:
    module = importlib.import_module(f"relightnerf.pipeline.{command}")
    return getattr(module, command.capitalize())


def _failed(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return _EXIT_INPUT


def _disk_trouble(error: Exception, command: Command | None) -> str | None:
    """Say in one line what the disk refused; None if the error is about something else."""
    number, filename, reason = None, None, str(error)
    if isinstance(error, OSError):
        number, filename, reason = error.errno, error.filename, error.strerror or reason
    folder = getattr(command, "scene", None) or getattr(command, "output", None)
    place = Path(filename).parent if filename else folder
    if number in NO_SPACE or (number is None and any(text in str(error) for text in _NO_SPACE_MESSAGES)):
        return f"{place}: no space left. Make room, then give the same command again: it goes on where it stopped."
    if number in _UNWRITABLE:
        return f"{filename or place}: {reason}. Choose a place that you may write to."
    return None
