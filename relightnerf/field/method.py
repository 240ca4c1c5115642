"""Former place of ``FusedAdamConfig``, which ``config.yml`` files of relightnerf 0.1 name."""

from relightnerf.field.optimizers import FusedAdamConfig

__all__ = ["FusedAdamConfig"]
