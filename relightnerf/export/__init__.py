"""A scene under one light as files that other programs open: 3D Gaussians, and a mesh with vertex colours."""
