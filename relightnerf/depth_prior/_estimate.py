"""Depth and normals of all views of a capture: the network's search, repeated in ever narrower ranges."""

import math
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
from relightnerf.geometry.stereo import StereoView, neighbours
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
    """

    passes: tuple[Search, ...]
    most_scale: float


FIRST_SEARCH = SearchPlan(
    (Search(0.9, 128 * 96), Search(0.35, 128 * 96), Search(0.12, 128 * 96), Search(0.04, 192 * 144)), 0.004
)
"""From one depth for all pixels. The network was trained on views of 128x96 pixels. On a capture of plain things, 55 %
of the pixels are so sure that they are kept, and 0.5 % of these are off by more than 2 %; with an expected error of up
to 0.01, 91 % and 21 %. What is wrong here would mislead the field."""
LAST_SEARCH = SearchPlan((Search(0.06, 192 * 144), Search(0.025, 256 * 192)), 0.008)
"""From the depth of a field that knows what the first search has found. Most of it is right within the range of the
search, so that less sure depth is better than none: it has the shape of smooth things, which photos alone leave
dented."""


def estimate_capture(
    network: DepthUNet,
    cameras: Cameras,
    images: Sequence[UInt8[np.ndarray, "height width 3"]],
    depths: Sequence[Float[np.ndarray, "height width"]],
    passes: Sequence[Search],
) -> list[ViewEstimate]:
    """Search the depth of all views of a capture near the depth that they have.

    Args:
        network: on any device.
        cameras: of the views.
        images: 8-bit sRGB.
        depths: along each camera's -z, world units, 0 where unknown.
        passes: at least one.
    """
    views = []
    for camera, image, depth in zip(cameras, images, depths, strict=True):
        # The search starts somewhere at every pixel.
        typical = float(np.median(depth[depth > 0])) if (depth > 0).any() else 1.0
        views.append(StereoView(camera, image, np.where(depth > 0, depth, typical).astype(np.float32)))
    return estimate_views(network, views, passes)


def estimate_views(
    network: DepthUNet, views: Sequence[StereoView], passes: Sequence[Search], label: str = "depth of the photos"
) -> list[ViewEstimate]:
    """Search the depth of every view, from the depth that it has, in one pass after another.

    Args:
        network: on any device.
        views: of one capture; their depth is where the search starts, known everywhere.
        passes: at least one.
        label: of the progress bar.
    """
    depths = [view.depth for view in views]
    estimates: list[ViewEstimate] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # OpenCV and numpy let other threads work
        for number, search in enumerate(passes, start=1):
            scaled = [_at_size(view, depth, search, network) for view, depth in zip(views, depths, strict=True)]
            costs = pool.map(lambda index: _costs(scaled, index, search.reach), range(len(scaled)))  # noqa: B023
            each = zip(scaled, costs, strict=True)
            shown = track(each, f"{label}, pass {number} of {len(passes)}", len(views))
            estimates = [estimate_view(network, view, search.reach, cost) for view, cost in shown]
            near = [neighbours(scaled, index) for index in range(len(scaled))]
            depths = [
                consensus(estimate, [estimates[other] for other in beside], search.reach)
                for estimate, beside in zip(estimates, near, strict=True)
            ]
    return [replace(estimate, depth=depth) for estimate, depth in zip(estimates, depths, strict=True)]


@torch.no_grad()
def estimate_view(
    network: DepthUNet, view: StereoView, reach: float, costs: Float[np.ndarray, "steps height width"] | None
) -> ViewEstimate:
    """Estimate one view from its costs, or from its photo alone.

    Args:
        network: on any device.
        view: at a size that the network takes; its depth is the start.
        reach: of the search.
        costs: of ``matching_costs`` with this reach and start; None: there are none.
    """
    device = network.device
    rays = view.camera.rays_camera()
    given = np.zeros((COST_STEPS, *view.depth.shape), np.float32) if costs is None else costs
    has_costs = torch.tensor([0.0 if costs is None else 1.0], device=device)
    inputs = (_planes(view.image / np.float32(255.0)), _planes(rays[..., :2]), _planes(view.depth[..., None]))
    found = network(
        *(value.to(device) for value in inputs),
        torch.tensor([reach], device=device),
        torch.from_numpy(given)[None].to(device),
        has_costs,
    )
    depth = view.depth * np.exp(_picture(found.offset)[..., 0])
    normal, scale = _picture(found.normal), _picture(found.scale)[..., 0]
    return ViewEstimate(view.camera, depth, normal, scale, _picture(found.surface.sigmoid())[..., 0])


def _at_size(view: StereoView, depth: np.ndarray, search: Search, network: DepthUNet) -> StereoView:
    """Return the view at the size of a pass, with this depth."""
    camera = view.camera
    scale = math.sqrt(min(1.0, search.most_pixels / (camera.width * camera.height)))
    grain = network.granularity
    width, height = (max(grain, grain * round(scale * side / grain)) for side in (camera.width, camera.height))
    image = cv2.resize(view.image, (width, height), interpolation=cv2.INTER_AREA)
    # Of the logarithm: between two depths lies their geometric mean.
    logs = cv2.resize(np.log(depth).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return replace(view, camera=camera.resampled(width, height), image=image, depth=np.exp(logs))


def _costs(views: Sequence[StereoView], index: int, reach: float) -> np.ndarray | None:
    others = [views[other] for other in neighbours(views, index)]
    return matching_costs(views[index], others, views[index].depth, reach) if others else None


def _planes(values: Float[np.ndarray, "height width channels"]) -> Float[Tensor, "1 channels height width"]:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(values, -1, 0)[None], np.float32))


def _picture(planes: Float[Tensor, "1 channels height width"]) -> Float[np.ndarray, "height width channels"]:
    return planes[0].movedim(0, -1).cpu().numpy()
