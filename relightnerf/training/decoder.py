"""Training of the edge-preserving decoder."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import AsymmetricAutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate

from relightnerf.diffusion.base import load_base
from relightnerf.diffusion.codecs import EdgeCodec, EdgePreservingAutoencoder
from relightnerf.diffusion.hub import model_folder, named_model_errors
from relightnerf.errors import InputError
from relightnerf.evaluation.lpips import Lpips, find_backbone
from relightnerf.evaluation.metrics import mean_scores
from relightnerf.imaging.color import to_uint8
from relightnerf.imaging.contact_sheet import contact_sheet
from relightnerf.progress import say
from relightnerf.training.config import DecoderRun
from relightnerf.training.data.light_pairs import LightPairs
from relightnerf.training.trainer import Batch, Validation, check_size, pair_scores, train

_PATTERNS = ("config.json", "diffusion_pytorch_model*.safetensors")
"""What is downloaded of a decoder to start from."""
_SHOWN = 8
"""Validation pairs on the sheet of pictures."""


class _DecoderLoss(nn.Module):
    """The loss as a module: gradients of several processes are brought together where a module is called."""

    def __init__(self, codec: EdgeCodec, lpips: Lpips | None) -> None:
        super().__init__()
        self.codec, self.lpips = codec, lpips

    def forward(
        self, source: Float[Tensor, "batch 3 height width"], target: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, ""]:
        # The encoder is frozen: no gradient, and no activations are kept for it.
        with torch.no_grad():
            latent = self.codec.encode(target, source)
        return edge_decoder_loss(self.codec, latent, source, target, self.lpips)


class DecoderObjective:
    """Decode the latent of a picture with the help of the same scene's photo under another light."""

    def __init__(self, run: DecoderRun, codec: EdgeCodec) -> None:
        """Open the data.

        Args:
            run: settings.
            codec: whose decoder is trained; the encoder stays as it is.

        Raises:
            InputError: there is no usable data, or the LPIPS weights cannot be used.
        """
        check_size(run.size, codec.factor)
        self._run, self._codec = run, codec
        weights = find_backbone(run.lpips_weights, "vgg")
        if weights is None:
            say("training: LPIPS left out of the loss, VGG16's weights are not at hand; give --lpips-weights FILE")
        # Latents stay the base's, which its diffusion model was trained on: only what comes after them learns.
        codec.requires_grad_(False)
        for part in (codec.vae.decoder, codec.vae.post_quant_conv):
            part.requires_grad_(True)
        codec.vae.decoder.gradient_checkpointing = run.gradient_checkpointing
        self.module: nn.Module = _DecoderLoss(codec, Lpips(weights, "vgg", True) if weights else None)
        self.dataset = LightPairs(run.data, ("rgb",), run.size, run.seed)
        self.validation = None
        if run.validation:
            self.validation = LightPairs(run.validation, ("rgb",), run.size, run.seed, augment=False)

    def to(self, device: torch.device) -> None:
        """Everything is in the module."""

    def loss(self, module: nn.Module, batch: Batch, generators: Sequence[torch.Generator]) -> Float[Tensor, ""]:
        """Return L1, plus LPIPS if its weights are at hand."""
        return module(batch["source"], batch["target"])

    @torch.no_grad()
    def validate(self) -> Validation | None:
        """Encode and decode validation pictures; PSNR and SSIM."""
        if self.validation is None:
            return None
        scores, shown = [], []
        device = next(self._codec.parameters()).device
        for number in range(self._run.validation_samples):
            pair = default_collate([self.validation[number]])
            source, target = pair["source"].to(device), pair["target"].to(device)
            decoded = self._codec.decode(self._codec.encode(target, source), source)
            images = [image[0].movedim(0, -1).float().cpu().numpy() for image in (source, target, decoded)]
            scores.append(pair_scores(images[2], images[1]))
            shown += [to_uint8(image) for image in images] if number < _SHOWN else []
        return mean_scores(scores), contact_sheet(shown, ["photo", "target", "decoded"] * (len(shown) // 3), 6)

    def save(self, folder: Path) -> None:
        """Write the codec."""
        self._codec.save(folder)


def train_decoder(run: DecoderRun) -> list[float]:
    """Train as the run says; returns the losses of the steps taken now. The codec is in ``<output>/model``.

    Raises:
        InputError: a setting, the data or the output folder cannot be used.
    """
    return train(run, DecoderObjective(run, new_codec(run)))


def edge_decoder_loss(
    codec: EdgeCodec,
    latent: Float[Tensor, "batch channels low_height low_width"],
    source: Float[Tensor, "photos 3 height width"],
    target: Float[Tensor, "batch 3 height width"],
    lpips: Lpips | None = None,
) -> Float[Tensor, ""]:
    """Return how far the decoded picture is from the target: L1, plus LPIPS (Zhang et al., CVPR 2018) if it is given.

    Args:
        codec: whose decoder is trained.
        latent: ``codec.encode(target, source)``; the encoder stays as it is, so no gradient is needed.
        source: the photo whose features the decoder adds, sRGB in [0, 1]: one for each latent, or one for all.
        target: what the latent stands for, sRGB in [0, 1], in the latent's size times ``factor``.
        lpips: the distance of VGG16, made with gradients; pictures have 64 pixels to a side at least.
    """
    # Unclipped, so that values outside [0, 1] are pulled back; a clipped one has no gradient.
    decoded = codec.decode_unclipped(latent, source)
    loss = functional.l1_loss(decoded, target)
    return loss if lpips is None else loss + lpips(decoded, target).mean()


def new_codec(run: DecoderRun) -> EdgeCodec:
    """Return the codec that a run starts from.

    Raises:
        InputError: neither a decoder nor a base is given, or it cannot be loaded, or the channels do not fit.
    """
    torch.manual_seed(run.seed)
    if run.decoder:
        folder = model_folder(run.decoder, _PATTERNS, "--decoder")
        with named_model_errors(folder):
            return EdgeCodec(EdgePreservingAutoencoder.from_pretrained(folder))
    if not run.base:
        raise InputError("a decoder needs latents to decode", "give --decoder or --base")
    vae = load_base(run.base).vae
    settings = vae.config
    if len(run.channels) != len(settings.block_out_channels):
        raise InputError(
            f"--channels {run.channels}: the base's autoencoder has {len(settings.block_out_channels)} levels",
            "give as many",
        )
    model = EdgePreservingAutoencoder(
        down_block_types=settings.down_block_types,
        down_block_out_channels=settings.block_out_channels,
        layers_per_down_block=settings.layers_per_block,
        up_block_types=settings.up_block_types,
        up_block_out_channels=run.channels,
        layers_per_up_block=settings.layers_per_block,
        latent_channels=settings.latent_channels,
        norm_num_groups=settings.norm_num_groups,
        scaling_factor=settings.scaling_factor,
    )
    _copy_encoder(model, vae)
    return EdgeCodec(model)


def _copy_encoder(model: AsymmetricAutoencoderKL, vae: nn.Module) -> None:
    for name in ("encoder", "quant_conv"):
        getattr(model, name).load_state_dict(getattr(vae, name).state_dict())
