"""Former place of the Gaussians' data manager, which ``config.yml`` files of relightnerf 0.1 name."""

from relightnerf.field.splats.data import SplatDataManager, SplatDataManagerConfig

__all__ = ["SplatDataManager", "SplatDataManagerConfig"]
