"""2D relighters behind one interface."""

from relightnerf.relighters._base import Relighter, load_relighter, relighter_name

__all__ = ["Relighter", "load_relighter", "relighter_name"]
