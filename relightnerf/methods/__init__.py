"""The nerfstudio methods, found by entry point: training recipes of the field on grids and of the one on Gaussians."""
