"""Numbers that tune the field, in one place for the code in torch and for the loops that numba compiles.

Lengths are in the field's frame, where the photos look at the origin and the inner cube is [-1, 1]^3 (``FieldFrame``).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class RaySettings:
    """Where along a ray the field is looked up."""

    linear_share: float = 0.7
    """Share of the positions in [0, 1] along a ray that is even in distance; the rest is even in inverse distance.
    What the photos look at is near: most samples go there, and the whole background shares the rest."""
    past_center: float = 1.5
    """Distance past the frame's centre at which the spacing turns from even distance to even inverse distance; the
    corner of the inner cube is 1.73 away, so nearly all of it gets even steps."""
    coarse_depth_limit: float = 1.0
    """Most optical depth that one coarse step may have. A coarse cell at a silhouette looks solid as a whole; without a
    limit what is behind it would get no samples."""
    even_share: float = 0.01
    """Share of the weight that is spread evenly along the ray, so that no place is never looked at."""
    distance_error_limit: float = 0.1
    """Most relative error of a known distance that counts in the loss: stereo is wrong somewhere, and one wrong depth
    must not outweigh ten right ones."""


@dataclass(frozen=True)
class SurfaceSettings:
    """What the density tells of the surface that a ray meets."""

    normal_reach: float = 0.02
    """Half the distance of the two densities whose difference is the normal: a little less than a voxel of the finest
    grid (0.025). Less is the noise of single voxels, more rounds edges off."""
    shadow_offset: float = 0.015
    """How far above a surface shadow rays start: somewhat more than half a voxel, so that a surface does not shadow
    itself, and contact shadows stay."""
    solid_density: float = 20.0
    """Density that counts as inside, per contracted length. Above it the density only says how sure the fit is, and
    would pull the normal towards places that are surer."""


@dataclass(frozen=True)
class ShadowSettings:
    """How light is marched through the density towards a point."""

    steps: int = 12
    """Steps to each light: shadow rays are cast for every ray and light of a training step, so each one costs."""
    first_end: float = 0.03
    """Where the first step ends: a little more than a voxel. The steps grow by one factor from here on, so shadows of
    what is near are sharp."""
    last_end: float = 2.6
    """Where the last one ends: one and a half times the way from the centre to a corner of the inner cube. What casts a
    shadow from further away is background, whose density is too coarse for it."""


@dataclass(frozen=True)
class DensitySettings:
    """How a density grid's raw values become densities: ``gain * softplus(raw + shift)``."""

    shift: float = -4.5
    """Raw zeros are nearly empty space (0.67 per contracted length), as in DVGO, so that rays start out transparent."""
    gain: float = 60.0
    """Raw values of a few units reach a density that is opaque within a voxel; less would need larger raw values, which
    optimisers reach slowly."""


@dataclass(frozen=True)
class TrainingSettings:
    """What the model does beside its optimisers' steps."""

    coarse_update_steps: int = 10
    """Every so many steps the coarse density, which places samples, is made anew: it lags little, and costs little."""
    total_variation_steps: int = 5
    """Every so many steps the total variation counts; it touches the whole grid, so each time costs as much as rays."""


@dataclass(frozen=True)
class RelightingSettings:
    """How lights are put together from those that the field has learned."""

    ambient_directions: int = 48
    """Discs of light, spread over the upper half of the sphere, whose mean stands for even light from there: 20 degrees
    apart, about as wide as the shadows' soft edges."""
    closest: float = 0.02
    """Nearest that a point light comes to a surface: a little less than a voxel of the finest grid. Nearer, the inverse
    square of the distance would have no limit."""


@dataclass(frozen=True)
class FrameSettings:
    """Where the field's frame lies in the capture's world."""

    inner_share: float = 0.5
    """Half the side of the inner cube, as a share of the distance from the cameras to what they look at: the subject is
    inside, the cameras are outside, where nothing blocks their view."""
    central_part: float = 0.25
    """A sparse point counts for a camera's distance if it lies so near to the middle of the picture, as a share of its
    width and height: captures have their subject there."""
    blind_share: float = 0.5
    """Share of cameras without such points above which the optical axes decide in place of the points."""


RAYS, SURFACE, SHADOW = RaySettings(), SurfaceSettings(), ShadowSettings()
DENSITY, TRAINING = DensitySettings(), TrainingSettings()
RELIGHTING, FRAME = RelightingSettings(), FrameSettings()
