"""The command ``relightnerf``: subcommands, exit codes, and one line for every error."""

import contextlib
import errno
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import tyro

from relightnerf import __version__
from relightnerf.cli.examples import epilog
from relightnerf.errors import InputError
from relightnerf.io.files import NO_SPACE

STAGES = (
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
    "report",
    "view",
)
"""Subcommands that work on pictures; each has a script of its name in ``stages/`` as well."""
COMMANDS = (*STAGES, "status", "upgrade", "doctor", "completion")
"""Subcommands; the module ``<name>`` of ``relightnerf.pipeline``, or of this package, has a dataclass ``<Name>``."""
_HERE = ("run", "status", "upgrade", "doctor", "completion")
"""Subcommands whose modules are in this package: they span several stages."""

_NO_SPACE_MESSAGES = ("PytorchStreamWriter failed writing", "items requested", "requested and")
"""In errors of torch and numpy that mean a full disk and have no number of the operating system."""
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
_EXIT_INPUT, _EXIT_INTERRUPTED, _EXIT_PIPE = 2, 130, 141
"""Exit codes: something given cannot be used; as shells tell SIGINT and SIGPIPE (128 + the signal)."""

_BASH_FILES = 'COMPREPLY=($(compgen -f -- "$cur"))'
_BASH_FILES_WITH_SLASH = 'compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur")'
"""tyro's own line splits names at spaces, and puts a space instead of a slash after the name of a folder."""


class Command(Protocol):
    """The flags of a subcommand, and its work."""

    def run(self) -> None:
        """Do the stage's work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 an input or flag cannot be used, 130 interrupted.

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
    """Run the command that ``parse`` returns, for programs of the project; return the exit code as ``main`` does.

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
    except BrokenPipeError:  # the reader of a pipe, e.g. `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _EXIT_PIPE
    except (OSError, RuntimeError) as error:
        line = _disk_trouble(error, command)
        if line is None:
            raise
        return _failed(line)
    return 0


def stage_main(command: str) -> None:
    """Run one subcommand with the flags of the calling script, and exit.

    Python puts a script's folder first on the import path, where ``stages/evaluate.py`` would hide an installed package
    of that name. So the folder is removed again.
    """
    script_folder = Path(sys.argv[0]).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != script_folder]
    sys.exit(main([command, *sys.argv[1:]]))


def _silence_libraries() -> None:
    """Hide warnings of libraries (deprecations, their own defaults) that users can do nothing about."""
    warnings.filterwarnings("ignore", module=rf"({'|'.join(_WARNING_LIBRARIES)})(\.|$)")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


def _parsed(arguments: Sequence[str]) -> Command:
    if arguments and arguments[0] in COMMANDS:
        command = arguments[0]
        with _examples_after_help(command):
            return tyro.cli(flags_of(command), prog=f"relightnerf {command}", args=arguments[1:])
    return _any_command(arguments or ["--help"])


def completion_script(shell: str) -> str:
    """Return a script with which ``"bash"``, ``"zsh"`` or ``"fish"`` completes subcommands, flags and values.

    Each press of the tab key starts a bare Python that knows all flags; it does not import this package.
    """
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        _any_command(["--tyro-print-completion", shell])
    return printed.getvalue().replace(_BASH_FILES, _BASH_FILES_WITH_SLASH).rstrip()


def _any_command(arguments: Sequence[str]) -> Command:
    return tyro.extras.subcommand_cli_from_dict(
        {command: flags_of(command) for command in COMMANDS},
        prog="relightnerf",
        description="Photos taken under one light become a radiance field that can be seen under any light.",
        args=arguments,
    )


@contextlib.contextmanager
def _examples_after_help(command: str) -> Iterator[None]:
    try:
        yield
    except SystemExit as end:
        if end.code in (None, 0):
            print(f"\n{epilog(command)}")
        raise


def flags_of(command: str) -> type:
    """Return the dataclass of a subcommand's flags."""
    package = "cli" if command in _HERE else "pipeline"
    flags: type = getattr(importlib.import_module(f"relightnerf.{package}.{command}"), command.capitalize())
    return flags


def _failed(message: str) -> int:
    print("error: " + " ".join(message.split()), file=sys.stderr)
    return _EXIT_INPUT


def _disk_trouble(error: Exception, command: Command | None) -> str | None:
    """Return one line about what the disk refused; None if the error is about something else."""
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
