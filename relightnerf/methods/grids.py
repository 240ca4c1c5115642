"""The nerfstudio method `relightnerf`: the field on grids. nerfstudio finds it by entry point.

nerfstudio imports this module for every command of every method, so it imports no more than nerfstudio itself needs.
"""

from typing import Literal

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.engine.schedulers import CosineDecaySchedulerConfig, ExponentialDecaySchedulerConfig
from nerfstudio.pipelines.base_pipeline import VanillaPipelineConfig
from nerfstudio.plugins.types import MethodSpecification

from relightnerf.field.checkpoints import allow_numpy_scalars
from relightnerf.field.datamanager import RelightDataManagerConfig
from relightnerf.field.dataparser import RelightDataParserConfig
from relightnerf.field.model import RelightModelConfig
from relightnerf.field.optimizers import FusedAdamConfig
from relightnerf.field.trainer import RelightTrainerConfig
from relightnerf.viewer.control import install

allow_numpy_scalars()
install()

_LARGE = {  # what `--preset large` changes: finer grids, and a decoder that has room for what they hold
    "density_resolutions": (48, 112, 200),
    "plane_resolutions": (64, 192, 512),
    "light_plane_resolution": 256,
    "light_hidden": 128,
    "light_basis": 64,
}
FieldSize = Literal["default", "large"]


def field_config(
    warmup_steps: int = 2000, light_steps: int = 2000, size: FieldSize = "default"
) -> RelightTrainerConfig:
    """Return the training recipe.

    Args:
        warmup_steps: steps on the capture's photos.
        light_steps: steps on relit images after them.
        size: of the grids and of the light's decoder.
    """
    total = max(warmup_steps, 1)
    return RelightTrainerConfig(
        method_name="relightnerf",
        max_num_iterations=warmup_steps + light_steps,
        steps_per_save=500,
        steps_per_eval_batch=500,
        steps_per_eval_image=2000,
        steps_per_eval_all_images=100000,
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        mixed_precision=False,
        use_grad_scaler=False,
        pipeline=VanillaPipelineConfig(
            datamanager=RelightDataManagerConfig(
                dataparser=RelightDataParserConfig(), warmup_steps=warmup_steps, eval_num_rays_per_batch=4096
            ),
            model=RelightModelConfig(
                warmup_steps=warmup_steps,
                resize_steps=(round(0.15 * total), round(0.4 * total)),
                near_plane_steps=round(0.2 * total),
                **(_LARGE if size == "large" else {}),  # type: ignore[arg-type]
            ),
        ),
        optimizers={
            "density": _decaying(0.5, 0.05, total),
            "features": _decaying(0.05, 0.005, total),
            "decoders": _decaying(0.01, 0.001, total),
            "light_features": _annealed(0.02, warmup_steps, light_steps),
            "light_decoders": _annealed(0.005, warmup_steps, light_steps),
        },
        viewer=ViewerConfig(websocket_host="127.0.0.1", num_rays_per_chunk=1 << 14),
        vis="viewer",
    )


def _decaying(lr: float, lr_final: float, steps: int) -> dict[str, object]:
    schedule = ExponentialDecaySchedulerConfig(lr_final=lr_final, max_steps=steps, warmup_steps=0)
    return {"optimizer": FusedAdamConfig(lr=lr), "scheduler": schedule}


def _annealed(lr: float, before: int, steps: int) -> dict[str, object]:
    """Return an optimizer whose rate falls as a cosine (SGDR, Loshchilov and Hutter 2017) after ``before`` steps."""
    end = before + max(steps, 1)
    schedule = CosineDecaySchedulerConfig(warm_up_end=before, learning_rate_alpha=0.02, max_steps=end)
    return {"optimizer": FusedAdamConfig(lr=lr), "scheduler": schedule}


relightnerf = MethodSpecification(
    config=field_config(), description="A radiance field that can be seen under any light direction."
)
