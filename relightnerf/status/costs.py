"""Estimates of how long the stages of a run take on two CPU cores.

Measured on two cores of a server without a GPU, with 12 to 96 views of 256x192 to 512x512 pixels. A step of training
costs the same whatever the size of the pictures; all else grows with their pixels, which was checked for relighting up
to 768x576: nine times the pixels took 8.8 times as long.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from relightnerf.relighters import COMPACT, SHADING

_START, _LOAD = 5.0, 0.8
"""Seconds to load libraries and weights, and to load a field."""
_READ_PIXEL = 0.18e-6
_USUAL_FEATURES = 2048
_SEARCH_PIXEL, _MATCH_PAIR, _MAP_VIEW = 0.5e-6, 0.02, 0.75
"""Features per pixel of a photo; a pair of photos and a new camera with the usual number of features each. Rough, from
two captures of 12 and 24 photos."""
_DEPTH_PIXEL = 6.5e-6
"""Depth from the field (2.2), a mesh of it (3.3), and normals (1.0)."""
_STEREO_PIXEL, _STEREO_PIXELS = 6.0e-6, 400 * 400
"""Stereo, which works on at most so many pixels of a view."""
_BASE_STEP, _LIGHT_STEP = 0.035, 0.013
_RELIGHT_PIXEL: Mapping[str, float] = {COMPACT: 3.2e-6, SHADING: 1.1e-6}
_MATCH_PIXEL = {True: 1.1e-6, False: 0.5e-6}
"""With and without the agreement of views."""
_POSE_PIXEL, _LIGHT_PIXEL = 5.0e-6, 0.64e-6
"""A new pose, and a picture under a light from there."""


@dataclass(frozen=True)
class Poses:
    """What finding the cameras of photos depends on.

    Attributes:
        pixels: of a working copy of a photo.
        features: at most so many per photo.
        pairs: of photos that are compared.
    """

    pixels: int
    features: int
    pairs: int


@dataclass(frozen=True)
class Workload:
    """What the time of a run depends on.

    Attributes:
        views: number of photos.
        source_pixels: of a photo as it was taken.
        pixels: of a prepared photo.
        poses: what there is to do where cameras have to be found; None where they are known.
        lights: number of directions that photos are relit from.
        relighter: its name.
        consistency: whether views are made to agree.
        base_steps: training steps of the base field.
        light_steps: training steps on relit pictures.
        held_out: number of views that are kept for the evaluation.
        frames: of the video.
        moving: whether the video's camera moves.
        sheet: pictures of the contact sheet: views and lights.
        page: pictures of the report: views and lights.
    """

    views: int
    source_pixels: int
    pixels: int
    poses: Poses | None
    lights: int
    relighter: str
    consistency: bool
    base_steps: int
    light_steps: int
    held_out: int
    frames: int
    moving: bool
    sheet: tuple[int, int]
    page: tuple[int, int]


def done_seconds(stage: str, work: Workload, count: int) -> float:
    """Return the seconds of what a stopped stage has done: ``count`` steps of training or pictures."""
    each = {
        "geometry": _BASE_STEP,
        "synthesize": work.pixels * _RELIGHT_PIXEL.get(work.relighter, 0.0),
        "match": work.pixels * _MATCH_PIXEL[work.consistency],
        "fit": _LIGHT_STEP,
    }
    return count * each.get(stage, 0.0)


def stage_seconds(work: Workload) -> dict[str, float | None]:
    """Return the seconds of each stage on two CPU cores; None where nothing was measured (diffusion models)."""
    pictures = work.views * work.lights * work.pixels
    relight = _RELIGHT_PIXEL.get(work.relighter)
    frame = _LIGHT_PIXEL + (_POSE_PIXEL if work.moving else 0.0)
    return {
        "prepare": _poses_seconds(work.poses, work.views) + work.views * work.source_pixels * _READ_PIXEL,
        "geometry": _START
        + work.base_steps * _BASE_STEP
        + work.views * (min(work.pixels, _STEREO_PIXELS) * _STEREO_PIXEL + work.pixels * _DEPTH_PIXEL),
        "synthesize": None if relight is None else _START + pictures * relight,
        "match": pictures * _MATCH_PIXEL[work.consistency],
        "fit": _START + work.light_steps * _LIGHT_STEP,
        "video": _LOAD + work.frames * work.pixels * frame,
        "contact sheet": _pictures_seconds(work.sheet, work.pixels),
        "evaluate": _LOAD + work.held_out * work.pixels * _POSE_PIXEL,
        "report": _pictures_seconds(work.page, work.pixels),
    }


def _pictures_seconds(counts: tuple[int, int], pixels: int) -> float:
    views, lights = counts
    return _LOAD + views * pixels * (_POSE_PIXEL + lights * _LIGHT_PIXEL)


def _poses_seconds(poses: Poses | None, views: int) -> float:
    if poses is None:
        return 0.0
    share = poses.features / _USUAL_FEATURES
    return views * (poses.pixels * _SEARCH_PIXEL + share * _MAP_VIEW) + poses.pairs * share * _MATCH_PAIR
