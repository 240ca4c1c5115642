"""The page of the site with all commands: tables made of what ``relightnerf COMMAND --help`` prints."""

import contextlib
import io
import os
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from unittest import mock

from relightnerf.cli import COMMANDS, main

_WIDE = "1000"  # columns, so that no line of the help is broken
_BOX = re.compile(r"^[╭┌+][─\-]+ (?P<title>.*?) [─\-]+[╮┐+]$")
_RULE = re.compile(r"^[│|]\s*[─\-]{3,}\s*[│|]$")
_VALUE = re.compile(r"\s*\((?P<kind>required|repeatable|default: (?P<default>.*?))\)$", re.DOTALL)
_INTRODUCTION = """# Commands

This page is made from the commands' own `--help`. In a clone, `python stages/STAGE.py` takes the same flags. Bad input
ends with exit code 2 and one line that says what to do. Ctrl-C ends with exit code 130.
"""


@dataclass
class Flag:
    """A line of a help's table."""

    head: str
    help: str = ""


@dataclass
class Box:
    """A framed part of a help."""

    title: str
    text: str = ""
    flags: list[Flag] = field(default_factory=list)


@dataclass
class Help:
    """A command's help, taken apart; the line of usage is left out."""

    text: str
    boxes: list[Box]
    epilog: str


def command_pages() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([_INTRODUCTION, *(markdown(command, read_help(help_text(command))) for command in COMMANDS)])


def help_text(command: str) -> str:
    """Return what ``relightnerf COMMAND --help`` prints on a very wide terminal."""
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # frames are drawn with what the encoding has
    wide = {"COLUMNS": _WIDE, "NO_COLOR": "1", "TERM": "dumb"}
    with mock.patch.dict(os.environ, wide), contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        main([command, "--help"])
    printed.seek(0)
    return printed.read()


def read_help(text: str) -> Help:
    """Take a help apart: description, frames with flags, and what stands below them."""
    outside: list[str] = []
    boxes: list[Box] = []
    is_inside = False
    for line in text.splitlines():
        if title := _BOX.match(line):
            boxes.append(Box(title["title"]))
            is_inside = True
        elif is_inside and line[:1] in "╰└+":
            is_inside = False
            outside.append("\0")
        elif is_inside:
            _read_line(boxes[-1], line)
        else:
            outside.append(line.rstrip())
    before, *after = "\n".join(outside).split("\0")
    description = before.strip().partition("\n\n")[2]
    return Help(description.strip(), boxes, "\n".join(after).strip())


def _read_line(box: Box, line: str) -> None:
    if _RULE.match(line):  # what stood above it was the frame's description
        box.text, box.flags = " ".join(flag.head for flag in box.flags), []
        return
    words = line.strip("│|").removeprefix(" ").rstrip()
    if not words.startswith(" "):
        head, _, explained = words.partition("  ")
        box.flags.append(Flag(head, explained.strip()))
    elif box.flags:
        box.flags[-1].help = f"{box.flags[-1].help} {words.strip()}".strip()


def markdown(command: str, content: Help) -> str:
    """Return a command's part of the page."""
    return "\n".join(_markdown_lines(command, content)) + "\n"


def _markdown_lines(command: str, content: Help) -> Iterator[str]:
    yield f"## {command}\n\n{_escaped(content.text)}\n"
    for box in content.boxes:
        flags = [flag for flag in box.flags if not flag.head.startswith("-h,")]
        if not flags:
            continue
        if box.title != "options" or box.text:
            yield f"**{_escaped(box.title)}**{': ' if box.text else ''}{_escaped(box.text)}\n"
        yield "| flag | value | default | what it does |\n| --- | --- | --- | --- |"
        yield from map(_row, flags)
        yield ""
    if content.epilog:
        yield f"```bash\n{textwrap.dedent(content.epilog.removeprefix('Examples:').strip(chr(10)))}\n```\n"


def _row(flag: Flag) -> str:
    names, _, value = flag.head.partition(" ")
    while names.endswith(","):
        name, _, value = value.partition(" ")
        names = f"{names} {name}"
    shown = ", ".join(f"`{name}`" for name in names.strip("{}").replace(", ", ",").split(","))
    known = _VALUE.search(flag.help)
    text = flag.help[: known.start()] if known else flag.help
    return f"| {shown} | {_value(value)} | {_default(known, is_switch=not value)} | {_escaped(text)} |"


def _value(text: str) -> str:
    """Return the kind of value without the None that many flags start from; several choices are listed."""
    plain = text.removeprefix("{None}|").replace("{None,", "{")
    if plain.startswith("["):
        return f"`{plain.strip('[]').split()[0]} …`"
    return ", ".join(f"`{choice}`" for choice in plain.strip("{}").split(",")) if plain else ""


def _default(known: re.Match[str] | None, is_switch: bool) -> str:
    if known is None or known["default"] in ("", "None"):
        return ""
    if known["default"] is None:
        return known["kind"]
    return {"True": "on", "False": "off"}.get(known["default"], "") if is_switch else f"`{known['default']}`"


def _escaped(text: str) -> str:
    """Return text in which nothing but code between backticks has a meaning in Markdown."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([\\*_\[\]|])", r"\\\1", part).replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts).replace("\n", " ") if len(parts) % 2 else re.sub(r"([`])", r"\\\1", text)
