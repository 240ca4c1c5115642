"""Features of 3D Gaussians composited into a picture: by gsplat on CUDA, by a dense twin of it elsewhere."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.errors import InputError

_NEAR = 0.01
"""Where a camera begins to see, in the field's units: splatfacto's value."""
_BLUR = 0.3
"""Added to each projected variance, pixels squared, as in 3D Gaussian Splatting: no Gaussian falls between pixels."""
_MOST_OPAQUE, _LEAST_OPAQUE = 0.999, 1.0 / 255.0
"""What one Gaussian gives to a pixel, at most, and below which it is left out; those of gsplat's kernels."""
_MOST_PAIRS = 1 << 27
"""Pairs of Gaussians and pixels that the dense twin takes: 0.5 GB for each value that it keeps of a pair."""


@dataclass(frozen=True)
class SplatCamera:
    """One pinhole camera, as gsplat takes it.

    Attributes:
        world_to_camera: x right, y down, looking along +z; of the Gaussians' frame.
        intrinsics: in pixels; the centre of the top left pixel is at (0.5, 0.5).
        width: pixels.
        height: pixels.
    """

    world_to_camera: Float[Tensor, "4 4"]
    intrinsics: Float[Tensor, "3 3"]
    width: int
    height: int


@dataclass(frozen=True)
class Splatted:
    """What a camera sees of Gaussians.

    Attributes:
        features: sums weighted by what each Gaussian adds to a pixel.
        opacity: sum of these weights, in [0, 1].
        depth: mean along the optical axis by these weights, the Gaussians' units; 0 where nothing is.
        info: what gsplat's strategies need to add and remove Gaussians; empty off CUDA.
    """

    features: Float[Tensor, "height width channels"]
    opacity: Float[Tensor, "height width 1"]
    depth: Float[Tensor, "height width 1"]
    info: dict[str, Any]


def splat(
    means: Float[Tensor, "gaussians 3"],
    quats: Float[Tensor, "gaussians 4"],
    scales: Float[Tensor, "gaussians 3"],
    opacities: Float[Tensor, " gaussians"],
    features: Float[Tensor, "gaussians channels"],
    camera: SplatCamera,
) -> Splatted:
    """Composite Gaussians front to back (3D Gaussian Splatting, Kerbl et al. 2023).

    Args:
        means: centres.
        quats: (w, x, y, z), of any length, from their own axes.
        scales: standard deviations along their own axes.
        opacities: in [0, 1].
        features: of each Gaussian.
        camera: that sees them.

    Raises:
        InputError: too many Gaussians and pixels for a machine without CUDA.
    """
    shape = (means, quats, scales, opacities)
    if means.is_cuda:
        return _splat_by_gsplat(*shape, features, camera)
    return splat_densely(*shape, features, camera)


def _splat_by_gsplat(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, features: Tensor, camera: SplatCamera
) -> Splatted:
    from gsplat import rasterization

    # not packed, and with absolute gradients: as SplatfactoModel hands ``info`` to its strategy
    # "RGB+ED" appends the expected depth, the mean by weight, as a last channel.
    composited, opacity, info = rasterization(
        means,
        quats,
        scales,
        opacities,
        features,
        camera.world_to_camera[None],
        camera.intrinsics[None],
        camera.width,
        camera.height,
        near_plane=_NEAR,
        eps2d=_BLUR,
        packed=False,
        render_mode="RGB+ED",
        absgrad=True,
    )
    return Splatted(composited[0, ..., :-1], opacity[0], composited[0, ..., -1:], info)


def splat_densely(
    means: Float[Tensor, "gaussians 3"],
    quats: Float[Tensor, "gaussians 4"],
    scales: Float[Tensor, "gaussians 3"],
    opacities: Float[Tensor, " gaussians"],
    features: Float[Tensor, "gaussians channels"],
    camera: SplatCamera,
) -> Splatted:
    """Compute ``splat`` in plain torch, every Gaussian at every pixel: for small pictures of few Gaussians."""
    from gsplat.cuda._torch_impl import _fully_fused_projection, _quat_scale_to_covar_preci

    if len(means) * camera.width * camera.height > _MOST_PAIRS:
        what = f"{len(means)} Gaussians at {camera.width}x{camera.height} pixels: too many to splat without CUDA"
        raise InputError(what, "use a machine with CUDA, or `relightnerf fit --method relightnerf`")
    # Sigma = R S S^T R^T: (gaussians, 3, 3).
    covariances, _ = _quat_scale_to_covar_preci(quats, scales, compute_preci=False)
    # EWA splatting (Zwicker et al. 2001): with W the turn into the camera and J the projection's Jacobian at the
    # centre, the picture's covariance is J W Sigma W^T J^T, plus the blur. A conic (a, b, c) is its inverse,
    # [[a, b], [b, c]]. The axis of cameras, one long, comes first.
    radii, centres, depths, conics, _ = _fully_fused_projection(
        means,
        covariances,
        camera.world_to_camera[None],
        camera.intrinsics[None],
        camera.width,
        camera.height,
        eps2d=_BLUR,
        near_plane=_NEAR,
    )
    # Front to back by the centres' depth; a radius of 0 marks what is behind the near plane or off the picture.
    order = torch.argsort(depths[0])
    order = order[radii[0, order] > 0]
    # Offsets of pixel centres from each Gaussian's centre: (gaussians, 1, width) and (gaussians, height, 1).
    x = torch.arange(camera.width, device=means.device) + 0.5 - centres[0, order, 0, None, None]
    y = torch.arange(camera.height, device=means.device)[:, None] + 0.5 - centres[0, order, 1, None, None]
    a, b, c = (conic[:, None, None] for conic in conics[0, order].unbind(-1))
    # alpha = o exp(-1/2 (x, y) C (x, y)^T) = o exp(-1/2 (a x^2 + c y^2) - b x y).
    alpha = opacities[order, None, None] * torch.exp(-0.5 * (a * x * x + c * y * y) - b * x * y)
    alpha = torch.where(alpha < _LEAST_OPAQUE, 0.0, alpha.clamp_max(_MOST_OPAQUE))
    # T_n = prod_(m < n) (1 - alpha_m): what those in front let through.
    before = torch.cumprod(torch.cat([torch.ones_like(alpha[:1]), 1.0 - alpha[:-1]]), dim=0)
    weights = alpha * before
    opacity = weights.sum(dim=0)[..., None]
    composited = torch.einsum("nhw,nc->hwc", weights, features[order])
    # The mean by weight; where nothing is, the bound makes 0 / 0 a 0.
    depth = torch.einsum("nhw,n->hw", weights, depths[0, order])[..., None] / opacity.clamp_min(1e-10)
    return Splatted(composited, opacity, depth, {})
