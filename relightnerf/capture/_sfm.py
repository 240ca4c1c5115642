"""Structure from motion: the cameras of photos that have none, found by pycolmap in steps that can be resumed.

The steps leave their results in a workspace folder: working copies of the photos, COLMAP's database with features and
matches, and the model. Every step skips what is there, and no step depends on how often it was interrupted: image ids
are given before features are extracted, every pair is matched on its own with the same seed, and the mapper runs on one
thread.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from relightnerf.capture._colmap import capture_from_model
from relightnerf.capture._matching import match_pairs
from relightnerf.capture._pairs import pairs_to_match
from relightnerf.capture._sfm_frame import in_upright_frame
from relightnerf.capture._types import Capture, Lens, Photo
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path
from relightnerf.io.images import read_image, read_mask, write_image
from relightnerf.progress import say, track

if TYPE_CHECKING:
    import pycolmap

FEWEST_PHOTOS = 3
"""Photos whose cameras are found, below which there is no capture: two views tell depth once, and nothing checks it."""
_SEED = 0
"""Of the mapper: any number does; that it is fixed makes an interrupted run end with the same bytes."""
_ADVICE = "take more photos with more overlap (each part of the scene in three or more), sharp, of a scene with texture"


@dataclass(frozen=True)
class Unposed:
    """A photo whose camera is not known.

    Attributes:
        name: its view name.
        path: the picture.
        mask: a picture whose dark pixels are to be ignored, or None.
        width: of the upright picture, pixels.
        height: of the upright picture, pixels.
        focal: focal length in pixels from the picture's EXIF data, None if unknown.
    """

    name: str
    path: Path
    mask: Path | None
    width: int
    height: int
    focal: float | None = None


@dataclass(frozen=True)
class Effort:
    """How hard to look for poses.

    Attributes:
        max_size: longer side of the working copies, pixels.
        features: at most so many per photo.
        all_pairs_up_to: compare all pairs of up to so many photos.
        neighbours: compare each of more photos with so many that look like it.
    """

    max_size: int
    features: int
    all_pairs_up_to: int
    neighbours: int

    def pairs(self, photos: int) -> int:
        """Return how many pairs of photos are compared, about."""
        return photos * (min(photos - 1, self.neighbours * 2) if photos > self.all_pairs_up_to else photos - 1) // 2


@dataclass(frozen=True)
class SfmSettings:
    """What tunes structure from motion at any effort."""

    few_share: float = 0.8
    """Part of the photos below which a bold search follows a careful one, and advice is given. A few photos that show
    nothing of the rest are common; a fifth is a sign of too little overlap."""
    few_photos: int = 10
    """Photos below which advice is given even when all cameras are found: a field of fewer has holes."""
    small_px: int = 800
    """Photos whose longer side is below this are searched for features at double size: they have too few else."""
    small_peaks: float = 0.5
    """Contrast of the features of small photos over COLMAP's default: more of them, at the price of fainter ones."""
    batch_photos: int = 4
    """Photos that features are found in before they are written: what an interruption loses at most."""
    many_for_lens: int = 15
    """With fewer photos, a lens with one focal length and one distortion term is found more reliably."""
    bold_inliers: int = 30
    """Matches that the first two photos of a bold search need; COLMAP's 100 are for photos full of texture."""
    bold_angle_deg: float = 8.0
    """Angle between the rays of these two at their points, degrees, half of COLMAP's 16: photos of a small arc."""
    bold_pose_inliers: int = 15
    """Matches that each further photo needs; COLMAP's are 30."""


_SETTINGS = SfmSettings()
QUICK = Effort(max_size=1024, features=2048, all_pairs_up_to=40, neighbours=20)
"""For a first look: a quarter of the features of COLMAP's default (8192)."""
FULL = Effort(max_size=1600, features=6144, all_pairs_up_to=120, neighbours=30)
"""For exact poses. More features and pixels add time in proportion, and more pairs with the square of the photos."""


def pose_photos(photos: Sequence[Unposed], workspace: Path, quick: bool, ordered: bool) -> Capture:
    """Find the cameras of photos of one size.

    Args:
        photos: the photos; those with the same focal length share a lens.
        workspace: folder for what a later start can go on from.
        quick: look at fewer features.
        ordered: consecutive photos show nearly the same (a video).

    Raises:
        InputError: fewer than three of the photos fit together.
    """
    import pycolmap

    pycolmap.logging.minloglevel = 3
    effort = QUICK if quick else FULL
    model = workspace / "model"
    if not model.is_dir():
        size = _copy_photos(photos, workspace, effort)
        database = workspace / "database.db"
        _import_photos(photos, size, workspace, database)
        _extract_features(photos, workspace, database, effort, size)
        _match(photos, workspace, database, effort, ordered)
        _map(photos, workspace, database, model)
    reconstruction = pycolmap.Reconstruction(str(model))
    _report(reconstruction.num_reg_images(), len(photos))
    pictures = {_copy_name(photo): _as_photo(photo) for photo in photos}
    return in_upright_frame(capture_from_model(reconstruction, workspace, pictures=pictures))


def _as_photo(photo: Unposed) -> Photo:
    lens = Lens("PINHOLE", photo.width, photo.height, (1.0, 1.0, 0.0, 0.0))
    return Photo(photo.name, photo.path, lens, np.eye(4), photo.mask, upright=True)


def _copy_name(photo: Unposed) -> str:
    return f"{photo.name}.png"


