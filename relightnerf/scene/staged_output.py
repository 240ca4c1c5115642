"""Videos and numbered pictures whose frames are a stage of their own: a stopped run continues with the next frame."""

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from relightnerf.errors import InputError
from relightnerf.io.files import is_temporary, read_json
from relightnerf.io.images import read_image
from relightnerf.io.video import check_video, write_video
from relightnerf.progress import track
from relightnerf.scene.stage import MANIFEST, Stage


def write_staged_video(
    name: str,
    output: Path,
    parameters: Mapping[str, Any],
    inputs: Sequence[Path],
    count: int,
    fps: int,
    render: Callable[[Sequence[Path]], None],
    force: bool = False,
) -> None:
    """Write a video unless it is there; its frames lie in a hidden folder beside it until it is complete.

    Args:
        name: of the stage, as manifests and messages call it.
        output: an ``.mp4`` or ``.gif``; other files of its folder are left alone.
        parameters: what the frames depend on, besides the inputs.
        inputs: files that the frames depend on.
        count: number of frames.
        fps: frames a second.
        render: writes the pictures that it is given, one a frame; it skips those that are there.
        force: do it again even if it is done.

    Raises:
        InputError: the video cannot be written.
    """
    check_video(output, fps)
    folder = output.with_name(f".{output.name}.frames")
    files = [folder / f"{i:05d}.png" for i in range(count)]
    frames = Stage(f"{name} frames", folder, parameters, inputs)
    video = Stage(name, output.parent, {**parameters, "fps": fps}, inputs, [output.name], f".{output.name}.json")

    def work() -> None:
        frames.run(lambda: render(files), force)
        write_video(output, (read_image(file) for file in track(files, "encoding")), fps)

    video.run(work, force)
    if (folder / MANIFEST).is_file() and read_json(folder / MANIFEST).get("stage") == frames.name:
        shutil.rmtree(folder)


def write_staged_sequence(
    name: str,
    folder: Path,
    suffix: str,
    parameters: Mapping[str, Any],
    inputs: Sequence[Path],
    count: int,
    render: Callable[[Sequence[Path]], None],
    force: bool = False,
) -> None:
    """Write numbered pictures unless they are there; those left from a longer sequence of this folder go.

    Args:
        name: of the stage, as manifests and messages call it; no other stage writes to such folders.
        folder: where to; new, empty, or with an earlier sequence.
        suffix: of the files, with its dot.
        parameters: what the pictures depend on, besides the inputs.
        inputs: files that the pictures depend on.
        count: number of pictures.
        render: writes the pictures that it is given, one a frame; it skips those that are there.
        force: do it again even if it is done.

    Raises:
        InputError: the folder holds something else.
    """
    files = [folder / f"{i:05d}{suffix}" for i in range(count)]
    stage = Stage(name, folder, {**parameters, "suffix": suffix}, inputs, [file.name for file in files])
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: not a folder", "give another --output")
    if folder.is_dir() and not stage.is_known() and not all(is_temporary(path) for path in folder.iterdir()):
        raise InputError(f"{folder}: holds files that are no sequence of {name}", "give another folder")

    def work() -> None:
        for former in folder.iterdir():
            if re.fullmatch(r"\d{5}\.\w+", former.name) and former not in files:
                former.unlink()
        render(files)

    stage.run(work, force)
