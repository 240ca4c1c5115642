import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import typing
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from relightnerf import __version__
from relightnerf.cli import COMMANDS, STAGES, flags_of, main
from relightnerf.cli._main import _parsed
from relightnerf.cli.examples import EXAMPLES

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "open3d", "nerfstudio", "kornia", "pycolmap", "diffusers", "transformers", "scipy")


def _command(*arguments: str, script: str | None = None, **options) -> subprocess.Popen[str]:
    start = [sys.executable, *([str(ROOT / "stages" / f"{script}.py")] if script else ["-m", "relightnerf"])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen([*start, *arguments], stdout=pipe, stderr=pipe, text=True, env=environment, **options)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"relightnerf {__version__}\n"


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["--help"])
    assert exit_info.value.code == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"^\W+{command} ", printed, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_every_flag(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main([command, "--help"])
    assert exit_info.value.code == 0
    printed = capsys.readouterr().out
    assert f"usage: relightnerf {command}" in printed
    if command == "completion":  # which takes one word, and no flags
        assert "The shell to be taught" in printed
        return
    flags = flags_of(command)
    for name in _flag_names(flags):
        explained = re.search(rf"--{name.replace('_', '-')}(?:, --\S+)? [^(|]*?[a-z]{{3}}", printed)
        assert explained, f"--{name} has no help"


def _flag_names(flags: type, prefix: str = "") -> Iterator[str]:
    hints = typing.get_type_hints(flags)
    for field in dataclasses.fields(flags):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _flag_names(hints[field.name], f"{prefix}{field.name}.")
        else:
            yield prefix + field.name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_ends_its_help_with_examples_that_parse(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    end = capsys.readouterr().out.partition("Examples:\n")[2]
    lines = [line.strip() for line in end.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(lines) == len(EXAMPLES[command]) > 0
    for line in lines:
        words = shlex.split(line.partition(" > ")[0])
        assert words[:2] == ["relightnerf", command]
        assert type(_parsed(words[1:])).__name__ == command.capitalize()
        assert len(line) <= 110


def test_help_into_a_pipe_that_ends_early_is_no_error() -> None:
    process = _command("run", "--help")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


def test_help_takes_less_than_a_second() -> None:
    code = "import os; before = os.times(); from relightnerf import cli\n"
    code += "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
    code += "after = os.times(); import sys; print(after.user + after.system, file=sys.stderr)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert float(result.stderr) < 1.0  # of the processor: other processes do not count


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--scene", "/nowhere"], ["completion", "bash"]])
def test_what_is_to_answer_at_once_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys, relightnerf.cli as cli\n"
        f"try: cli.main({arguments!r})\n"
        "except SystemExit: pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stderr.splitlines()[-1] == "[]"


@pytest.mark.parametrize("arguments", [["frobnicate"], ["render"], ["fit", "--scene", "x", "--speed", "9"]])
def test_flags_that_do_not_parse_are_explained_in_a_few_lines(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(arguments)
    assert exit_info.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert 0 < len(printed.err.splitlines()) <= 10


def test_stage_scripts_take_the_same_flags() -> None:
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(STAGES)
    process = _command("--scene", "/nowhere", script="evaluate")
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 2
    assert printed.startswith("error: /nowhere: not a scene folder")


def test_a_stage_script_hides_no_installed_package(tmp_path: Path) -> None:
    lines = [
        "import sys",
        "from relightnerf.cli import _main",
        "_main.main = lambda _: sys.path",
        "_main.stage_main('fit')",
    ]
    (tmp_path / "probe.py").write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, tmp_path / "probe.py"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert str(tmp_path) not in result.stderr
    assert str(ROOT) in result.stderr


def test_libraries_warn_in_vain_and_we_do_not() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        main(["--version"])
        for module in ("torch", "torch.jit._script", "nerfstudio.engine.trainer", "torchless", "relightnerf.scene"):
            warnings.warn_explicit(module, FutureWarning, "file.py", 1, module)
    assert [str(warning.message) for warning in seen] == ["torchless", "relightnerf.scene"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_ctrl_c_ends_with_130_and_one_line() -> None:
    code = "import time; from relightnerf import cli; from relightnerf.pipeline.view import View\n"
    code += "View.run = lambda self: (print('up', flush=True), time.sleep(60))\n"
    code += "raise SystemExit(cli.main(['view', '--scene', 'x']))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 130
    assert printed == "stopped: the same command goes on where it stopped\n"
