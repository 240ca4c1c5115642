"""The documentation: the site builds without a warning and without a network, and what its pages say is so."""

import html
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tyro
from importlinter import api

from relightnerf import cli
from relightnerf.capture import _video
from relightnerf.lights import direction_from_angles
from relightnerf.pipeline import fit, geometry, prepare

ROOT = Path(__file__).parents[1]
PAGES = (*sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("datasets/**/README.md")))
MODEL_CARD = ROOT / "relightnerf" / "weights" / "compact" / "README.md"


class _Parsed(Exception):  # noqa: N818
    """What a command line was read as; the command itself does not run."""


class _Loaded(HTMLParser):
    """The addresses that a browser loads for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = ("href",) if tag == "link" else () if tag == "a" else ("src", "data", "poster")
        self.addresses += [value for name, value in attrs if name in names and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; whatever the builder might ask a network for, nothing answers."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"
    )
    environment = {**os.environ, **nowhere, "no_proxy": "", "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    assert not re.search("WARNING|ERROR|Warning", built.stdout + built.stderr), built.stderr
    return folder


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        for address in _Loaded(page.read_text()).addresses:
            assert not re.match(r"([a-z]+:)?//", address), f"{page}: {address}"
            folder = site if address.startswith("/") else page.parent  # the page for pages that are not there
            assert address.startswith("data:") or (folder / address.strip("/").split("#")[0]).exists(), address
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", style.read_text()), style


@pytest.mark.parametrize("command", cli.COMMANDS)
def test_every_flag_of_every_command_is_on_the_site(
    site: Path, command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "60")  # another layout than the one that the page is made from
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    flags = set(re.findall(r"^\W (--[a-z][\w.-]*)", capsys.readouterr().out, re.MULTILINE))
    page = (site / "commands.html").read_text()
    part = page[page.index(f'<h2 id="{command}">') :].partition("<h2 ")[2].partition("<h2 ")[0]
    assert flags <= set(re.findall(r"<code>(--[\w.-]+)</code>", part))
    assert flags or command == "completion"


def test_every_example_is_on_the_site(site: Path) -> None:
    page = _text(site / "examples.html")
    assert all(example.read_text() in page for example in ROOT.glob("examples/*.py"))


def test_the_reference_shows_shapes_as_they_are_written(site: Path) -> None:
    page = _text(site / "api" / "lights.html")
    assert re.search(r"""Float\[np.ndarray, ['"]3['"]\]""", page)
    assert re.search(r"""Float\[Tensor, ['"]\*batch 16['"]\]""", page)
    assert not re.search(r"(Float|UInt8|Bool)\[[\w.]+, \w", page)


def _text(page: Path) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def _commands(page: Path) -> Iterator[str]:
    """Yield the command lines in a page's code, without comments."""
    text = page.read_text()
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"(?:^ {4}.*\n)+", text, re.MULTILINE)
    for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
        if re.match(r"\s*(\.venv/bin/)?(relightnerf|python|accelerate) ", line):
            yield shlex.join(shlex.split(line, comments=True))


_WRITTEN = [(page, command) for page in (*PAGES, MODEL_CARD) for command in dict.fromkeys(_commands(page))]


def test_pages_hold_commands() -> None:
    assert sum(page.parent == ROOT / "docs" for page, _ in _WRITTEN) > 20


@pytest.mark.parametrize(("page", "command"), _WRITTEN, ids=lambda value: str(value)[-60:])
def test_every_command_of_the_pages_parses(page: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)
    monkeypatch.setattr(tyro, "cli", _stopping(tyro.cli))
    monkeypatch.setattr(tyro.extras, "overridable_config_cli", _stopping(tyro.extras.overridable_config_cli))
    monkeypatch.setattr(sys, "path", list(sys.path))
    try:
        with pytest.raises(_Parsed) as parsed:
            if words[0].endswith("relightnerf"):
                cli.main(words[1:])
            else:
                start = next(index for index, word in enumerate(words) if word.endswith(".py"))
                script = ROOT / words[start]
                monkeypatch.setattr(sys, "argv", words[start:])
                monkeypatch.syspath_prepend(str(script.parent))
                runpy.run_path(str(script), run_name="__main__")
    except SystemExit:
        pytest.fail(f"{page}: {command}")
    check = getattr(parsed.value.args[0], "check", None)
    if callable(check):  # flags that do not go together
        check()


def _stopping(parse: Callable[..., Any]) -> Callable[..., Any]:
    def parse_and_stop(*arguments: Any, **options: Any) -> Any:
        raise _Parsed(parse(*arguments, **options))

    return parse_and_stop


