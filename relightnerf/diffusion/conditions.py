"""The condition image: what the network sees of the photo and its geometry, channel by channel, in named parts.

``rgb`` and ``depth`` are the reference method's; the others are cues that a scene's geometry gives:

======== ======== ===================================================================================
part     channels values
======== ======== ===================================================================================
rgb      3        the photo: sRGB in [0, 1]
depth    1        affine-invariant depth in [0, 1], 0 the nearest (as Marigold gives it)
normal   3        unit normal in the camera's frame, components in [-1, 1], 0 where unknown
shading  1        cosine between normal and light in [0, 1], 0 where it is negative
shadow   1        part of the light's disc that the surface sees, in [0, 1]
openness 1        ambient visibility: the cosine-weighted part of the hemisphere that is open, in [0, 1]
cue      1        logarithm of the scene painted white under the canonical light, see ``light_cue``, in [-1, 0]
======== ======== ===================================================================================
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from relightnerf.errors import InputError
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE

PARTS = {"rgb": 3, "depth": 1, "normal": 3, "shading": 1, "shadow": 1, "openness": 1, "cue": 1}
"""Channels of each part."""
LIGHT_PARTS = frozenset({"shading", "shadow", "cue"})
"""Parts that differ from light to light."""
REFERENCE_PARTS = ("rgb", "depth")
"""What the reference method's ControlNet sees."""
_GUIDE_SCALES = {"depth": 1.0, "normal": 0.3, "shading": 1.0, "shadow": 1.0}
_NEAR, _FAR = 0.02, 0.98
_DARKEST_CUE = 0.01


def condition_channels(parts: Sequence[str]) -> int:
    """Return how many channels a condition image of these parts has.

    Raises:
        InputError: a part is unknown or named twice, or there is none.
    """
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts or len(set(parts)) < len(parts):
        raise InputError(f"condition parts {list(parts)}: unknown, twice or none", f"choose from: {', '.join(PARTS)}")
    return sum(PARTS[part] for part in parts)


def condition_image(
    parts: Sequence[str], values: Mapping[str, Float[Tensor, "*batch _ height width"]]
) -> Float[Tensor, "*batch channels height width"]:
    """Lay the parts' values on top of each other in the order of ``parts``.

    Args:
        parts: names from ``PARTS``.
        values: a tensor for each part at least, with the part's channels and values as the table above says.
    """
    condition_channels(parts)
    return torch.cat([values[part] for part in parts], dim=-3)


def guide_image(
    values: Mapping[str, Float[Tensor, "batch _ height width"]],
) -> Float[Tensor, "batch channels height width"] | None:
    """Return what a decoder may follow besides the photo (``ImageCodec.decode``), from whatever parts there are.

    Normals count less: across a curved surface they change everywhere, and the ratio changes smoothly with them.
    """
    channels = [scale * values[part] for part, scale in _GUIDE_SCALES.items() if part in values]
    if not channels:
        return None
    batch = max(len(c) for c in channels)
    return torch.cat([c.expand(batch, -1, -1, -1) for c in channels], dim=1)


def part_slice(parts: Sequence[str], part: str) -> slice:
    """Return where a part's channels lie in the condition image."""
    start = sum(PARTS[p] for p in parts[: list(parts).index(part)])
    return slice(start, start + PARTS[part])


def light_cue(
    shading: Float[Tensor, "*batch height width"],
    shadow: Float[Tensor, "*batch height width"],
    openness: Float[Tensor, "*batch height width"],
) -> Float[Tensor, "*batch height width"]:
    """Return how bright the scene, painted white, is under the canonical light without bounces, as a logarithm.

    0 for a surface that faces the light and sees everything, -1 for 1 % of its radiance or less. The logarithm of what
    relighting multiplies a photo by is nearly linear in it.

    Args:
        shading: cosine between normal and light, in [0, 1].
        shadow: part of the light's disc that is seen.
        openness: ambient visibility.
    """
    brightest = IRRADIANCE / math.pi + AMBIENT_RADIANCE
    radiance = (IRRADIANCE / math.pi * shading * shadow + AMBIENT_RADIANCE * openness) / brightest
    return radiance.clamp(min=_DARKEST_CUE).log() / -math.log(_DARKEST_CUE)


def normalized_depth(depth: Float[Tensor, "height width"]) -> Float[Tensor, "height width"]:
    """Return affine-invariant depth: 0 at the 2 % quantile of the known, 1 at the 98 % quantile and where unknown.

    Quantiles as in Marigold (Ke et al., "Repurposing Diffusion-Based Image Generators for Monocular Depth Estimation",
    CVPR 2024, section 3.2), whose depth the reference method's ControlNet was trained on.

    Args:
        depth: along the camera's -z in any unit; 0 where unknown.
    """
    known = depth > 0
    if not known.any():
        return torch.ones_like(depth)
    values = depth[known].flatten()
    # torch.quantile refuses more than 16 million values
    order = values[:: max(1, values.numel() // 1_000_000)].sort().values
    near, far = (order[round(q * (len(order) - 1))] for q in (_NEAR, _FAR))
    scaled = ((depth - near) / (far - near).clamp(min=1e-6 * far)).clamp(0.0, 1.0)
    return torch.where(known, scaled, torch.ones_like(depth))
