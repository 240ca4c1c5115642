"""Draw which package of relightnerf imports which: docs/architecture.svg.

    python scripts/draw_architecture.py

The layers are read from `pyproject.toml`, the imports from the code: the picture says what the code does.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import grimp
import tyro
from importlinter import api

from relightnerf.cli import run_command
from relightnerf.io.files import atomic_path

ROOT = Path(__file__).parents[1]
PACKAGE = "relightnerf"
STEP, ROW, HEAD = 31, 30, 46
"""Distance of columns, of rows, and room above the first row, in pixels."""
LEFT, BOX, HEIGHT = 112, 96, 22
"""Room left of the first column, and size of a box, in pixels."""
_STYLE = """<style>
  svg { --ink: #1f2937; --faint: #4b5563; --line: #9ca3af; --dot: #1d4ed8; --box: #e0e7ef; --band: #f3f4f6 }
  @media (prefers-color-scheme: dark) {
    svg { --ink: #e5e7eb; --faint: #b6bdc9; --line: #6b7280; --dot: #93c5fd; --box: #33415a; --band: #252c38 }
  }
  text { font: 13px system-ui, sans-serif; fill: var(--faint) }
  text.package { font: 600 13px ui-monospace, monospace; fill: var(--ink); text-anchor: middle }
  rect { fill: var(--box); stroke: var(--line) }
  rect.band { fill: var(--band); stroke: none }
  path { fill: none; stroke: var(--line) }
  circle { fill: var(--dot) }
</style>"""


def layers() -> list[list[str]]:
    """Return the packages of each layer, the top layer first, as `pyproject.toml` lists them."""
    contracts = api.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]
    listed = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in listed]


def imports() -> set[tuple[str, str]]:
    """Return the pairs of packages of which the first imports the second, anywhere in its code."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    pairs = {
        (_package(module), _package(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return {(user, used) for user, used in pairs if user != used}


def _package(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def drawn(layered: list[list[str]], pairs: set[tuple[str, str]]) -> str:
    """Return the picture as SVG: a row a package; a dot is an import, in the column of the package that is imported."""
    names = [name for layer in layered for name in layer]
    width, height = LEFT + STEP * len(names), HEAD + ROW * len(names) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>The {len(names)} packages of {PACKAGE} in {len(layered)} layers, and which imports which</title>",
        _STYLE,
        *_bands(layered, width),
        *_lines(names, pairs),
        *(_box(name, index) for index, name in enumerate(names)),
        '<text x="8" y="18">A dot: the package of this row imports the package below the dot.</text>',
        '<text x="8" y="35">A band is a layer. Imports go to lower layers only: no dot is left of a box.</text>',
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bands(layered: list[list[str]], width: int) -> list[str]:
    parts, first = [], 0
    for index, layer in enumerate(layered):
        if index % 2 == 0:
            top, height = HEAD + ROW * first, ROW * len(layer)
            parts.append(f'<rect class="band" x="0" y="{top}" width="{width}" height="{height}"/>')
        first += len(layer)
    return parts


def _lines(names: list[str], pairs: set[tuple[str, str]]) -> list[str]:
    """Return each package's row up to its last import, its column from its first user, and the dots."""
    cells = sorted((names.index(user), names.index(used)) for user, used in pairs if {user, used} <= set(names))
    parts = [f'<path d="M{_x(row)},{_y(row)} H{_x(max(c for r, c in cells if r == row))}"/>' for row, _ in cells]
    parts += [
        f'<path d="M{_x(column)},{_y(column)} V{_y(min(r for r, c in cells if c == column))}"/>' for _, column in cells
    ]
    return [*dict.fromkeys(parts), *(f'<circle cx="{_x(column)}" cy="{_y(row)}" r="4"/>' for row, column in cells)]


def _box(name: str, index: int) -> str:
    left, top = _x(index) + 12 - BOX, _y(index) - HEIGHT // 2
    box = f'<rect x="{left}" y="{top}" width="{BOX}" height="{HEIGHT}" rx="3"/>'
    return f'{box}<text class="package" x="{left + BOX // 2}" y="{_y(index) + 5}">{name}</text>'


def _x(column: int) -> int:
    return LEFT + STEP * column - 14


def _y(row: int) -> int:
    return HEAD + ROW * row + ROW // 2


@dataclass
class DrawArchitecture:
    """Parsed flags."""

    output: Path = ROOT / "docs"
    """Folder to write to."""

    def run(self) -> None:
        with atomic_path(self.output / "architecture.svg") as temporary:
            temporary.write_text(drawn(layers(), imports()))


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(DrawArchitecture, description=__doc__)))
