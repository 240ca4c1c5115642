"""A scene under one light as files for other programs: 3D Gaussians, and a mesh with vertex colours."""
