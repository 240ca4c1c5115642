"""Depth, normals and a mesh of a scene, and what rays meet in it."""
