"""All views of a scene at once: maps on disk, neighbours, and the correction of each view."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse

from relightnerf.consistency._apply import corrected_pictures
from relightnerf.consistency._maps import RatioMaps, Surface, cell_size
from relightnerf.consistency._measure import SAME_LIGHT_DEG, Disagreement
from relightnerf.consistency._reconcile import correction, light_closeness, robust_mean, seen_by, view_gains
from relightnerf.consistency._warps import neighbours, warp
from relightnerf.geometry.views import SceneViews
from relightnerf.imaging.color import to_uint8
from relightnerf.io.files import atomic_path
from relightnerf.lights import LightSet
from relightnerf.progress import track


@dataclass(frozen=True)
class SceneSettings:
    """What tunes how many views and cells are compared."""

    neighbours: int = 12
    """Other views that a view is compared with, as far as there are any. Time grows with it; a robust mean over fewer
    is noisier, and further views see less of a surface and under lights that differ more."""
    sampled_cells: int = 1000
    """About as many cells of a view, evenly chosen, tell its gains and what is reported: both are means, for which a
    thousand are plenty."""
    maps_in_memory: int = 16
    """Views whose maps are kept in memory, some 11 MB each with 18 lights: a view's neighbours and a few more, as the
    next view shares most of them. With fewer than neighbours, every map would be read again for every view."""


_SETTINGS = SceneSettings()

Pictures = Callable[[str], Iterable[UInt8[np.ndarray, "height width 3"]]]
"""Gives a view's pictures under all lights, 8-bit sRGB."""


