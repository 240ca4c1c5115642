"""A learned prior of depth and normals: what a photo, and others beside it, say about the surfaces in it."""

from relightnerf.depth_prior._agreement import AgreementSettings, agreed_depths, completed
from relightnerf.depth_prior._confidence import ConfidenceSettings, Unsure, confidence_maps, unsure_geometry
from relightnerf.depth_prior._consensus import ConsensusSettings, consensus
from relightnerf.depth_prior._costs import (
    COST_STEPS,
    CostSettings,
    matching_costs,
    packed_costs,
    search_offsets,
    unpacked_costs,
)
from relightnerf.depth_prior._estimate import (
    FIRST_SEARCH,
    LAST_SEARCH,
    Search,
    SearchPlan,
    estimate_capture,
    estimate_view,
    photo_normals,
)
from relightnerf.depth_prior._estimate_types import ViewEstimate
from relightnerf.depth_prior._network import (
    DepthEstimate,
    DepthUNet,
    load_depth_network,
    shipped_network,
)
from relightnerf.depth_prior._plane_labels import LabelSettings, with_planes
from relightnerf.depth_prior._planes import find_planes
from relightnerf.depth_prior._swept_view import Plane, PlaneSettings

__all__ = [
    "COST_STEPS",
    "FIRST_SEARCH",
    "LAST_SEARCH",
    "AgreementSettings",
    "ConfidenceSettings",
    "ConsensusSettings",
    "CostSettings",
    "DepthEstimate",
    "DepthUNet",
    "LabelSettings",
    "Plane",
    "PlaneSettings",
    "Search",
    "SearchPlan",
    "Unsure",
    "ViewEstimate",
    "agreed_depths",
    "completed",
    "confidence_maps",
    "consensus",
    "estimate_capture",
    "estimate_view",
    "find_planes",
    "load_depth_network",
    "matching_costs",
    "packed_costs",
    "photo_normals",
    "search_offsets",
    "shipped_network",
    "unpacked_costs",
    "unsure_geometry",
    "with_planes",
]
