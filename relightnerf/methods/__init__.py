"""The nerfstudio methods ``relightnerf`` (grids) and ``relightnerf-splat`` (Gaussians), which entry points name."""