class SceneConsistency:
    """Corrects relit pictures of a scene so that views agree.

    The pictures are read view by view, and their small maps are kept on disk, so memory does not grow with the number
    of pictures. Everything is deterministic: what another run left in the folder of maps can be used again.
    """

    def __init__(self, views: SceneViews, lights: LightSet, folder: Path, pictures: Pictures) -> None:
        """Compare all views.

        Args:
            views: of the scene, with their geometry.
            lights: of the pictures, in the world's frame or in each camera's.
            folder: for the maps; the caller removes it when the last picture is corrected.
            pictures: the pictures to correct.
        """
        self._views, self._folder = views, folder
        self._side = cell_size(views.cameras.width, views.cameras.height)
        self._maps = lru_cache(_SETTINGS.maps_in_memory)(self._load_maps)
        self._directions = [lights.directions_world(pose) for pose in views.cameras.camera_to_world]
        self._surfaces = [self._surface(i, pictures, "before") for i in track(range(len(views)), "comparing")]
        self._neighbours = neighbours(self._surfaces, self._shared_light(), _SETTINGS.neighbours)
        self._gains = self._view_gains()

    def corrected(
        self, index: int, pictures: Float[np.ndarray, "lights height width 3"]
    ) -> Float[np.ndarray, "lights height width 3"]:
        """Return the pictures of view number ``index``, corrected: sRGB in [0, 1]."""
        surface, gain = self._surfaces[index], self._gains[index]
        cells = surface.trusted()
        ratios = self._maps(index, "before").log_ratio.reshape(len(pictures), -1, 3)
        shift = np.zeros_like(ratios)
        # Others are compared after all gains; what is added in the end is the own gain and the correction beyond it.
        shift[:, cells] = gain + correction(ratios[:, cells] + gain, self._seen_by_neighbours(index, cells))
        shift = shift.reshape(len(pictures), *surface.trust.shape, 3)
        return corrected_pictures(pictures, shift, surface.trust, self._views[index], self._side)

    def report(self, corrected: Pictures) -> dict[str, Any]:
        """Return how far neighbouring views disagree before and after, as plain numbers.

        Args:
            corrected: the pictures as they are now.
        """
        for index in track(range(len(self._views)), "measuring"):
            self._surface(index, corrected, "after")
        measured = {"before": Disagreement(), "after": Disagreement()}
        for index, other, cells, weights in self._sampled_pairs():
            photo = self._surfaces[index].photo.reshape(-1, 3)[cells]
            directions = (self._directions[index], self._directions[other])
            for when, disagreement in measured.items():
                own, theirs = self._maps(index, when), self._maps(other, when)
                disagreement.add(own, theirs, cells, weights, photo, directions)
        return {
            "lights_within_deg": SAME_LIGHT_DEG,
            "neighbours": round(float(np.mean([len(n) for n in self._neighbours])), 1),
            "log_ratio": {when: _rounded(d.log_ratio if d.weight else None) for when, d in measured.items()},
            "srgb_rms": {when: _rounded(d.srgb_rms if d.weight else None) for when, d in measured.items()},
        }

    def _surface(self, index: int, pictures: Pictures, when: str) -> Surface:
        """Return a view's surface, after its maps have been written if they are not there."""
        view = self._views[index]
        surface, path = Surface.of(view, self._side), self._map_path(index, when)
        if not path.is_file():
            maps = RatioMaps.of(pictures(view.name), to_uint8(view.image), self._side)
            # Half precision: in [-4, 4] its steps are 0.002 of a logarithm at most, far below what views differ by.
            with atomic_path(path) as temporary:
                np.save(temporary, np.concatenate([maps.log_ratio, maps.confidence[..., None]], -1).astype(np.float16))
        return surface

    def _map_path(self, index: int, when: str) -> Path:
        return self._folder / when / f"{self._views.cameras.names[index]}.npy"

    def _load_maps(self, index: int, when: str) -> RatioMaps:
        values = np.load(self._map_path(index, when)).astype(np.float32)
        return RatioMaps(values[..., :3], values[..., 3])

    def _shared_light(self) -> Float[np.ndarray, "views views"]:
        """Return for each two views how near the closest light of the other is, a mean over the lights of the first."""
        everything = np.concatenate(self._directions)
        views = len(self._directions)
        # (lights, views * lights) closeness; the best of each view's lights, then the mean over the own ones.
        return np.array(
            [light_closeness(own, everything).reshape(len(own), views, -1).max(-1).mean(0) for own in self._directions]
        )

    def _sampled_pairs(self) -> Iterator[tuple[int, int, np.ndarray, sparse.csr_matrix]]:
        for index, others in enumerate(self._neighbours):
            cells = self._surfaces[index].trusted(_SETTINGS.sampled_cells)
            for other in others:
                yield index, other, cells, warp(self._surfaces[index], self._surfaces[other], cells)

    def _view_gains(self) -> Float[np.ndarray, "views 3"]:
        pairs, offsets, totals = [], [], []
        for index, other, cells, weights in self._sampled_pairs():
            closeness = light_closeness(self._directions[index], self._directions[other])
            values, weight = seen_by(self._maps(other, "before"), weights, closeness)
            own = self._maps(index, "before").log_ratio
            # Offset of a pair (a, b): b less a, as ``view_gains`` wants it.
            # all lights and cells together: a gain is shared by all lights of a view
            difference = values - own.reshape(len(own), -1, 3)[:, cells]
            pairs.append((index, other))
            offsets.append(robust_mean(difference.reshape(-1, 3), weight.ravel()))
            # Mean weight of a cell, summed over lights: pairs that share more surface and more lights count more.
            totals.append(weight.sum() / len(cells))
        return view_gains(len(self._views), pairs, np.array(offsets).reshape(-1, 3), np.array(totals)).astype(
            np.float32
        )

    def _seen_by_neighbours(self, index: int, cells: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for other in self._neighbours[index]:
            weights = warp(self._surfaces[index], self._surfaces[other], cells)
            closeness = light_closeness(self._directions[index], self._directions[other])
            values, weight = seen_by(self._maps(other, "before"), weights, closeness)
            yield values + self._gains[other], weight


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
