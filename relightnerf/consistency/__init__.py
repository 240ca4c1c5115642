"""Relit pictures of several views, brought to agree about the surfaces that they share.

A 2D relighter treats each view by itself, so two views of a surface disagree about its new light. Here the log of relit
over photo (linear light) is compared where views meet on the scene's geometry: every surface point gets a robust mean
over the views that see it under about the same world light, and each picture is multiplied by what it differs by. All
of that happens in cells of a few pixels; the photo's detail stays. It asks nothing of the relighter but its pictures.
"""

from relightnerf.consistency._apply import corrected_pictures
from relightnerf.consistency._maps import RatioMaps, Surface, cell_size
from relightnerf.consistency._measure import Disagreement
from relightnerf.consistency._reconcile import correction, light_closeness, seen_by, view_gains
from relightnerf.consistency._scene import SceneConsistency
from relightnerf.consistency._warps import neighbours, warp

__all__ = [
    "Disagreement",
    "RatioMaps",
    "SceneConsistency",
    "Surface",
    "cell_size",
    "corrected_pictures",
    "correction",
    "light_closeness",
    "neighbours",
    "seen_by",
    "view_gains",
    "warp",
]
