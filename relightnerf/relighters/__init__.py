"""2D relighters behind one interface."""

from relightnerf.relighters._base import (
    COMPACT,
    COMPACT_FOLDER,
    SHADING,
    Relighter,
    RelighterRecipe,
    keeps_colours,
    load_relighter,
    relighter_name,
    relighter_recipe,
)

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
