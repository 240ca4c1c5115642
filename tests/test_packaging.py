"""What an installation brings: only the library, with its command, its nerfstudio method and tested versions."""

import importlib
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.version import Version

import relightnerf

_ROOT = Path(__file__).parents[1]
_LICENCES = (_ROOT / "docs" / "licences.md").read_text()
_COPYLEFT = re.compile(r"GPL|General Public", re.IGNORECASE)  # the lesser one, too: no direct dependency is under it
_NO_LICENCE_IN_METADATA = {
    "oidn": "Apache-2.0 (in the package index; the tests do without it)",
    "openexr": "BSD-3-Clause (LICENSE.md in its wheel)",
}


def _lines(name: str) -> list[str]:
    lines = [line.split("#")[0].strip() for line in (_ROOT / name).read_text().splitlines()]
    return [line for line in lines if line]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _names(requirements: list[str]) -> set[str]:
    return {_normal(re.split(r"[^\w.-]", requirement, maxsplit=1)[0]) for requirement in requirements}


@pytest.fixture(scope="module")
def wheel_files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Names of the files in a wheel, built from a copy so that nothing appears in the source folder."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=_ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("the source is not a git checkout")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if not name.startswith("datasets/demo/") and (_ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((_ROOT / name).read_bytes())
    build = "import setuptools.build_meta as b; print(b.build_wheel('..'))"
    built = subprocess.run([sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return zipfile.ZipFile(folder / built.stdout.split()[-1]).namelist()


def test_the_wheel_holds_the_library_only(wheel_files: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_files}
    assert tops == {"relightnerf", f"relightnerf-{relightnerf.__version__}.dist-info"}


def test_the_wheel_holds_the_whole_library(wheel_files: list[str]) -> None:
    listed = subprocess.run(["git", "ls-files", "relightnerf"], cwd=_ROOT, capture_output=True, text=True, check=True)
    wanted = {name for name in listed.stdout.split() if (_ROOT / name).is_file()}
    assert wanted <= set(wheel_files)


@pytest.mark.parametrize("name", ["datasets", "stages", "scripts", "tests"])
def test_our_folders_are_no_packages(name: str, tmp_path: Path) -> None:
    find = f"from importlib.util import find_spec; spec = find_spec({name!r}); "
    find += "print(spec and list(spec.submodule_search_locations or ()))"
    found = subprocess.run([sys.executable, "-c", find], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(_ROOT / name) not in found.stdout
    assert not (_ROOT / name / "__init__.py").exists()


def test_every_entry_point_resolves() -> None:
    points = metadata.distribution("relightnerf").entry_points
    groups = {"console_scripts", "nerfstudio.method_configs", "nerfstudio.dataparser_configs"}
    assert {point.group for point in points} == groups
    assert all(point.load() is not None for point in points)


def test_every_dependency_has_a_tested_version() -> None:
    requirements = metadata.requires("relightnerf") or []
    pinned = _names(_lines("constraints.txt"))
    assert _names(requirements) <= pinned


def _direct_dependencies() -> list[str]:
    toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # which pytest brings
    project = toml.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return sorted(_names(sum(project["optional-dependencies"].values(), project["dependencies"])))


def _licence(name: str) -> str:
    """What a package's metadata tell of its licence; of a whole text in them, the first line."""
    told = metadata.metadata(name)
    classifiers = [line.split(" :: ")[-1] for line in told.get_all("Classifier", []) if line.startswith("License ::")]
    text = (told.get("License") or "").strip().splitlines()
    return " | ".join(filter(None, [told.get("License-Expression"), *classifiers, *text[:1]]))


def _part(heading: str) -> str:
    return _LICENCES.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", _direct_dependencies())
def test_a_direct_dependency_is_under_a_permissive_licence(name: str) -> None:
    told = _NO_LICENCE_IN_METADATA.get(name) or _licence(name)
    assert told, "no licence in its metadata: find it, and name it and its place in _NO_LICENCE_IN_METADATA"
    assert not _COPYLEFT.search(told)
    rows = re.findall(rf"^\| `{name}` \| (\w+)", _part("What we depend on"), re.MULTILINE)
    assert len(rows) == 1
    assert rows[0] in told


def test_the_table_of_licences_holds_direct_dependencies_only() -> None:
    assert re.findall(r"^\| `([\w.-]+)` \|", _part("What we depend on"), re.MULTILINE) == _direct_dependencies()


@pytest.mark.parametrize("name", _direct_dependencies())
def test_the_page_of_licences_tells_of_libraries_in_wheels(name: str) -> None:
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
    copyleft = re.compile(r"lib(x26[45]|avcodec|heif|de265|gfortran|quadmath|gomp)\b")
    if any(copyleft.match(file.name) for file in files):
        assert f"`{name}`" in _part("What their wheels carry")


def test_the_page_of_licences_tells_of_every_package_under_the_gpl() -> None:
    pinned, installed = _names(_lines("constraints.txt")), metadata.distributions()
    brought = {_normal(package.metadata["Name"]) for package in installed} & pinned
    assert len(brought) > 50
    for name in brought:
        assert not _COPYLEFT.search(_licence(name)) or f"`{name}`" in _part("What nerfstudio brings"), name


def test_constraints_are_versions_without_addresses() -> None:
    for line in _lines("constraints.txt"):
        assert re.fullmatch(r"[\w.-]+==[\w.]+( ; python_version [<>=!]+ \"3\.1[012]\")?", line), line


def test_the_changelog_tells_of_this_version() -> None:
    headings = [line for line in (_ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    versions = [heading.split()[1].strip("[]") for heading in headings]
    assert versions[0] == "Unreleased"
    assert relightnerf.__version__ == metadata.version("relightnerf")
    version, released = Version(relightnerf.__version__), Version(versions[1])
    assert version > released if version.is_devrelease else version == released
    assert all(re.fullmatch(r"## \[[\d.]+\] - \d{4}-\d\d-\d\d", heading) for heading in headings[1:])
