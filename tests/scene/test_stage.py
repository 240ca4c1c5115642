import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path, file_digest, read_json, write_json
from relightnerf.scene import stage
from relightnerf.scene.stage import Stage, StageStatus

COUNT = 6
WORKER = """
import sys, time
from pathlib import Path
from relightnerf.io.files import atomic_path
from relightnerf.scene.stage import Stage

folder, source, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])

def work():
    for i in range(40):
        path = folder / "deep" / f"{i}.bin"
        if not path.exists():
            with atomic_path(path) as temporary:
                with open(temporary, "wb") as file:
                    for _ in range(20):
                        file.write(bytes([i]) * 5000)
                        time.sleep(pause / 20)

Stage("worker", folder, {"a": 1}, [source]).run(work)
"""


class Bench:
    """A stage in a folder of its own whose work writes COUNT files and counts them."""

    def __init__(self, root: Path, outputs: bool = False) -> None:
        self.folder, self.source = root / "out", root / "source.txt"
        self.source.write_text("input")
        self.outputs = [f"{i}.txt" for i in range(COUNT)] if outputs else None
        self.written: list[int] = []

    def stage(self, parameter: int = 1, version: int = 1) -> Stage:
        parameters, flags = {"parameter": parameter}, {"chosen": parameter}
        return Stage("bench", self.folder, parameters, [self.source], self.outputs, version=version, flags=flags)

    def run(self, parameter: int = 1, stop_at: int | None = None, force: bool = False, version: int = 1) -> bool:
        return self.stage(parameter, version).run(lambda: self._work(parameter, stop_at), force)

    def status(self, parameter: int = 1, version: int = 1) -> StageStatus:
        return self.stage(parameter, version).status()

    def _work(self, parameter: int, stop_at: int | None) -> None:
        for i in range(COUNT):
            path = self.folder / f"{i}.txt"
            if path.exists():
                continue
            with atomic_path(path) as temporary:
                temporary.write_text(f"{parameter} {i} {self.source.read_text()}")
                if i == stop_at:
                    raise KeyboardInterrupt
            self.written.append(i)

    def contents(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in sorted(self.folder.glob("*.txt"))}


