"""Runs the pipeline on captures with known truth, and measures what comes out, step by step.

    .venv/bin/python scripts/evaluate_captures.py data/captures/test datasets/demo --output OUT --stages 2d

CAPTURES are folders of `datasets/render_captures.py` (or folders above them), or others of that form: `capture/`,
`truth/` and, if known, true depth. For each, OUT gets `<capture>.json`, the scene folder, a log and the relit pictures;
captures that have been measured are skipped. The table, also in `OUT/table.md`, has a row for each kind.

--stages geometry measures depth and normals. 2d adds the capture's light and the held-out photos relit in 2D, with the
scene's geometry and with the true one. all adds the field. --code runs and measures another checkout; give each an
--output of its own.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro

from relightnerf.cli import run_command
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path, read_json, write_json
from relightnerf.progress import say

ROOT = Path(__file__).parents[1]
STAGES = ("geometry", "2d", "all")
MANIFESTS = {"prepare": "capture", "geometry": "geometry", "match": "matched", "fit": "field"}
"""Folder of each stage's manifest in a scene; synthesize has one for each relighter."""
KNOWN_LIGHTS = {"corner": (-0.5, -0.55, 0.67)}
"""Direction of the capture's light of captures by folder name, whose truth does not have it."""
Values = dict[str, float | None]


@dataclass
class EvaluateCaptures:
    """What to run and to measure."""

    captures: tyro.conf.Positional[tuple[Path, ...]]
    """Capture folders, or folders of them."""
    output: Path
    """Folder for results, scenes and logs."""
    stages: Literal["geometry", "2d", "all"] = "2d"
    """How far to go."""
    relighters: tuple[str, ...] = ("compact",)
    """2D relighters to measure; the field is fitted to the first one's pictures."""
    code: Path = ROOT
    """Checkout whose library runs and measures."""
    preset: Literal["quick", "full", "large"] = "quick"
    """Preset of all stages."""
    seconds: float = 3600.0
    """Longest time for one command."""

    def run(self) -> None:
        """Measure the captures that have not been measured so far; print and write the table."""
        if not (self.code / "relightnerf" / "__init__.py").is_file():
            raise InputError(f"{self.code}: not a checkout of relightnerf", "give the folder of a clone")
        folders = find_captures(self.captures)
        failed = [message for folder in folders if (message := self._measured(folder))]
        results = [read_json(self._result(f)) for f in folders if self._result(f).is_file()]
        if results:
            text = table(results, self.relighters)
            with atomic_path(self.output / "table.md") as temporary:
                temporary.write_text(text)
            say(text)
        if failed:
            raise InputError("; ".join(failed), "see the logs, and run again")

    def _measured(self, folder: Path) -> str | None:
        """Run and measure one capture unless that has been done; return what failed."""
        name = capture_name(folder)
        if self._is_done(folder):
            say(f"{name}: measured before")
            return None
        try:
            self._run_stages(folder)
            scores = self._scores(folder)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            return f"{name}: {' '.join(map(str, error.cmd[1:5]))} failed"
        write_json(self._result(folder), scores)
        say(f"{name}: {summary(scores, self.relighters)}")
        return None

    def _is_done(self, folder: Path) -> bool:
        if not self._result(folder).is_file():
            return False
        made = read_json(self._result(folder))
        if made["code"] != str(self.code.absolute()) or made["preset"] != self.preset:
            raise InputError(f"{self._result(folder)}: made with other code or preset", "give another --output")
        enough = STAGES.index(made["stages"]) >= STAGES.index(self.stages)
        return enough and (self.stages == "geometry" or set(self.relighters) <= set(made["relighters"]))

    def _run_stages(self, folder: Path) -> None:
        scene, preset = self._scene(folder), self.preset
        smaller = "quick" if preset == "quick" else "full"
        self._command(
            folder, "prepare", "--capture", folder.absolute() / "capture", "--scene", scene, "--preset", smaller
        )
        self._command(folder, "geometry", "--scene", scene, "--preset", preset, "--device", "cpu")
        if self.stages == "all":
            relighter = ("--scene", scene, "--relighter", self.relighters[0])
            self._command(folder, "synthesize", *relighter, "--device", "cpu")
            self._command(folder, "match", *relighter)
            self._command(folder, "fit", "--scene", scene, "--preset", preset, "--device", "cpu")
            self._command(
                folder, "evaluate", "--scene", scene, "--truth", folder.absolute() / "truth", "--device", "cpu"
            )

    def _scores(self, folder: Path) -> dict[str, Any]:
        """Measure a scene with the checkout's library, and add what the stages have written."""
        scene, name = self._scene(folder), capture_name(folder)
        path = self.output.absolute() / "scores" / f"{name}.json"
        flags = ["--scene", scene, "--capture", folder.absolute(), "--output", path]
        flags += ["--pictures", self.output.absolute() / "pictures" / name, "--relighters"]
        flags += self.relighters if self.stages != "geometry" else ()
        if folder.name in KNOWN_LIGHTS:
            flags += ["--light", *KNOWN_LIGHTS[folder.name]]
        self._python(folder, ROOT / "scripts" / "measure_capture.py", *flags)
        keys = {"capture": str(folder.absolute()), "name": name, **drawn(folder), "stages": self.stages}
        keys |= {"code": str(self.code.absolute()), "preset": self.preset}
        metrics = scene / "report" / "metrics.json"
        field = read_json(metrics)["rows"]["this run"]["mean"] if self.stages == "all" else None
        return {**keys, **{"relighters": {}}, **read_json(path), "field": field, "minutes": minutes(scene)}

    def _command(self, folder: Path, *command: object) -> None:
        self._python(folder, "-m", "relightnerf", *command)

    def _python(self, folder: Path, *command: object) -> None:
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ, "PYTHONPATH": str(self.code.absolute())}
        log = self.output / "logs" / f"{capture_name(folder)}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"$ {' '.join(map(str, command))}\n")
            file.flush()
            words = [sys.executable, *map(str, command)]
            subprocess.run(
                words, env=environment, cwd=self.code, check=True, timeout=self.seconds, stdout=file, stderr=file
            )

    def _scene(self, folder: Path) -> Path:
        return self.output.absolute() / "scenes" / capture_name(folder)

    def _result(self, folder: Path) -> Path:
        return self.output / f"{capture_name(folder)}.json"