def _copy_photos(photos: Sequence[Unposed], workspace: Path, effort: Effort) -> tuple[int, int]:
    """Write upright copies of the photos and their masks at working size; returns that size."""
    import cv2

    scale = min(1.0, effort.max_size / max(photos[0].width, photos[0].height))
    size = round(photos[0].width * scale), round(photos[0].height * scale)
    for photo in track(photos, "reading photos"):
        copy = workspace / "photos" / _copy_name(photo)
        if copy.is_file():
            continue
        if photo.mask is not None:
            used = np.where(read_mask(photo.mask), 255, 0).astype(np.uint8)
            mask = cv2.resize(used, size, interpolation=cv2.INTER_AREA)
            write_image(workspace / "masks" / f"{copy.name}.png", mask)
        image = cv2.resize(read_image(photo.path), size, interpolation=cv2.INTER_AREA)
        with atomic_path(copy) as temporary:
            Image.fromarray(image).save(temporary, compress_level=1)
    return size


def _import_photos(photos: Sequence[Unposed], size: tuple[int, int], workspace: Path, database: Path) -> None:
    """Make the database with one camera for each focal length; it appears whole."""
    import pycolmap

    if database.is_file():
        return
    focals = sorted({photo.focal or 0.0 for photo in photos})
    with atomic_path(database) as temporary:
        pycolmap.Database.open(temporary).close()
        for focal in focals:
            members = [_copy_name(photo) for photo in photos if (photo.focal or 0.0) == focal]
            options = pycolmap.ImageReaderOptions(camera_model=_lens_model(len(members)))
            if focal:
                options.camera_params = _lens_params(options.camera_model, focal * size[0] / photos[0].width, size)
            pycolmap.import_images(temporary, workspace / "photos", pycolmap.CameraMode.SINGLE, members, options)


def _lens_model(count: int) -> str:
    return "OPENCV" if count >= _SETTINGS.many_for_lens else "SIMPLE_RADIAL"


def _lens_params(model: str, focal: float, size: tuple[int, int]) -> str:
    center = [size[0] / 2, size[1] / 2]
    params = [focal, focal, *center, 0, 0, 0, 0] if model == "OPENCV" else [focal, *center, 0]
    return ", ".join(map(str, params))


def _extract_features(
    photos: Sequence[Unposed], workspace: Path, database: Path, effort: Effort, size: tuple[int, int]
) -> None:
    import pycolmap

    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        wanted = [_copy_name(p) for p in photos if not opened.exists_descriptors(ids[_copy_name(p)])]
    options = pycolmap.FeatureExtractionOptions(use_gpu=False)
    options.sift.max_num_features = effort.features
    small = max(size) < _SETTINGS.small_px
    options.sift.first_octave = -1 if small else 0
    options.sift.peak_threshold *= _SETTINGS.small_peaks if small else 1.0
    reader = pycolmap.ImageReaderOptions()
    if any(photo.mask is not None for photo in photos):
        reader.mask_path = workspace / "masks"
    size_of_batch = _SETTINGS.batch_photos
    batches = [wanted[start : start + size_of_batch] for start in range(0, len(wanted), size_of_batch)]
    done = (len(photos) - len(wanted)) // size_of_batch
    for names in track(batches, "finding features", done=done):
        pycolmap.extract_features(database, workspace / "photos", names, reader_options=reader,
                                  extraction_options=options, device=pycolmap.Device.cpu)  # fmt: skip


def _match(photos: Sequence[Unposed], workspace: Path, database: Path, effort: Effort, ordered: bool) -> None:
    import pycolmap

    with pycolmap.Database.open(database) as opened:
        ids = {image.name: image.image_id for image in opened.read_all_images()}
        image_ids = [ids[_copy_name(photo)] for photo in photos]
        groups = pairs_to_match(opened, image_ids, ordered, effort.all_pairs_up_to, effort.neighbours)
    match_pairs(database, groups, workspace / "matching")


def _map(photos: Sequence[Unposed], workspace: Path, database: Path, model: Path) -> None:
    """Write the model of the most photos; it appears whole.

    Where a careful search finds few, a bold one follows: it accepts fewer matches, and takes the lens to be free of
    distortion, which few matches cannot tell from a wrong pose.
    """
    best: pycolmap.Reconstruction | None = None
    count = 0
    for bold in (False, True):
        for candidate in _models(len(photos), workspace, database, bold):
            if candidate.num_reg_images() > count:
                best, count = candidate, candidate.num_reg_images()
        if count >= _SETTINGS.few_share * len(photos):
            break
    if best is None or count < FEWEST_PHOTOS:
        raise InputError(
            f"{photos[0].path.parent}: the cameras of only {count} of {len(photos)} photos were found", _ADVICE
        )
    written = workspace / "model.partial"
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir()
    best.write(str(written))
    written.rename(model)


def _models(count: int, workspace: Path, database: Path, bold: bool) -> list["pycolmap.Reconstruction"]:
    import pycolmap

    folder = workspace / "models"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    options = pycolmap.IncrementalPipelineOptions(random_seed=_SEED, num_threads=1, min_model_size=FEWEST_PHOTOS)
    if bold:
        options.ba_refine_extra_params = options.mapper.abs_pose_refine_extra_params = False
        options.mapper.init_min_num_inliers = _SETTINGS.bold_inliers
        options.mapper.init_min_tri_angle = _SETTINGS.bold_angle_deg
        options.mapper.abs_pose_min_num_inliers = _SETTINGS.bold_pose_inliers
    steps = iter(track(range(count), "finding poses"))

    def advance() -> None:
        next(steps, None)

    found = pycolmap.incremental_mapping(database, workspace / "photos", folder, options, next_image_callback=advance)
    return [found[index] for index in sorted(found)]


def _report(registered: int, count: int) -> None:
    say(f"sfm: {registered} of {count} photos registered")
    if registered < _SETTINGS.few_share * count:
        say(f"sfm: the other {count - registered} are left out; for more, {_ADVICE}")
    elif registered < _SETTINGS.few_photos:
        say(f"sfm: that is few for a scene; {_ADVICE}")
