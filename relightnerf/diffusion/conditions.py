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
from dataclasses import asdict, dataclass

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


@dataclass(frozen=True)
class GuideSettings:
    """How much each part counts as a decoder's guide: a factor on its values. The names are those of the parts.

    The decoder compares the scaled values with ``RatioSettings.sigma_guide``: with twice the factor, half the
    difference keeps two places apart.
    """

    depth: float = 1.0
    """Normalised depth: a step of a tenth of the picture's depth range is a clear edge."""
    normal: float = 0.3
    """Less than the rest, as normals change all over a curved surface, where the ratio changes smoothly with them; a
    larger factor leaves too few alike neighbours there, a smaller one lets the ratio run over creases."""
    shading: float = 1.0
    """The new light's cosine: the ratio is nearly in proportion to it."""
    shadow: float = 1.0
    """The new light's visibility: the ratio's hardest edges are its."""


@dataclass(frozen=True)
class CueSettings:
    """What keeps the logarithms of the cues in bounds. The shipped weights were trained with these numbers."""

    bounced: float = 0.06
    """Light that surroundings throw back, as a part of the brightest white surface's; added before the logarithm of
    ``light_cue``. 0.06 was best in a regression of log ratios over rendered scenes: with less, deep shadows are told to
    be darker than any photo has them; with more, shadows lose their contrast."""
    bounced_capture: float = 0.1
    """The same for ``capture_cue``, as a part of the mean shading."""
    brightest_capture: float = 100.0
    """Shading over its mean that is not exceeded. Only a shading that is nearly 0 all over gets there; the bound keeps
    its logarithm (4.6) in the range that the network has seen."""


@dataclass(frozen=True)
class SourceShadingSettings:
    """How the photo's own shading is guessed from the photo alone."""

    least_normal: float = 0.5
    """Length from which on a normal counts as known. They are 1 or 0 but where resizing has mixed the two: half says
    that most of the pixel is known."""
    brightest: float = 5.0
    """Luminance over its mean that is not exceeded, so that lamps and highlights pull less on the first fit, which
    takes no outliers yet."""
    reweightings: int = 5
    """Times that the weights are computed anew. Each costs a 4x4 solution a photo; more change little, with one or two
    the first, unweighted fit still shows."""
    outlier: float = 0.5
    """Residual, over the mean luminance, at which a pixel's weight is one half (Cauchy's constant). Albedo is the
    noise here, and varies by about this much: with half of it most pixels would be outliers, with twice of it white and
    black things turn the light."""
    ridge: float = 0.01
    """Pull of the gradient towards 0, as a part of the number of pixels. Where all normals face one way, they tell no
    gradient, and this keeps it from taking any value; larger ones flatten the shading of photos that do tell."""
    ridge_ambient: float = 0.01
    """The same pull on the constant, as a part of ``ridge``: only to keep the equations solvable, since the constant
    is about 1 in every photo and should not be made smaller."""
    least: float = 0.15
    """Shading over mean luminance that is not gone below: a linear model can be negative, a logarithm has none then."""
    most: float = 4.0
    """Shading over mean luminance that is not exceeded: brighter guesses are errors of the fit at rare normals."""


@dataclass(frozen=True)
class DepthRangeSettings:
    """Which depths become 0 and 1."""

    near: float = 0.02
    """Quantile of the known depths that becomes 0, as in Marigold. With the least depth itself, one wrong pixel would
    set the range; larger quantiles clip what is really near."""
    far: float = 0.98
    """Quantile that becomes 1, as in Marigold."""


