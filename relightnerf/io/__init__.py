"""Files: atomic writes, JSON, pictures, HDR pictures, videos, PLY files of Gaussians."""
