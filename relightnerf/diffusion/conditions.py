"""The condition image: what the network sees of the photo and its geometry, channel by channel, in named parts.

``rgb`` and ``depth`` are the reference method's; the others are cues that a scene's geometry gives:

================== ======== ==========================================================================================
part               channels values
================== ======== ==========================================================================================
rgb                3        the photo: sRGB in [0, 1]
depth              1        affine-invariant depth in [0, 1], 0 the nearest (as Marigold gives it)
normal             3        unit normal in the camera's frame, components in [-1, 1], 0 where unknown
shading            1        cosine between normal and light in [0, 1], 0 where it is negative
shadow             1        part of the light's disc that the surface sees, in [0, 1]
ambient_visibility 1        the cosine-weighted part of the hemisphere that is open, in [0, 1]
cue                1        logarithm of the scene painted white under the canonical light, see ``light_cue``, in
                            [-2.8, 0.06]
source             1        logarithm of the photo's own shading, guessed from the photo, see ``source_shading``; 0 if
                            unknown
capture            1        logarithm of the photo's own shading under the light that the whole capture was taken in,
                            as far as that is known, see ``capture_cue``; 0 if unknown
disc               1        of that light the disc alone: cosine times visibility, in [0, 1]; 0 if unknown
shaded             3        logarithm of what ray-cast shading, the new light's over that light's, multiplies each
                            channel of the photo by (``lights.shading_ratio``), in [-3.6, 1.8]; 0 if unknown
================== ======== ==========================================================================================
"""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relightnerf.errors import InputError
from relightnerf.imaging.color import LUMINANCE
from relightnerf.imaging.color_tensors import linear_from_srgb
from relightnerf.lights import AMBIENT_RADIANCE, IRRADIANCE

PARTS = {
    "rgb": 3,
    "depth": 1,
    "normal": 3,
    "shading": 1,
    "shadow": 1,
    "ambient_visibility": 1,
    "cue": 1,
    "source": 1,
    "capture": 1,
    "disc": 1,
    "shaded": 3,
}
"""Channels of each part."""
_FORMER_NAMES = {"openness": "ambient_visibility"}
"""Names that models saved by relightnerf 0.1 use, ``compact`` among them."""
LIGHT_PARTS = frozenset({"shading", "shadow", "cue", "shaded"})
"""Parts that differ from light to light."""
CAPTURE_PARTS = frozenset({"capture", "disc", "shaded"})
"""Parts that tell of the light that the photo was taken in."""
DERIVED_PARTS = {
    "cue": ("shading", "shadow"),
    "source": ("normal", "ambient_visibility"),
    "shaded": ("shading", "shadow", "capture"),
}
"""Parts that are computed from others, without which they say nothing."""
REFERENCE_PARTS = ("rgb", "depth")
"""What the reference method's ControlNet sees."""
_GUIDE_SCALES = {"depth": 1.0, "normal": 0.3, "shading": 1.0, "shadow": 1.0}
_NEAR, _FAR = 0.02, 0.98
_BOUNCED, _BOUNCED_CAPTURE, _BRIGHTEST_CAPTURE = 0.06, 0.1, 100.0
_LEAST_NORMAL = 0.5
_REWEIGHTINGS, _OUTLIER, _RIDGE = 5, 0.5, 0.01
_LEAST_SOURCE, _MOST_SOURCE = 0.15, 4.0


def part_names(parts: Sequence[str]) -> tuple[str, ...]:
    """Return the names of parts as they are called now."""
    return tuple(_FORMER_NAMES.get(part, part) for part in parts)


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


def guide_images(
    values: Mapping[str, Float[Tensor, "_ _ height width"]],
) -> list[Float[Tensor, "_ _ height width"]]:
    """Return what a decoder may follow besides the photo (``ImageCodec.decode``), from whatever parts there are.

    What is the same for all lights comes apart from what is not. Normals count less: across a curved surface they
    change everywhere, and the ratio changes smoothly with them.
    """
    scaled = [scale * values[part] for part, scale in _GUIDE_SCALES.items() if part in values]
    counts = sorted({len(channels) for channels in scaled})
    return [torch.cat([channels for channels in scaled if len(channels) == count], dim=1) for count in counts]


