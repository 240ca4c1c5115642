"""Where the stages of real scenes stand: finished, changed, killed, broken."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relightnerf.cli import main
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path, read_json, write_json
from relightnerf.io.images import write_array, write_image
from relightnerf.pipeline import geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.scene import Scene
from relightnerf.scene.stage import StageStatus
from relightnerf.status.scene_status import Row, scene_rows

ROOT = Path(__file__).parents[2]
CHAIN = ["prepare", "geometry", "synthesize (compact)", "match", "fit"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def scene(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> Scene:
    return copy_scene(tiny_scene)


def _states(root: Path) -> dict[str, str]:
    return {row.name: row.status.state for row in scene_rows(root)}


def _row(root: Path, name: str) -> Row:
    return next(row for row in scene_rows(root) if row.name == name)


def test_a_finished_scene_is_complete_and_its_commands_are_those_that_made_it(scene: Scene) -> None:
    rows = {row.name: row for row in scene_rows(scene.root)}
    assert list(rows) == [*CHAIN, "render", "evaluate"]
    for name in CHAIN:
        assert rows[name].status.state == "complete", (name, rows[name].status)
        assert rows[name].seconds is not None and rows[name].written is not None
    assert rows["geometry"].command.steps == 20
    assert rows["fit"].command.steps == 30
    assert {rows[name].status.state for name in ("render", "evaluate")} == {"not run"}


@pytest.mark.parametrize(
    ("changed", "stage"),
    [
        ("capture/images/v0.png", "prepare"),
        ("geometry/mesh.ply", "geometry"),
        ("relit/compact/v0__dir_10.png", "synthesize (compact)"),
        ("matched/v0__dir_10.png", "match"),
    ],
)
def test_a_lost_file_outdates_its_stage_and_all_that_follow(scene: Scene, changed: str, stage: str) -> None:
    (scene.root / changed).unlink()
    states, first = _states(scene.root), CHAIN.index(stage)
    assert [states[name] for name in CHAIN] == ["complete"] * first + ["out of date"] * (len(CHAIN) - first)
    assert _row(scene.root, stage).status.reason == f"output changed or gone: {changed.split('/', 1)[1]}".replace(
        "compact/", ""
    )


def test_a_result_of_an_older_version_is_said_to_be_one(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(geometry, "GEOMETRY_VERSION", 9)
    assert main(["status", "--scene", str(scene.root)]) == 0
    printed = capsys.readouterr().out
    assert "geometry: made by an older version" in printed
    assert f"next: relightnerf geometry --scene {scene.root} --steps 20" in printed


def test_photos_with_masks_on_some_were_learned_otherwise_by_the_first_version(scene: Scene) -> None:
    assert geometry.mask_version(scene) == 1
    for count, name in enumerate(scene.cameras().names, 1):
        write_image(scene.capture / "masks" / f"{name}.png", np.full((scene.height, scene.width, 3), 255, np.uint8))
        assert geometry.mask_version(scene) == (2 if count < len(scene.cameras()) else 1)


def test_the_flags_come_from_the_manifest_and_not_from_what_was_made(scene: Scene) -> None:
    path = scene.geometry / "manifest.json"
    write_json(path, {**read_json(path), "flags": {"preset": "quick", "steps": 20, "device": "cpu"}})
    command = _row(scene.root, "geometry").command
    assert (command.preset, command.steps, command.device) == ("quick", 20, "cpu")


def test_pictures_of_another_program_are_taken_as_they_are(scene: Scene) -> None:
    made, folder = scene.relit("compact"), scene.relit("lambert")
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns("manifest.json"))
    row = _row(scene.root, "synthesize (lambert)")
    assert row.status == StageStatus("complete", "pictures of another program") and row.is_aside
    Match(scene.root, "lambert", consistency=False).run()
    assert not _row(scene.root, "synthesize (lambert)").is_aside
    assert {_states(scene.root)[name] for name in ("synthesize (lambert)", "match")} == {"complete"}


def test_a_changed_input_is_seen_by_its_bytes_and_named(scene: Scene) -> None:
    path = scene.depth_path("v0")
    write_array(path, np.load(path) + np.float32(0.01))  # the size of the file stays
    row = _row(scene.root, "synthesize (compact)")
    assert row.status.state == "out of date"
    assert "v0.npy" in row.status.reason
    assert _states(scene.root)["geometry"] == "complete"
    assert _row(scene.root, "match").status.state == "out of date"


def test_a_killed_stage_is_partial_and_then_goes_on(scene: Scene, capfd: pytest.CaptureFixture[str]) -> None:
    flags = ["--scene", str(scene.root), "--relighter", "shading"]
    process = subprocess.Popen([sys.executable, "-m", "relightnerf", "synthesize", *flags], env=ENVIRONMENT)
    folder, end = scene.relit("shading"), time.monotonic() + 300
    while len(list(folder.glob("v*.png"))) < 2:
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    row = _row(scene.root, "synthesize (shading)")
    assert row.status.state == "partial"
    assert [_states(scene.root)[name] for name in CHAIN] == ["complete"] * len(CHAIN)  # those of another relighter
    row.command.run()
    assert "going on where it stopped" in capfd.readouterr().out
    finished = _row(scene.root, "synthesize (shading)")
    assert finished.status.state == "complete"
    assert finished.seconds is None  # it took several runs
    assert read_json(folder / "manifest.json")["resumed"] is True


def test_a_broken_manifest_is_named_and_mended_by_the_command_that_follows(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    with atomic_path(scene.relit("compact") / "manifest.json") as temporary:
        temporary.write_text("{")
    assert main(["status", "--scene", str(scene.root)]) == 0
    printed = capsys.readouterr().out
    assert "broken" in printed and "not valid JSON" in printed
    assert f"next: relightnerf synthesize --scene {scene.root} --force" in printed


@pytest.mark.parametrize("content", ["[1]", '{"stage": "fit", "parameters": 3}', '{"recipe": 1, "parameters": {}}'])
def test_strange_manifests_do_not_stop_it(scene: Scene, content: str) -> None:
    for folder in (scene.capture, scene.geometry, scene.relit("compact"), scene.matched, scene.field, scene.renders):
        with atomic_path(folder / "manifest.json") as temporary:
            temporary.write_text(content)
    assert {_states(scene.root)[name] for name in CHAIN} <= {"broken", "out of date"}


def test_a_capture_that_is_gone_leaves_its_stage_complete(tiny_capture: Path, tmp_path: Path) -> None:
    (tmp_path / "capture").symlink_to(tiny_capture)
    Prepare(tmp_path / "capture", tmp_path / "scene").run()
    (tmp_path / "capture").unlink()
    status = _row(tmp_path / "scene", "prepare").status
    assert status.state == "complete" and "is not here" in status.reason


def test_an_empty_folder_has_everything_before_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--scene", str(tmp_path)]) == 0
    assert set(_states(tmp_path).values()) == {"not run"}
    assert f"next: relightnerf prepare --capture PHOTOS --scene {tmp_path}" in capsys.readouterr().out


def test_what_is_no_scene_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    for path, what in (
        (tmp_path, "not a scene"),
        (tmp_path / "thesis.tex", "not a folder"),
        (tmp_path / "x", "no such"),
    ):
        with pytest.raises(InputError, match=what):
            scene_rows(path)


def test_status_writes_nothing_and_takes_less_than_two_seconds(scene: Scene) -> None:
    def listed() -> list[tuple[str, int, int]]:
        return [(str(p), p.lstat().st_size, p.lstat().st_mtime_ns) for p in sorted(scene.root.rglob("*"))]

    before, started = listed(), os.times()
    command = [sys.executable, "-m", "relightnerf", "status", "--scene", str(scene.root)]
    result = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    ended = os.times()
    assert ended.children_user + ended.children_system - started.children_user - started.children_system < 2.0
    assert listed() == before
    assert result.stdout.splitlines()[0].split() == ["stage", "state", "age", "took", "size"]
    assert result.stdout.splitlines()[-1] == f"next: relightnerf view --scene {scene.root}"
