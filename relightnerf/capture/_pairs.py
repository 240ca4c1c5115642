"""Which photos to compare with which."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import pycolmap


@dataclass(frozen=True)
class PairSettings:
    """What tunes which photos are compared."""

    tile: int = 16
    """Pairs of photos are matched in groups: at most so many photos with as many others. A group is one process's task
    and what is lost when it is interrupted; smaller ones leave less, and read and index features more often."""
    coarse_features: int = 200
    """Largest features of a photo that tell which photos look like it. All pairs are compared by them, so time grows
    with their square; large ones are seen again from other distances."""
    ratio: float = 0.8
    """A coarse match counts if its distance is less than this part of the second nearest's: Lowe's ratio test (2004),
    by whom 0.8 takes away 90 % of the wrong matches and 5 % of the right ones."""
    steps: tuple[int, ...] = (1, 2)
    """Distances, in the photos' order, at which pairs are compared in any case: people walk along as they
    photograph."""
    video_steps: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 16, 32)
    """The same in a video, whose frames lie closer together; the powers of two keep long chains from drifting."""


_SETTINGS = PairSettings()


def pairs_to_match(
    database: "pycolmap.Database", image_ids: Sequence[int], ordered: bool, many: int, neighbours: int
) -> list[list[tuple[int, int]]]:
    """Return the pairs of images whose features are to be matched, in groups that share few images.

    Args:
        database: has the images' features.
        image_ids: the images, in their order.
        ordered: consecutive images show nearly the same (a video).
        many: up to so many images, all pairs are compared.
        neighbours: of more, each is compared with so many that look most like it by their largest features, and with
            those that follow it at distances 1 and 2; in a video also 3 to 6 and powers of two.
    """
    count = len(image_ids)
    if count <= many:
        chosen = {(a, b) for a in range(count) for b in range(a + 1, count)}
    else:
        chosen = _alike([_coarse_features(database, image_id) for image_id in image_ids], neighbours)
        steps = _SETTINGS.video_steps if ordered else _SETTINGS.steps
        chosen |= {(a, a + step) for a in range(count) for step in steps if a + step < count}
    tile = _SETTINGS.tile
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in sorted(chosen):
        groups.setdefault((a // tile, b // tile), []).append((image_ids[a], image_ids[b]))
    return list(groups.values())


def _coarse_features(database: "pycolmap.Database", image_id: int) -> Float[np.ndarray, "features 128"]:
    descriptors = np.asarray(database.read_descriptors(image_id).data, dtype=np.float32)
    if not len(descriptors):
        return np.zeros((1, 128), dtype=np.float32)
    keypoints = np.asarray(database.read_keypoints(image_id))
    # a keypoint's columns 2 to 5 are the affine shape of its patch, whose determinant is its area
    size = np.abs(keypoints[:, 2] * keypoints[:, 5] - keypoints[:, 3] * keypoints[:, 4])
    chosen = descriptors[np.argsort(-size, kind="stable")[: _SETTINGS.coarse_features]]
    return chosen / np.maximum(np.linalg.norm(chosen, axis=1, keepdims=True), 1.0)


def _alike(features: Sequence[Float[np.ndarray, "features 128"]], neighbours: int) -> set[tuple[int, int]]:
    count = len(features)
    scores = np.zeros((count, count))
    for a in range(count):
        for b in range(a + 1, count):
            scores[a, b] = scores[b, a] = _matches(features[a], features[b])
    nearest = np.argsort(-scores, axis=1, kind="stable")[:, :neighbours]
    return {(min(a, int(b)), max(a, int(b))) for a in range(count) for b in nearest[a] if int(b) != a}


def _matches(a: Float[np.ndarray, "m 128"], b: Float[np.ndarray, "n 128"]) -> int:
    """Return how many features of ``a`` have one clearly nearest feature in ``b`` that has them as nearest, too."""
    similarity = a @ b.T
    nearest = similarity.argmax(axis=1)
    mutual = similarity.argmax(axis=0)[nearest] == np.arange(len(a))
    if similarity.shape[1] == 1:
        return int(mutual.sum())
    top = -np.partition(-similarity, 1, axis=1)[:, :2]
    # of unit vectors: |a - b|^2 = 2 - 2 a.b
    distance = np.sqrt(np.maximum(2.0 - 2.0 * top, 1e-6))
    return int((mutual & (distance[:, 0] < _SETTINGS.ratio * distance[:, 1])).sum())