_GUIDES, _CUES, _SOURCE, _DEPTH_RANGE = GuideSettings(), CueSettings(), SourceShadingSettings(), DepthRangeSettings()


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
    scaled = [scale * values[part] for part, scale in asdict(_GUIDES).items() if part in values]
    # One group with a picture a light, one with a picture for all, whose work ``upsampled_chunks`` does only once.
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
    in it (Lambert: the ratio of two pictures of one scene is that of its shadings, whatever its albedo).

    Args:
        shading: cosine between normal and light, in [0, 1].
        shadow: part of the light's disc that is seen.
        ambient_visibility: ambient visibility.
    """
    # Radiance of a white surface that faces the disc and sees all the ambient light, 0.85: the unit of what follows.
    brightest = IRRADIANCE / math.pi + AMBIENT_RADIANCE
    # E / pi cos v for the disc, and L v for the ambient light, whose irradiance is pi L v.
    radiance = (IRRADIANCE / math.pi * shading * shadow + AMBIENT_RADIANCE * ambient_visibility) / brightest
    return (radiance + _CUES.bounced).log()


def capture_cue(
    shading: Float[Tensor, "*batch 1 height width"], known: Bool[Tensor, "*batch 1 height width"]
) -> Float[Tensor, "*batch 1 height width"]:
    """Return the logarithm of a shading over its mean, plus 0.1 for what surroundings throw back: in [-2.3, 4.7].

    Args:
        shading: radiance of a white surface under the capture's own light, in any unit, 0 or more.
        known: where there is geometry; elsewhere the result is 0.
    """
    # Over the mean where there is geometry, so neither exposure nor the light's unit matters.
    counted = known.to(shading.dtype)
    mean = (shading * counted).sum((-2, -1), keepdim=True) / counted.sum((-2, -1), keepdim=True).clamp(min=1.0)
    relative = shading / mean.clamp(min=1e-6)
    return (relative.clamp(max=_CUES.brightest_capture) + _CUES.bounced_capture).log() * counted


def source_shading(
    rgb: Float[Tensor, "*batch 3 height width"],
    normal: Float[Tensor, "*batch 3 height width"],
    ambient_visibility: Float[Tensor, "*batch 1 height width"],
    settings: SourceShadingSettings = _SOURCE,
) -> Float[Tensor, "*batch 1 height width"]:
    """Return a guess of how the photo itself is lit: the logarithm of its shading over its mean luminance.

    The shading is ambient visibility times a constant plus a gradient in the normal (irradiance from spherical
    harmonics up to degree 1, Ramamoorthi and Hanrahan 2001), which explains the photo's luminance best if albedo is
    taken for noise: iteratively reweighted least squares with Cauchy's weights.

    Args:
        rgb: sRGB in [0, 1].
        normal: unit, 0 where unknown.
        ambient_visibility: ambient visibility.
        settings: numbers of the fit.
    """
    # Model: luminance / mean = v (a + b . n) + noise, for ambient visibility v and normal n. Irradiance of a distant
    # environment is c4 L00 + 2 c2 (L11 x + L1-1 y + L10 z) + terms of degree 2 (Ramamoorthi and Hanrahan 2001, "An
    # Efficient Representation for Irradiance Environment Maps", eq. 13); degree 2 is left out, as four numbers are all
    # that a photo with unknown albedo tells. So the basis has the columns v and v n, the amounts are (a, b).
    known = (normal.square().sum(-3, keepdim=True) > settings.least_normal**2).to(rgb.dtype)
    weights = torch.tensor(LUMINANCE, dtype=rgb.dtype, device=rgb.device)[:, None, None]
    luminance = (linear_from_srgb(rgb) * weights).sum(-3, keepdim=True)
    mean = (luminance * known).sum((-2, -1), keepdim=True) / known.sum((-2, -1), keepdim=True).clamp(min=1.0)
    # (batch, pixels, 1) observations y and, below, (batch, pixels, 4) rows of the basis B.
    wanted = (luminance / mean.clamp(min=1e-3)).clamp(max=settings.brightest).flatten(-2).transpose(-2, -1)
    # Unknown pixels have rows of 0 in B, so they count in neither side of the normal equations.
    basis = (
        (known * ambient_visibility * torch.cat([torch.ones_like(ambient_visibility), normal], dim=-3))
        .flatten(-2)
        .transpose(-2, -1)
    )
    # the sums below grow with the number of pixels, so the ridge does, too: the result is the same at every size
    pulls = torch.tensor([settings.ridge_ambient, 1.0, 1.0, 1.0]).to(rgb)
    ridge = settings.ridge * known.sum((-3, -2, -1))[..., None].clamp(min=1.0) * pulls
    # Cauchy's loss c^2 / 2 log(1 + (r / c)^2) of residuals r has the slope r / (1 + (r / c)^2) = w r. At its minimum
    # B' W (B x - y) = 0: normal equations whose weights are taken from the last solution (Holland and Welsch 1977).
    weight = torch.ones_like(wanted)
    for _ in range(settings.reweightings):
        weighted = (basis * weight).transpose(-2, -1)
        # (B' W B + ridge) x = B' W y: 4 equations a picture.
        amounts = torch.linalg.solve(weighted @ basis + torch.diag_embed(ridge), weighted @ wanted)
        weight = 1.0 / (1.0 + ((wanted - basis @ amounts) / settings.outlier).square())
    shading = (basis @ amounts).transpose(-2, -1).reshape(known.shape)
    return shading.clamp(settings.least, settings.most).log() * known


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
    near, far = (order[round(q * (len(order) - 1))] for q in (_DEPTH_RANGE.near, _DEPTH_RANGE.far))
    # An affine map of depth, so depth known up to scale and shift, like a monocular estimate, gives the same.
    scaled = ((depth - near) / (far - near).clamp(min=1e-6 * far)).clamp(0.0, 1.0)
    return torch.where(known, scaled, torch.ones_like(depth))
