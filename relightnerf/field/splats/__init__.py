"""The relightable field as 3D Gaussians."""
