"""What tunes the estimate of a capture's light."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PatchSettings:
    """Which places of the photos are compared."""

    pairs: int = 16000
    """Pairs of patches, over all views, for the last fit; the search takes parts of them. Time grows in proportion to
    them, the noise of an estimate falls with their root."""
    drawn: int = 4
    """So many times the pairs are drawn, from which pairs of all contrasts are chosen. Only shadow rays cost time, and
    those are cast for chosen pairs."""
    contrasts: tuple[float, ...] = (0.07, 0.15, 0.3, 0.6, 1.2)
    """Absolute mean over channels of the logarithm of a pair's colours' ratio: bounds of the classes of contrast."""
    even: float = 0.5
    """Part of the pairs that is chosen evenly from all classes, the rest as they come. On plain ground, next to all
    pairs have no contrast. Each is explained best by no disc at all where normals are noisy, and they outvoted the few
    across the edge of a shadow: a sun on such a ground was 42 degrees off, and is 1 degree off with 0.5 or 1. With 1,
    pairs of two materials are most of the pairs where there are many things, and one direction got worse by 13
    degrees."""
    darkest: float = 0.004
    """Linear value that every channel has to exceed. It is 13 of 255 in sRGB: 8 bits are exact to 4 % there, and at
    half of it to 8 %, which is no longer small beside ``FitSettings.luminance_spread``."""
    brightest: float = 0.93
    """Linear value (247 of 255 in sRGB) that no channel may reach. Above, a camera clips or bends its curve, and a
    photo no longer follows the light. Much less would leave out white things in the sun."""
    nearest: float = 0.02
    """Least distance of a pair, part of the picture's longer side. It is less than a patch's radius: nearer patches
    hold the same places and differ by next to nothing."""
    furthest: float = 0.3
    """Largest distance of a pair, part of the longer side. Further places seldom have one surface colour, nearer ones
    seldom face other ways. Distances are drawn evenly in their logarithm, as near pairs are the ones of one colour."""
    radius: float = 0.025
    """Of a patch, part of the longer side. Patches 4 % wide, instead of 5 %, are 0.1 dB better with true geometry, but
    found a weak disc 13 degrees off on one of two fields of the demo: bumps average out over more places. Larger ones
    reach over the edges of shadows, which say most."""
    least_radius_px: float = 1.5
    """Least radius of a patch, pixels: in a tiny picture its places would all be one pixel."""
    places: int = 8
    """Points of a patch, over which photo and shading are averaged. Each costs its shadow rays. With 2, the mean error
    of the direction in nine photos of the tests' scenes with bumpy normals was 15 degrees instead of 2.4."""
    off_plane: float = 0.02
    """A place belongs to the patch if it lies nearer to the plane of the patch's middle than this part of the depth. A
    patch's radius covers about as much depth, so curved surfaces stay and what is behind an edge does not."""
    least_cosine: float = 0.6
    """A place belongs to the patch if its normal and the middle's have this cosine (53 degrees). The bumps of a field's
    normals, 12 degrees in the mean, stay within it, the other side of an edge does not."""
    depth_agreement: float = 0.03
    """A pixel counts if the mesh lies at its depth up to this part of it. Shadows are cast by the mesh: where it is
    elsewhere, they are wrong. A field without stereo is 1 % off in the median, so a third of this would leave out half
    of its pixels."""
    least_confidence: float = 0.4
    """A pixel counts if its geometry is surer than this, unless that would leave out nearly all."""
    least_sure: float = 0.1
    """Part of a view's pixels that has to be so sure; else unsure ones count, too."""
    ambient_samples: int = 12
    """Rays for the ambient visibility of a place, 96 for a patch: its standard deviation is 0.05 at most, less than
    what texture leaves (``FitSettings.luminance_spread``)."""
    seed: int = 7
    """Of the places; any other does as well."""


