"""Former place of the model of Gaussians, which ``config.yml`` files of relightnerf 0.1 name."""

from relightnerf.field.splats.model import SplatModel, SplatModelConfig

__all__ = ["SplatModel", "SplatModelConfig"]
