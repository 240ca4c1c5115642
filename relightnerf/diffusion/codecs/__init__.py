"""Image codecs: between pictures and the latents that the diffusion model works on.

======= ===================================================================================================
kind    for
======= ===================================================================================================
kl      a Stable Diffusion base whose decoder was not fine-tuned; loses text and fine texture
edge    the same latents with the reference method's decoder, which sees the photo; needs training or its weights
ratio   small models and photos of any size: the latent changes the photo's light and nothing else; no training
======= ===================================================================================================
"""

from pathlib import Path

from relightnerf.diffusion.codecs._base import ImageCodec
from relightnerf.diffusion.codecs.edge import EdgeCodec, EdgePreservingAutoencoder
from relightnerf.diffusion.codecs.kl import KlCodec
from relightnerf.diffusion.codecs.ratio import RatioCodec, RatioSettings
from relightnerf.diffusion.hub import CODEC_FILE
from relightnerf.errors import InputError
from relightnerf.io.files import read_json

__all__ = [
    "CODECS",
    "EdgeCodec",
    "EdgePreservingAutoencoder",
    "ImageCodec",
    "KlCodec",
    "RatioCodec",
    "RatioSettings",
    "load_codec",
]

CODECS: dict[str, type[ImageCodec]] = {codec.kind: codec for codec in (KlCodec, EdgeCodec, RatioCodec)}
"""Each kind's class."""


def load_codec(folder: Path) -> ImageCodec:
    """Read the codec that was saved in a folder, of whatever kind.

    Raises:
        InputError: there is none, or its kind is unknown.
    """
    kind = read_json(folder / CODEC_FILE).get("kind")
    if kind not in CODECS:
        raise InputError(f"{folder / CODEC_FILE}: unknown kind {kind!r}", f"choose from: {', '.join(CODECS)}")
    return CODECS[kind].load(folder)
