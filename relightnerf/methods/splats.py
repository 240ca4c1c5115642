"""The nerfstudio method `relightnerf-splat`: 3D Gaussians, on CUDA. nerfstudio finds it by entry point.

nerfstudio imports this module for every command of every method, so it imports no more than nerfstudio itself needs;
gsplat compiles its kernels at the first picture.
"""

from nerfstudio.engine.optimizers import AdamOptimizerConfig
from nerfstudio.engine.schedulers import ExponentialDecaySchedulerConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from relightnerf.field.dataparser import RelightDataParserConfig
from relightnerf.field.splats.data import SplatDataManagerConfig
from relightnerf.field.splats.model import SplatModelConfig
from relightnerf.field.trainer import RelightTrainerConfig
from relightnerf.methods.grids import field_config


def splat_config(warmup_steps: int = 3000, light_steps: int = 3000) -> RelightTrainerConfig:
    """Return the training recipe: splatfacto's rates for the Gaussians, those of `relightnerf` for the decoders.

    Args:
        warmup_steps: steps on the capture's photos.
        light_steps: steps on relit images after them.
    """
    config, total = field_config(warmup_steps, light_steps), warmup_steps + light_steps
    config.method_name = "relightnerf-splat"
    config.pipeline = VanillaPipelineConfig(
        datamanager=SplatDataManagerConfig(dataparser=RelightDataParserConfig(), warmup_steps=warmup_steps),
        model=SplatModelConfig(warmup_steps=warmup_steps),
    )
    config.optimizers = {
        "means": _adam(1.6e-4, 1.6e-6, max(warmup_steps, 1)),
        "scales": _adam(0.005),
        "quats": _adam(0.001),
        "opacities": _adam(0.05),
        "features_dc": _adam(0.01),
        "features_rest": _adam(0.01),
        "decoders": _adam(0.005, 0.0005, max(warmup_steps, 1)),
        "light_features": _adam(0.02, 0.002, total),
        "light_decoders": _adam(0.005, 0.0005, total),
    }
    return config


def _adam(lr: float, lr_final: float | None = None, steps: int = 1) -> dict[str, object]:
    schedule = None if lr_final is None else ExponentialDecaySchedulerConfig(lr_final=lr_final, max_steps=steps)
    return {"optimizer": AdamOptimizerConfig(lr=lr, eps=1e-15), "scheduler": schedule}


relightnerf_splat = MethodSpecification(
    config=splat_config(), description="3D Gaussians that can be seen under any light direction (CUDA)."
)
