"""Scores of 2D relighters on photos whose true pictures under other lights are known."""
