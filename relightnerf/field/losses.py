"""Losses and scores of a training step that the field on grids and the one on Gaussians share."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

_OUTLIER = 0.1
"""Difference in sRGB from which on the loss of relit images grows linearly: relit images contradict each other."""


def relit_losses(
    rgb: Float[Tensor, "*rays lights 3"],
    target: Float[Tensor, "*rays lights 3"],
    latents: Float[Tensor, "pictures latents"],
    latent_mult: float,
) -> dict[str, Tensor]:
    """Return the losses of a step on relit images: Huber's of the colours, and the squared length of the latents.

    Args:
        rgb: rendered, sRGB in [0, 1].
        target: of the relit images, sRGB in [0, 1].
        latents: of the pictures, centred.
        latent_mult: weight of the latents' loss.
    """
    # torch gives e^2 / (2 beta) up to beta and |e| - beta / 2 beyond. Divided by beta, these are 1/2 (e / beta)^2
    # and |e| / beta - 1/2: Huber's loss of the error in units of beta.
    error = functional.smooth_l1_loss(rgb, target, beta=_OUTLIER) * (1.0 / _OUTLIER)
    return {"rgb": error, "latent": latent_mult * latents.square().mean()}


def centred(latents: Float[Tensor, "pictures latents"]) -> Float[Tensor, "pictures latents"]:
    """Return the pictures' latents about their mean, which at test time stands for all of them as zero."""
    return latents - latents.mean(dim=0)


@torch.no_grad()
def batch_psnr(rgb: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"]) -> Float[Tensor, ""]:
    """Return the peak signal-to-noise ratio of a batch in dB; both are sRGB in [0, 1]."""
    # 10 log10(peak^2 / MSE) with peak 1.
    return -10.0 * torch.log10(functional.mse_loss(rgb, target))


def image_scores(
    rgb: Float[Tensor, "height width 3"], truth: Float[Tensor, "height width 3"]
) -> tuple[dict[str, float], Float[Tensor, "height both_widths 3"]]:
    """Return PSNR (dB) and SSIM of a rendered picture against its photo, and both side by side, the photo first.

    Args:
        rgb: rendered, sRGB in [0, 1].
        truth: the photo, sRGB in [0, 1].
    """
    # As torchmetrics takes them: (1, 3, height, width).
    pair = [image.movedim(-1, 0)[None] for image in (rgb, truth)]
    psnr = peak_signal_noise_ratio(*pair, data_range=1.0)
    ssim = structural_similarity_index_measure(*pair, data_range=1.0)
    return {"psnr": float(psnr), "ssim": float(ssim)}, torch.cat([truth, rgb], dim=1)
