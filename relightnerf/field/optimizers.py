"""Optimizer settings of the field's training."""

from dataclasses import dataclass

from nerfstudio.engine.optimizers import AdamOptimizerConfig


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam in one pass over memory."""

    eps: float = 1e-15
    """Added to the denominator; tiny, since most cells of a grid see tiny gradients."""
    fused: bool = True
    """Use torch's fused kernel (CPU and CUDA)."""