def part_slice(parts: Sequence[str], part: str) -> slice:
    """Return where a part's channels lie in the condition image."""
    start = sum(PARTS[p] for p in parts[: list(parts).index(part)])
    return slice(start, start + PARTS[part])


def light_cue(
    shading: Float[Tensor, "*#batch height width"],
    shadow: Float[Tensor, "*#batch height width"],
    ambient_visibility: Float[Tensor, "*#batch height width"],
) -> Float[Tensor, "*batch height width"]:
    """Return how bright the scene, painted white, is under the canonical light without bounces, as a logarithm.

    0.06 for a surface that faces the light and sees everything, -2.8 for one that gets nothing but what others throw
    back, for which 6 % of the brightest is added. What relighting multiplies a photo by has a logarithm nearly linear
    in it (0.06 is best in a regression over rendered scenes).

    Args:
        shading: cosine between normal and light, in [0, 1].
        shadow: part of the light's disc that is seen.
        ambient_visibility: ambient visibility.
    """
    brightest = IRRADIANCE / math.pi + AMBIENT_RADIANCE
    radiance = (IRRADIANCE / math.pi * shading * shadow + AMBIENT_RADIANCE * ambient_visibility) / brightest
    return (radiance + _BOUNCED).log()


def capture_cue(
    shading: Float[Tensor, "*batch 1 height width"], known: Bool[Tensor, "*batch 1 height width"]
) -> Float[Tensor, "*batch 1 height width"]:
    """Return the logarithm of a shading over its mean, plus 0.1 for what surroundings throw back: in [-2.3, 4.7].

    Args:
        shading: radiance of a white surface under the capture's own light, in any unit, 0 or more.
        known: where there is geometry; elsewhere the result is 0.
    """
    counted = known.to(shading.dtype)
    mean = (shading * counted).sum((-2, -1), keepdim=True) / counted.sum((-2, -1), keepdim=True).clamp(min=1.0)
    relative = shading / mean.clamp(min=1e-6)
    return (relative.clamp(max=_BRIGHTEST_CAPTURE) + _BOUNCED_CAPTURE).log() * counted


def source_shading(
    rgb: Float[Tensor, "*batch 3 height width"],
    normal: Float[Tensor, "*batch 3 height width"],
    ambient_visibility: Float[Tensor, "*batch 1 height width"],
) -> Float[Tensor, "*batch 1 height width"]:
    """Return a guess of how the photo itself is lit: the logarithm of its shading over its mean luminance.

    The shading is ambient visibility times a constant plus a gradient in the normal (irradiance from spherical
    harmonics up to degree 1, Ramamoorthi and Hanrahan 2001), which explains the photo's luminance best if albedo is
    taken for noise: iteratively reweighted least squares with Cauchy's weights.

    Args:
        rgb: sRGB in [0, 1].
        normal: unit, 0 where unknown.
        ambient_visibility: ambient visibility.
    """
    known = (normal.square().sum(-3, keepdim=True) > _LEAST_NORMAL**2).to(rgb.dtype)
    weights = torch.tensor(LUMINANCE, dtype=rgb.dtype, device=rgb.device)[:, None, None]
    luminance = (linear_from_srgb(rgb) * weights).sum(-3, keepdim=True)
    mean = (luminance * known).sum((-2, -1), keepdim=True) / known.sum((-2, -1), keepdim=True).clamp(min=1.0)
    wanted = (luminance / mean.clamp(min=1e-3)).clamp(max=5.0).flatten(-2).transpose(-2, -1)
    basis = (
        (known * ambient_visibility * torch.cat([torch.ones_like(ambient_visibility), normal], dim=-3))
        .flatten(-2)
        .transpose(-2, -1)
    )
    ridge = _RIDGE * known.sum((-3, -2, -1))[..., None].clamp(min=1.0) * torch.tensor([0.01, 1.0, 1.0, 1.0]).to(rgb)
    weight = torch.ones_like(wanted)
    for _ in range(_REWEIGHTINGS):
        weighted = (basis * weight).transpose(-2, -1)
        amounts = torch.linalg.solve(weighted @ basis + torch.diag_embed(ridge), weighted @ wanted)
        weight = 1.0 / (1.0 + ((wanted - basis @ amounts) / _OUTLIER).square())
    shading = (basis @ amounts).transpose(-2, -1).reshape(known.shape)
    return shading.clamp(_LEAST_SOURCE, _MOST_SOURCE).log() * known


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
