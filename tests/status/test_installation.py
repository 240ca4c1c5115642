import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from relightnerf.status.installation import CHECKS, SYSTEM_LIBRARIES

ROOT = Path(__file__).parents[2]


def _doctor(*packages: Path) -> subprocess.CompletedProcess[str]:
    """Run the real command with packages that hide the installed ones of their name."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*packages, ROOT)))}
    command = [sys.executable, "-m", "relightnerf", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=600)


def test_a_broken_installation_gives_exit_code_2_and_says_what_to_do(tmp_path: Path) -> None:
    for package, error in (
        ("open3d", "libX11.so.6: cannot open shared object file: No such file or directory"),
        ("numba", "No module named 'llvmlite'"),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise ImportError({error!r}, name={package!r})\n")
    result = _doctor(tmp_path)
    assert result.returncode == 2
    lines = result.stdout.splitlines()
    states = {line.split(":")[0][8:]: line.split()[0] for line in lines if not line.startswith(" ")}
    assert set(states) == set(CHECKS)
    assert {name for name, state in states.items() if state == "problem"} >= {"Open3D", "compiled loops"}
    assert states["Python"] == states["videos"] == states["OpenCV"] == "OK"
    after_open3d = lines[next(i for i, line in enumerate(lines) if "Open3D: " in line) + 1]
    assert "apt-get install libx11-6" in after_open3d
    assert re.fullmatch(r"error: not usable yet: .*Open3D.*\. Do what the lines above say\.\n", result.stderr)


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"memory", "disk"}))
def test_every_part_of_this_installation_is_found_to_work(name: str) -> None:
    assert CHECKS[name](Path()).level == "OK"


def test_a_folder_that_cannot_be_written_is_a_problem() -> None:
    found = CHECKS["disk"](Path("/proc/scenes"))
    assert found.level == "problem" and "/proc" in found.text


def test_the_setup_script_installs_the_libraries_that_are_looked_for() -> None:
    listed = re.findall(r"^  (lib\S+)=(\S+)$", (ROOT / "scripts" / "setup.sh").read_text(), re.MULTILINE)
    assert dict(listed) == SYSTEM_LIBRARIES