def find_captures(given: tuple[Path, ...]) -> list[Path]:
    """Return the capture folders among the given folders and below them.

    Raises:
        InputError: there is none.
    """
    found: list[Path] = []
    for folder in given:
        below = sorted(path.parents[1] for path in folder.glob("**/capture/transforms.json"))
        chosen = [path for path in below if (path / "truth" / "lights.json").is_file()]
        if not chosen:
            raise InputError(f"{folder}: no capture with truth", "give folders of datasets/render_captures.py")
        found += chosen
    return found


def capture_name(folder: Path) -> str:
    """Return a name that is another one in another split."""
    return "-".join(folder.absolute().parts[-2:])


def drawn(folder: Path) -> dict[str, Any]:
    """Return what was drawn for a capture, as far as it is known."""
    path = folder / "about.json"
    about = read_json(path) if path.is_file() else {}
    return {"kind": about.get("kind", folder.name), **{key: about.get(key) for key in ("light", "path", "faults")}}


def minutes(scene: Path) -> dict[str, float]:
    """Return the minutes of each stage that has run."""
    folders = {name: scene / folder for name, folder in MANIFESTS.items()}
    folders |= {f"synthesize {path.parent.name}": path.parent for path in scene.glob("relit/*/manifest.json")}
    paths = {name: folder / "manifest.json" for name, folder in folders.items()}
    return {name: read_json(path).get("seconds", 0.0) / 60 for name, path in paths.items() if path.is_file()}


def columns(result: dict[str, Any], relighters: tuple[str, ...]) -> Values:
    """Return the numbers of a row of the table."""

    def value(*keys: str) -> float | None:
        found: Any = result
        for key in keys:
            found = (found or {}).get(key)
        return found

    def percent(*keys: str) -> float | None:
        found = value(*keys)
        return None if found is None else 100.0 * found

    row: Values = {"depth %": percent("depth", "median"), "off %": percent("depth", "off")}
    row |= {"normals °": value("normal", "median_deg"), "mean °": value("normal", "mean_deg")}
    identity = value("identity", "psnr_scaled")
    row |= {"identity dB": identity, "SSIM": value("identity", "ssim_scaled")}
    for name in relighters:
        own = ("relighters", name)
        row |= {f"{name}: light °": value(*own, "light_error_deg"), f"{name} 2D dB": value(*own, "psnr_scaled")}
        row |= {f"{name} gain": _gain(value(*own, "psnr_scaled"), identity), f"{name} SSIM": value(*own, "ssim_scaled")}
        exact = (*own, "true_geometry")
        row |= {f"{name} true geometry: light °": value(*exact, "light_error_deg")}
        row |= {f"{name} true geometry dB": value(*exact, "psnr_scaled")}
    run = value("field", "psnr_scaled")
    row |= {"run dB": run, "run gain": _gain(run, identity), "run SSIM": value("field", "ssim_scaled")}
    return {**row, "minutes": sum(result["minutes"].values())}


def _gain(score: float | None, identity: float | None) -> float | None:
    return None if score is None or identity is None else score - identity


def table(results: list[dict[str, Any]], relighters: tuple[str, ...]) -> str:
    """Return means for each kind, and the mean and the median of all, as a Markdown table."""
    rows = [(result["kind"], columns(result, relighters)) for result in results]
    kinds = list(dict.fromkeys(kind for kind, _ in rows))
    names = [name for name in rows[0][1] if any(row[name] is not None for _, row in rows)]
    groups = {kind: [row for other, row in rows if other == kind] for kind in kinds}
    lines = ["| kind | captures | " + " | ".join(names) + " |", "|---|---:" + "|---:" * len(names) + "|"]
    for kind, group in groups.items():
        lines.append(_line(kind, group, names, np.mean))
    every = [row for _, row in rows]
    lines += [_line("all, mean", every, names, np.mean), _line("all, median", every, names, np.median)]
    return "\n".join(lines) + "\n"


def _line(title: str, group: list[Values], names: list[str], middle: Any) -> str:
    values = [[row[name] for row in group if row[name] is not None] for name in names]
    cells = [
        f"{middle(known):.{3 if 'SSIM' in name else 2}f}" if known else "-"
        for name, known in zip(names, values, strict=True)
    ]
    return f"| {title} | {len(group)} | " + " | ".join(cells) + " |"


def summary(result: dict[str, Any], relighters: tuple[str, ...]) -> str:
    """Return the numbers of one capture in a line."""
    row = columns(result, relighters)
    return ", ".join(f"{name} {value:.2f}" for name, value in row.items() if value is not None)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(EvaluateCaptures, description=__doc__)))
