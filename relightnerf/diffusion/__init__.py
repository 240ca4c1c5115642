"""Relighting one image to a light direction by diffusion: model, image codecs, sampling, training."""
