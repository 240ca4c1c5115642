"""Depth and normals of all views of a capture: the network's search, repeated in ever narrower ranges."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from relightnerf.cameras import Cameras
from relightnerf.depth_prior._consensus import consensus
from relightnerf.depth_prior._costs import COST_STEPS, matching_costs
from relightnerf.depth_prior._estimate_types import ViewEstimate
from relightnerf.depth_prior._network import DepthUNet
from relightnerf.diffusion.sizes import planes, working_size
from relightnerf.geometry.stereo import StereoView, neighbours
from relightnerf.imaging.color import to_float
from relightnerf.progress import track


@dataclass(frozen=True)
class Search:
    """One pass of the search.

    Attributes:
        reach: to either side, natural logarithm of depth.
        most_pixels: of the size that it works at.
    """

    reach: float
    most_pixels: int


@dataclass(frozen=True)
class SearchPlan:
    """A search in ever narrower ranges, and what is kept of what it finds.

    Attributes:
        passes: at least one.
        most_scale: estimates that expect a larger error of log depth are dropped.
        planes: whether plain grounds, table-tops and walls get the depth of the planes that their edges lie on.
    """

    passes: tuple[Search, ...]
    most_scale: float
    planes: bool = False


FIRST_SEARCH = SearchPlan(
    (Search(0.9, 128 * 96), Search(0.35, 128 * 96), Search(0.12, 128 * 96), Search(0.04, 192 * 144)), 0.004, True
)
"""From one depth for all pixels. The network was trained on views of 128x96 pixels. On a capture of plain things, 55 %
of the pixels are so sure that they are kept, and 0.5 % of these are off by more than 2 %; with an expected error of up
to 0.01, 91 % and 21 %. What is wrong here would mislead the field."""
LAST_SEARCH = SearchPlan((Search(0.06, 192 * 144), Search(0.025, 256 * 192)), 0.008)
"""From the depth of a field that knows what the first search has found. Most of it is right within the range of the
search, so that less sure depth is better than none: it has the shape of smooth things, which photos alone leave
dented."""


_PHOTO_REACH = 0.9
"""Of a search by a photo alone; in training, a photo alone had 0.35 to 1.1."""


def estimate_capture(
    network: DepthUNet,
    cameras: Cameras,
    images: Sequence[UInt8[np.ndarray, "height width 3"]],
    depths: Sequence[Float[np.ndarray, "height width"]],
    passes: Sequence[Search],
    world_up: Float[np.ndarray, "3"],
) -> list[ViewEstimate]:
    """Search the depth of all views of a capture near the depth that they have.

    Args:
        network: on any device.
        cameras: of the views.
        images: 8-bit sRGB.
        depths: along each camera's -z, world units, 0 where unknown.
        passes: at least one.
        world_up: unit, against gravity.
    """
    views = [StereoView(*view) for view in zip(cameras, images, map(_known_everywhere, depths), strict=True)]
    depths = [view.depth for view in views]
    estimates: list[ViewEstimate] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and numpy let other threads work
        for number, search in enumerate(passes, start=1):
            scaled = [_at_size(view, depth, search, network) for view, depth in zip(views, depths, strict=True)]
            near = [neighbours(scaled, index) for index in range(len(scaled))]
            costs = pool.map(lambda view, beside: _costs(view, beside, scaled, search.reach), scaled, near)  # noqa: B023
            each = zip(scaled, costs, strict=True)
            shown = track(each, f"depth of the photos, pass {number} of {len(passes)}", len(views))
            estimates = [estimate_view(network, view, search.reach, cost, world_up) for view, cost in shown]
            depths = [
                consensus(estimate, [estimates[other] for other in beside], search.reach)
                for estimate, beside in zip(estimates, near, strict=True)
            ]
    return [replace(estimate, depth=depth) for estimate, depth in zip(estimates, depths, strict=True)]


def photo_normals(
    network: DepthUNet, views: Sequence[StereoView], world_up: Float[np.ndarray, "3"]
) -> list[Float[np.ndarray, "height width 3"]]:
    """Return the normals that each photo alone tells: unit, camera frame.

    Matching costs start from some depth, and where that is far off they tell wrong shapes; a photo tells a ground from
    a wall wherever it is.

    Args:
        network: on any device.
        views: at a size that the network takes; their depth does not matter.
        world_up: unit, against gravity.
    """
    flat = [replace(view, depth=np.ones_like(view.depth)) for view in views]
    return [estimate_view(network, view, _PHOTO_REACH, None, world_up).normal for view in flat]


@torch.no_grad()
def estimate_view(
    network: DepthUNet,
    view: StereoView,
    reach: float,
    costs: Float[np.ndarray, "steps height width"] | None,
    world_up: Float[np.ndarray, "3"],
) -> ViewEstimate:
    """Estimate one view from its costs, or from its photo alone.

    Args:
        network: on any device.
        view: at a size that the network takes; its depth is the start.
        reach: of the search.
        costs: of ``matching_costs`` with this reach and start; None: there are none.
        world_up: unit, against gravity.
    """
    device = network.device
    rays = view.camera.rays_camera()
    given = np.zeros((COST_STEPS, *view.depth.shape), np.float32) if costs is None else costs
    has_costs = torch.tensor([0.0 if costs is None else 1.0], device=device)
    inputs = map(planes, (to_float(view.image), rays[..., :2], view.depth[..., None]))
    found = network(
        *(value.to(device) for value in inputs),
        torch.tensor([reach], device=device),
        torch.from_numpy(given)[None].to(device),
        has_costs,
        torch.from_numpy(world_up @ view.camera.camera_to_world[:3, :3]).float()[None].to(device),
    )
    depth = view.depth * np.exp(_picture(found.offset)[..., 0])
    normal, scale = _picture(found.normal), _picture(found.scale)[..., 0]
    return ViewEstimate(view.camera, depth, normal, scale, _picture(found.surface.sigmoid())[..., 0])


def _known_everywhere(depth: Float[np.ndarray, "height width"]) -> Float[np.ndarray, "height width"]:
    """Return depth with its median where it is unknown: the search starts somewhere at every pixel."""
    known = depth > 0
    typical = float(np.median(depth[known])) if known.any() else 1.0
    return np.where(known, depth, typical).astype(np.float32)


def _at_size(view: StereoView, depth: np.ndarray, search: Search, network: DepthUNet) -> StereoView:
    """Return the view at the size of a pass, with this depth."""
    tall, wide = view.camera.height, view.camera.width
    height, width = working_size(tall, wide, min(tall * wide, search.most_pixels), network.granularity)
    image = cv2.resize(view.image, (width, height), interpolation=cv2.INTER_AREA)
    # Of the logarithm: between two depths lies their geometric mean.
    logs = cv2.resize(np.log(depth).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return replace(view, camera=view.camera.resampled(width, height), image=image, depth=np.exp(logs))


def _costs(view: StereoView, near: Sequence[int], views: Sequence[StereoView], reach: float) -> np.ndarray | None:
    return matching_costs(view, [views[other] for other in near], view.depth, reach) if near else None


def _picture(batch: Float[Tensor, "1 channels height width"]) -> Float[np.ndarray, "height width channels"]:
    return batch[0].movedim(0, -1).cpu().numpy()