@dataclass(frozen=True)
class FitSettings:
    """How the amounts of light for one direction are fitted."""

    luminance_spread: float = 0.18
    """Residual of a pair's mean over channels, in natural logarithms, at which the robust loss has half of its height.
    With 0.12, results are as good or 0.1 dB better where geometry is true, but on one of two fields of the demo a weak
    disc was found 13 degrees off: pairs that inexact shadows explain badly no longer pull. With much more, pairs of two
    materials pull, too."""
    chroma_spread: float = 0.12
    """The same for a channel's deviation from that mean. It is less, as a surface's texture varies more in brightness
    than in colour, and a pair of two materials shows by its colour."""
    damping: float = 3e-3
    """What is added to the diagonal of the normal equations at first. From one photo of the tests the curvature is 0.05
    for the disc and 0.002 to 0.006 for a lobe, so this shortens steps of lobes by half and bounds those of terms that
    nothing depends on. Ten times more or less changed the mean error of the direction in nine photos of the tests'
    scenes from 2.4 degrees to 2.5 and 2.1."""
    damping_down: float = 4.0
    """What damping is divided by after a step that pays."""
    damping_up: float = 8.0
    """What damping is multiplied by after one that does not. It is more than ``damping_down``, so that steps stay short
    for a while after a failure; each failure costs a whole evaluation of the pairs."""
    most_change: float = 1.0
    """Largest change of a logarithm in a step: a factor of e. The model is linear in amounts, not in their logarithms,
    and its linearization is not to be trusted further."""
    most_log_amount: float = 4.0
    """Largest logarithm of an amount (a factor of 55). Only ratios of amounts matter, and shadows darker than 1 / 55 of
    the light are lost in a photo's noise."""
    evenness: float = 2e-3
    """Weight of the squared differences between the logarithms of the six lobes, beside a loss of at most 1. The
    curvature that it adds is about what one photo tells of a lobe. The direction hardly depends on it (2.1 degrees off
    without it, 2.4 with it). With less, sides that few visible surfaces face would take any value; with more, sky and
    ground would come out alike."""
    greyness: float = 1e-4
    """Weight of the squared differences between a term's logarithms in the three channels. It decides the colour of
    terms that are next to nothing; coloured lamps have to stay free."""
    least_shading: float = 1e-3
    """Least shading, so that its logarithm exists in places that no term reaches."""
    directions_at_once: int = 50
    """Directions fitted in one batch: it bounds the memory (19 MB a tensor at 4000 pairs)."""


@dataclass(frozen=True)
class SearchSettings:
    """How the disc's direction is searched: from many directions and few pairs to few directions and all pairs."""

    candidates: int = 300
    """Directions over the whole sphere, about 12.6 degrees from one to the next: no direction is further than 7.3
    degrees from one of them, less than the disc's radius, so the soft shadow of the best one overlaps the true one.
    With a quarter of them the mean error in the photos named at ``PatchSettings.places`` was 4.6 degrees instead of
    2.4."""
    starts: tuple[tuple[float, float], tuple[float, float]] = ((0.3, 1.0), (1.0, 0.1))
    """Amounts of the disc, and of every other term, to start from: an overcast and a clear day. A term whose amount is
    near 0 has no slope in its logarithm, so one start alone would not find its way to the other."""
    first_steps: int = 2
    """Steps of the fit for every candidate and start: enough to tell the worst two thirds."""
    keep_one_in: int = 3
    """One candidate in so many goes on; more would cost as much as the first steps of all."""
    second_steps: int = 4
    """Steps of the fit for those."""
    coarse_stride: int = 16
    """One pair in so many is used in that search: 1000 pairs decide among directions 13 degrees apart."""
    coarse_samples: int = 1
    """Shadow rays a place in that search: 8 a patch, which is soft enough for a choice."""
    peaks: int = 20
    """Directions that are fitted again with more pairs: with few pairs the best one is not always the first."""
    peaks_apart_deg: float = 18.0
    """Least angle between two of them: more than the distance of neighbouring candidates, or all would be on one peak,
    and less than twice it, or the next peak could be missed."""
    fine_stride: int = 4
    """One pair in so many is used from there on."""
    fine_samples: int = 3
    """Shadow rays a place from there on: 24 a patch."""
    peak_steps: int = 5
    """Steps of the fit for each of the peaks."""
    refined: tuple[int, ...] = (8, 4, 2)
    """Peaks that are refined by each of ``refinements_deg``, the best ones. The basin of a hard sun is narrow: 4.6
    degrees off, its misfit was that of the fourth best peak, and exactly at it the least. With three from the start the
    direction was 33 degrees off; 20 found the same as 8."""
    refinements_deg: tuple[float, ...] = (6.0, 3.0, 1.5)
    """Steps of the refinement, degrees. Their sum, 10.5, reaches from a candidate to anywhere nearer to it than to
    others (7.3); the last is about what shadows in a mesh of 1.5 pixels a voxel tell."""
    refinement_steps: int = 3
    """Steps of the fit for each direction of the refinement; it starts from the neighbour's amounts."""
    last_samples: int = 4
    """Shadow rays a place in the last fit, of one direction to all pairs."""
    last_steps: int = 10
    """Steps of that fit, whose amounts are the result."""


@dataclass(frozen=True)
class CaptureLightSettings:
    """How the light of a capture is estimated."""

    patches: PatchSettings = PatchSettings()
    """Which places are compared."""
    fit: FitSettings = FitSettings()
    """How amounts are fitted."""
    search: SearchSettings = SearchSettings()
    """How the direction is searched."""