@pytest.fixture(params=[False, True], ids=["own folder", "named outputs"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    return Bench(tmp_path, request.param)


def test_a_complete_stage_is_skipped_and_says_so(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run()
    assert not bench.run()
    assert bench.written == list(range(COUNT))
    assert "up to date, skipped" in capsys.readouterr().out


def test_force_runs_it_again(bench: Bench) -> None:
    bench.run()
    assert bench.run(force=True)
    assert bench.written == 2 * list(range(COUNT))


@pytest.mark.parametrize("change", ["parameter", "input", "output"])
def test_a_change_runs_it_again_from_the_start(bench: Bench, change: str) -> None:
    bench.run()
    if change == "input":
        bench.source.write_text("changed")
    if change == "output":
        (bench.folder / "3.txt").unlink()
    assert bench.run(parameter=2 if change == "parameter" else 1)
    assert bench.written == 2 * list(range(COUNT))


def test_where_a_stage_stands_is_known_without_running_it(bench: Bench) -> None:
    assert bench.status() == StageStatus("not run")
    with pytest.raises(KeyboardInterrupt):
        bench.run(stop_at=2)
    assert bench.status() == StageStatus("partial")
    assert bench.status(parameter=2) == StageStatus("out of date", "other parameter")
    bench.run()
    assert bench.status() == StageStatus("complete")
    assert bench.status(parameter=2) == StageStatus("out of date", "other parameter")
    (bench.folder / "3.txt").write_text("shorter")
    assert bench.status() == StageStatus("out of date", "output changed or gone: 3.txt")
    bench.source.write_text("changed")
    assert bench.status() == StageStatus("out of date", "input changed: source.txt")
    (bench.folder / "manifest.json").write_text("{")
    assert bench.status().state == "broken"
    assert bench.written == list(range(COUNT))


def test_a_result_of_another_version_of_the_algorithm_is_out_of_date(bench: Bench) -> None:
    bench.run()
    assert bench.status(version=2) == StageStatus("out of date", "made by an older version")
    assert bench.run(version=2)
    assert bench.written == 2 * list(range(COUNT))
    assert not bench.run(version=2)
    assert bench.status(version=1) == StageStatus("out of date", "made by a newer version")
    assert read_json(bench.folder / "manifest.json")["version"] == 2


def test_a_manifest_without_a_version_is_of_the_first_one(bench: Bench) -> None:
    bench.run()
    path = bench.folder / "manifest.json"
    content = {key: value for key, value in read_json(path).items() if key not in ("version", "flags", "machine")}
    write_json(path, content)
    assert bench.status() == StageStatus("complete")
    assert bench.status(version=2).reason == "made by an older version"


def test_flags_are_written_down_and_change_nothing(bench: Bench) -> None:
    bench.run()
    assert read_json(bench.folder / "manifest.json")["flags"] == {"chosen": 1}
    assert replace(bench.stage(), flags={"chosen": "otherwise"}).status() == StageStatus("complete")


def test_inputs_are_read_again_only_if_they_were_written(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run()
    read: list[Path] = []
    monkeypatch.setattr(stage, "file_digest", lambda path: read.append(path) or file_digest(path))
    assert bench.status() == StageStatus("complete")
    assert read == []
    bench.source.write_text("input")  # the same again, at another time
    assert bench.status() == StageStatus("complete")
    assert read == [bench.source]


@pytest.mark.parametrize("stop_at", range(COUNT))
def test_an_interrupted_stage_goes_on_where_it_stopped(bench: Bench, stop_at: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.run(stop_at=stop_at)
    assert not (bench.folder / "manifest.json").exists()
    bench.run()
    assert bench.written == list(range(COUNT))
    assert bench.contents() == {f"{i}.txt": f"1 {i} input".encode() for i in range(COUNT)}


def test_files_of_another_recipe_are_not_taken_over(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.run(parameter=1, stop_at=4)
    bench.run(parameter=2)
    assert all(content.startswith(b"2 ") for content in bench.contents().values())


def test_an_interrupted_second_run_is_not_mistaken_for_the_complete_first(bench: Bench) -> None:
    bench.run(parameter=1)
    with pytest.raises(KeyboardInterrupt):
        bench.run(parameter=2, stop_at=2)
    bench.run(parameter=1)
    assert all(content.startswith(b"1 ") for content in bench.contents().values())


def test_a_stop_while_old_files_are_cleared_leaves_none_of_them(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.run(parameter=1)
    with monkeypatch.context() as patch:
        patch.setattr(Stage, "_clear", _stop)
        with pytest.raises(KeyboardInterrupt):
            bench.run(parameter=2)
    bench.run(parameter=1)
    assert bench.written == 2 * list(range(COUNT))


def test_a_stop_before_the_first_file_is_no_obstacle(bench: Bench) -> None:
    bench.folder.mkdir()
    (bench.folder / ".partial-77-.progress.json").write_text("{")
    assert bench.run()


def test_leftovers_of_a_killed_process_are_removed(bench: Bench) -> None:
    with pytest.raises(KeyboardInterrupt):
        bench.run(stop_at=2)
    (bench.folder / ".partial-77-3.txt").write_text("half")
    bench.run()
    assert [p.name for p in bench.folder.iterdir() if p.name.startswith(".")] == []


def test_the_manifest_tells_how_the_result_was_made(bench: Bench) -> None:
    bench.run()
    manifest = read_json(bench.folder / "manifest.json")
    assert (manifest["stage"], manifest["state"], manifest["parameters"]) == ("bench", "complete", {"parameter": 1})
    assert set(manifest["outputs"]) == {f"{i}.txt" for i in range(COUNT)}
    assert {"inputs", "versions", "seconds"} <= manifest.keys()


def test_a_moved_scene_is_still_complete(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    Bench(tmp_path / "here").run()
    (tmp_path / "here").rename(tmp_path / "there")
    assert not Bench(tmp_path / "there").run()


def test_other_people_s_files_stop_a_stage_that_owns_its_folder(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.folder.mkdir()
    (bench.folder / "thesis.tex").write_text("years of work")
    for force in (False, True):
        with pytest.raises(InputError, match="no stage wrote"):
            bench.run(force=force)
    assert (bench.folder / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize("force", [False, True])
def test_other_people_s_files_stay_among_named_outputs(tmp_path: Path, force: bool) -> None:
    bench = Bench(tmp_path, outputs=True)
    (bench.folder / "below").mkdir(parents=True)
    for name in ("thesis.tex", "below/1.txt", ".partial-7-thesis.tex"):
        (bench.folder / name).write_text("years of work")
    bench.run(parameter=1)
    bench.run(parameter=2, force=force)
    for name in ("thesis.tex", "below/1.txt", ".partial-7-thesis.tex"):
        assert (bench.folder / name).read_text() == "years of work"


def test_a_manifest_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    bench = Bench(tmp_path, outputs=True)
    bench.folder.mkdir()
    (bench.folder / "manifest.json").write_text('{"name": "web app"}')
    with pytest.raises(InputError, match="not written by bench"):
        bench.run()
    assert "web app" in (bench.folder / "manifest.json").read_text()


def test_stages_with_manifests_of_their_own_share_a_folder(tmp_path: Path) -> None:
    def video(name: str) -> Callable[[], bool]:
        work = Stage("video", tmp_path, {"name": name}, [], [name], manifest=f".{name}.json")
        return lambda: work.run(lambda: (tmp_path / name).write_text(name) and None)

    first, second = video("a"), video("b")
    assert [first(), second(), first(), second()] == [True, True, False, False]


@pytest.mark.parametrize("place", ["file", "/proc"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = Path("/proc/relightnerf/out") if place == "/proc" else tmp_path / "file" / "out"
    with pytest.raises(InputError, match=f"{folder}: cannot be written"):
        Stage("bench", folder, {}, []).run(lambda: None)


def test_a_process_killed_at_any_moment_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "source.txt"
    source.write_text("input")
    _worker(tmp_path / "whole", source, pause=0.0).wait(timeout=60)
    for seconds in (0.05, 0.2, 0.6):
        before = len(list((tmp_path / "killed").rglob("*.bin")))
        process = _worker(tmp_path / "killed", source, pause=0.05)
        _wait_for(lambda known=before: len(list((tmp_path / "killed").rglob("*.bin"))) > known)
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "killed" / "manifest.json").exists()
    assert _worker(tmp_path / "killed", source, pause=0.0).wait(timeout=60) == 0
    whole, killed = ({p.name: p.read_bytes() for p in (tmp_path / n / "deep").iterdir()} for n in ("whole", "killed"))
    assert whole == killed


def _worker(folder: Path, source: Path, pause: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(folder), str(source), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _stop(_: Stage) -> None:
    raise KeyboardInterrupt
