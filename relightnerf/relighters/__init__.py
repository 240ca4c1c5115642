"""2D relighters behind one interface."""

from relightnerf.relighters.names import COMPACT, COMPACT_FOLDER, SHADING, relighter_name
from relightnerf.relighters.protocol import Relighter, RelighterRecipe
from relightnerf.relighters.registry import keeps_colours, load_relighter, relighter_recipe

__all__ = [
    "COMPACT",
    "COMPACT_FOLDER",
    "SHADING",
    "Relighter",
    "RelighterRecipe",
    "keeps_colours",
    "load_relighter",
    "relighter_name",
    "relighter_recipe",
]
