"""Matches of photos' features, pair by pair, in a process for each core.

In processes, not threads: COLMAP's matcher builds search trees with a BLAS that several threads at once now and then
make return wrong products, and then a pair of photos loses some or all of its matches.
"""

import os
import pickle
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from relightnerf.progress import track

Pair = tuple[int, int]

_SEED = 0
"""Of RANSAC: any number does; that it is fixed makes an interrupted run end with the same bytes."""
_IDLE_S = 20
"""Processes with nothing to do end after so many seconds; those whose parent was killed do, too."""


def match_pairs(database: Path, groups: Sequence[Sequence[Pair]], scratch: Path) -> None:
    """Write the matches of pairs of images into a database, a group at a time; pairs that are there are skipped.

    Args:
        database: has the images' features.
        groups: pairs of image ids; a group is one process's task.
        scratch: a folder to be made, used and removed.
    """
    import joblib
    import pycolmap

    with pycolmap.Database.open(database) as opened:
        groups = [[pair for pair in group if not opened.exists_two_view_geometry(*pair)] for group in groups]
        groups = [group for group in groups if group]
    if not groups:
        return
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    features = shutil.copy(database, scratch / "features.db")
    workers = min(len(groups), joblib.cpu_count())  # of this container, not of its host
    run = joblib.Parallel(workers, return_as="generator_unordered", pre_dispatch="n_jobs", idle_worker_timeout=_IDLE_S)
    found: Iterator[Path] = run(joblib.delayed(_match_group)(features, group) for group in groups)
    for result in track(found, "matching photos", total=len(groups)):
        with pycolmap.Database.open(database) as opened, pycolmap.DatabaseTransaction(opened):
            for (a, b), matches, geometry in pickle.loads(result.read_bytes()):
                opened.write_matches(a, b, matches)
                opened.write_two_view_geometry(a, b, geometry)
        result.unlink()
    shutil.rmtree(scratch, ignore_errors=True)


def _match_group(features: Path, pairs: Sequence[Pair]) -> Path:
    """Match pairs in this process's own copy of a database with features.

    The matches are left in a file, because what is too large for a pipe keeps a process from ending after its parent
    was killed.
    """
    import pycolmap

    pycolmap.logging.minloglevel = 3
    database = features.with_name(f"{os.getpid()}.db")
    if not database.is_file():
        shutil.copy(features, database)
    with pycolmap.Database.open(database) as opened:
        names = {image.image_id: image.name for image in opened.read_all_images()}
    listed = database.with_suffix(".txt")
    listed.write_text("".join(f"{names[a]} {names[b]}\n" for a, b in pairs))
    verification = pycolmap.TwoViewGeometryOptions()
    verification.ransac.random_seed = _SEED
    pycolmap.match_image_pairs(database, pycolmap.FeatureMatchingOptions(use_gpu=False, num_threads=1),
                               pycolmap.ImportedPairingOptions(match_list_path=listed), verification,
                               pycolmap.Device.cpu)  # fmt: skip
    with pycolmap.Database.open(database) as opened:
        found = [(pair, opened.read_matches(*pair), opened.read_two_view_geometry(*pair)) for pair in pairs]
    result = database.with_suffix(f".{pairs[0][0]}_{pairs[0][1]}")
    result.write_bytes(pickle.dumps(found))
    return result
