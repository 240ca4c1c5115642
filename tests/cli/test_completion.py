"""What a shell offers at the tab key, asked of real shells."""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from relightnerf.cli import COMMANDS

ROOT = Path(__file__).parents[2]
BASH = """
source "$1"; shift
COMP_WORDS=(relightnerf "$@"); COMP_CWORD=$#
$(complete -p relightnerf | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""
FISH = 'source $argv[1]; complete -C "relightnerf $argv[2..]"'


@pytest.fixture(scope="module", params=["bash", "fish", "zsh"])
def shell(request: pytest.FixtureRequest) -> str:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    return request.param


@pytest.fixture(scope="module")
def script(shell: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shell's script, written by a real process."""
    path = tmp_path_factory.mktemp(shell) / "_relightnerf"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "relightnerf", "completion", shell]
    with open(path, "w") as file:
        subprocess.run(command, stdout=file, env=environment, check=True, timeout=60)
    return path


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", COMMANDS),
        ("sta", ["status"]),
        ("run --pre", ["--preset"]),
        ("run --preset ", ["quick", "full", "large"]),
        ("render --layout c", ["compare"]),
        ("fit --scene des", ["desk"]),
    ],
)
def test_subcommands_flags_values_and_files_are_offered(
    shell: str, script: Path, tmp_path: Path, words: str, expected: list[str]
) -> None:
    (tmp_path / "desk").mkdir()
    offered = _offered(shell, script, words, tmp_path)
    assert {word.rstrip("/") for word in offered} - {"-h", "--help"} == set(expected)


def test_folders_with_spaces_are_offered_whole(shell: str, script: Path, tmp_path: Path) -> None:
    (tmp_path / "my desk").mkdir()
    offered = _offered(shell, script, "fit --scene my", tmp_path)
    assert {word.replace("\\", "").rstrip("/") for word in offered} == {"my desk"}


def test_a_key_is_answered_at_once(shell: str, script: Path, tmp_path: Path) -> None:
    started = os.times()
    _offered(shell, script, "run --", tmp_path)
    ended = os.times()
    assert ended.children_user + ended.children_system - started.children_user - started.children_system < 1.0


def _offered(shell: str, script: Path, words: str, folder: Path) -> list[str]:
    if shell == "zsh":
        return _typed(script, words, folder)
    arguments = ["bash", "--norc", "-c", BASH, "bash"] if shell == "bash" else ["fish", "--no-config", "-c", FISH]
    command = [*arguments, str(script), *(words.split(" ") if shell == "bash" else [words])]
    result = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=60)
    assert result.stderr == ""
    return [line.partition("\t")[0] for line in result.stdout.splitlines() if line]


def _typed(script: Path, words: str, folder: Path) -> list[str]:
    """Type words and a tab into an interactive zsh whose completion also writes down what it offers."""
    offers = script.with_name("offers")
    offers.unlink(missing_ok=True)
    note = f'builtin compadd -O found "$@"; print -rl -- ${{found[@]}} >> {offers}; builtin compadd "$@"'
    setup = (
        f"PS1=; fpath=({script.parent} $fpath); autoload -Uz compinit; compinit -u -d {script.parent}/.dump; "
        f"compadd() {{ local -a found; {note}; }}; print rea''dy\n"
    )
    controller, terminal = pty.openpty()
    ends = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    process = subprocess.Popen(["zsh", "-f", "-i"], cwd=folder, start_new_session=True, **ends)
    try:
        os.write(controller, setup.encode())
        _wait_for(controller, lambda printed: b"ready" in printed)
        os.write(controller, f"relightnerf {words}\t".encode())
        _wait_for(controller, lambda _: offers.is_file() and offers.read_text() != "")
        process.send_signal(signal.SIGHUP)
        process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        os.close(controller)
        os.close(terminal)
    return [line for line in dict.fromkeys(offers.read_text().splitlines()) if line]


def _wait_for(terminal: int, condition: Callable[[bytes], bool], seconds: float = 60.0) -> None:
    """Read what a terminal prints until the condition holds, and a little longer."""
    printed, end = b"", time.monotonic() + seconds
    while not condition(printed):
        assert time.monotonic() < end, printed
        if select.select([terminal], [], [], 0.05)[0]:
            printed += os.read(terminal, 1 << 16)
    while select.select([terminal], [], [], 0.3)[0]:
        os.read(terminal, 1 << 16)