@pytest.mark.parametrize("page", (*PAGES, MODEL_CARD), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_are_right_in_the_repository_too(page: Path) -> None:
    for target in re.findall(r"\]\((?![a-z]+:|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page}: {target}"


def _cells(page: str) -> list[list[str]]:
    lines = (ROOT / "docs" / page).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def test_the_table_of_presets_is_right() -> None:
    numbers = {row[0]: tuple(int(cell.split()[0].replace(",", "")) for cell in row[1:]) for row in _presets()}
    sizes = tuple(prepare.MAX_SIZE[preset] for preset in ("quick", "full"))
    stages = geometry.STEPS, fit.STEPS["relightnerf"]
    steps = [tuple(presets[preset] for preset in ("quick", "full")) for presets in stages]
    assert list(numbers.values()) == [sizes, *steps, (_video.SETTINGS.quick_frames, _video.SETTINGS.full_frames)]


def _presets() -> list[list[str]]:
    rows = [row for row in _cells("own_photos.md") if len(row) == 3 and row[1][:1].isdigit()]
    assert [row[0].split()[0] for row in rows] == ["longer", "steps", "steps", "frames"]
    return rows


def test_messages_that_troubleshooting_quotes_are_in_the_code() -> None:
    files = [*ROOT.glob("relightnerf/**/*.py"), *ROOT.glob("scripts/*.sh")]
    code = "\n".join(path.read_text() for path in files)
    quoted = [text for row in _cells("troubleshooting.md") for text in re.findall(r"`([^`]+ [^`]+)`", row[0])]
    assert len(quoted) > 25
    for text in quoted:
        for part in filter(None, (part.strip(" ,") for part in text.split("…"))):
            pattern = re.sub(r"\d+", lambda _: r"(\{[^}]*\}|\$\w+|\d+)", re.escape(part))
            assert re.search(pattern, code), text


@pytest.mark.parametrize(
    ("script", "names"),
    [("draw_light_angles.py", ["light_camera.svg", "light_world.svg"]), ("draw_architecture.py", ["architecture.svg"])],
)
def test_the_drawings_are_what_their_script_draws(script: str, names: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, ROOT / "scripts" / script, "--output", tmp_path], env=environment, check=True)
    drawn = sorted(tmp_path.iterdir())
    assert [path.name for path in drawn] == names
    for path in drawn:
        assert path.read_text() == (ROOT / "docs" / path.name).read_text(), f"run `python scripts/{script}`"


def test_the_architecture_page_lists_the_packages_in_their_order() -> None:
    layers = api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"][0]["layers"]
    names = [name.strip() for layer in layers for name in layer.split("|")]
    rows = [row[0].strip("`") for row in _cells("architecture.md") if len(row) == 3]
    assert rows[1:] == names  # the first row is the head


def test_the_way_of_a_light_passes_through_functions_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    hops = re.findall(r"^\d+\. `(relightnerf/[\w/]+\.py)`: (.+?)(?=^\d+\. |^$)", page, re.MULTILINE | re.DOTALL)
    assert len(hops) > 8
    for file, text in hops:
        code = (ROOT / file).read_text()
        named = re.search(r"`([A-Za-z_.]+)`", text)
        assert named, text
        for name in named[1].split("."):
            assert re.search(rf"^\s*(def|class) {name}\b", code, re.MULTILINE), f"{file}: {named[1]}"


def test_the_table_of_directions_is_right() -> None:
    page = (ROOT / "docs" / "conventions.md").read_text()
    rows = re.findall(r"^\| (-?\d+), (-?\d+) \| ([-.\d, ]+) \| ([-.\d, ]+) \|$", page, re.MULTILINE)
    assert len(rows) == 6
    for azimuth, elevation, *vectors in rows:
        for frame, vector in zip(("world", "camera"), vectors, strict=True):
            written = [float(number) for number in vector.split(",")]
            assert np.allclose(direction_from_angles(float(azimuth), float(elevation), frame), written, atol=5e-4)


def test_every_file_of_the_project_that_is_named_is_there() -> None:
    sources = [*ROOT.glob("datasets/**/*.py"), *ROOT.glob("scripts/*"), *ROOT.glob("examples/*.py")]
    invented = {"relightnerf/capture/_mykind.py", "relightnerf/pipeline/mystage.py", "stages/STAGE.py"}
    for page in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sources):
        if page.is_file():
            named = set(
                re.findall(r"\b(?:relightnerf|stages|scripts|datasets)/[\w/]+\.(?:py|sh|md)\b", page.read_text())
            )
            assert not [name for name in named - invented if not (ROOT / name).is_file()], page
