"""What every image codec offers, and how codecs are saved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

from jaxtyping import Float
from torch import Tensor

from relightnerf.diffusion.hub import CODEC_FILE
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path, read_json, write_json


class ImageCodec(Protocol):
    """Pictures to latents of about unit scale, on which the diffusion model works, and back.

    Every codec is an ``nn.Module``. Latents and pictures come out as float32, whatever precision its weights have.
    """

    kind: ClassVar[str]
    """The name that it is saved under."""

    @property
    def channels(self) -> int:
        """Channels of a latent."""

    @property
    def factor(self) -> int:
        """Pixels of the working picture per pixel of the latent, to a side."""

    def encode(
        self, target: Float[Tensor, "batch 3 height width"], source: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels low_height low_width"]:
        """Return the latents of pictures; the same pictures always give the same latents.

        Args:
            target: what the latent stands for, sRGB in [0, 1]; sides are multiples of ``factor``.
            source: the photo that is relit to ``target``, sRGB in [0, 1].

        Raises:
            InputError: a side is no multiple of ``factor``.
        """

    def decode(
        self,
        latent: Float[Tensor, "batch channels low_height low_width"],
        photo: Float[Tensor, "photos 3 height width"],
        guides: Sequence[Float[Tensor, "_ _ height width"]] = (),
    ) -> Float[Tensor, "batch 3 out_height out_width"]:
        """Return pictures, sRGB in [0, 1].

        A codec of latents of pictures (``kl``, ``edge``) returns them ``factor`` times as large as the latent; one of
        changes to the photo (``ratio``) returns them in the photo's own size.

        Args:
            latent: what ``encode`` returns, or the diffusion model.
            photo: sRGB in [0, 1], in any size, of the same field of view: one for each latent, or one for all (which
                costs its share of the work once).
            guides: more channels that tell surfaces apart, such as normalised depth or light cues, in about [0, 1] and
                in the photo's size; each group of them one for each latent, or one for all. Codecs that have no use
                for them ignore them.
        """

    def enable_tiling(self) -> None:
        """Use less memory from now on, for more time: one picture of a batch after the other, tiles where possible."""

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move to a device or a precision as ``nn.Module.to`` does."""

    def save(self, folder: Path) -> None:
        """Write the codec into a folder, ``codec.json`` last."""

    @classmethod
    def load(cls, folder: Path) -> "ImageCodec":
        """Read what ``save`` wrote."""


def check_factor(picture: Float[Tensor, "batch 3 height width"], factor: int) -> None:
    """Check that a working picture's sides are multiples of the codec's factor.

    Raises:
        InputError: one is not.
    """
    height, width = picture.shape[-2:]
    if height % factor or width % factor:
        raise InputError(
            f"picture of {width}x{height} pixels: not in whole cells of {factor}x{factor}",
            f"give a width and a height that are multiples of {factor}",
        )


def save_model(model: Any, folder: Path, kind: str) -> None:
    """Write a diffusers model as ``from_pretrained`` reads it, every file atomically and ``codec.json`` last."""
    from diffusers.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
    from safetensors.torch import save_file

    with atomic_path(folder / SAFETENSORS_WEIGHTS_NAME) as temporary:
        weights = {name: weight.contiguous() for name, weight in model.state_dict().items()}
        save_file(weights, temporary, metadata={"format": "pt"})
    with atomic_path(folder / CONFIG_NAME) as temporary:
        model.to_json_file(temporary)
    write_json(folder / CODEC_FILE, {"kind": kind})


def read_settings(folder: Path, kind: str) -> dict[str, Any]:
    """Return what ``codec.json`` holds besides the kind.

    Raises:
        InputError: it is absent, or of another kind.
    """
    settings = read_json(folder / CODEC_FILE)
    if (found := settings.pop("kind", None)) != kind:
        raise InputError(f"{folder / CODEC_FILE}: kind {found!r}, expected {kind!r}", "load it with load_codec")
    return settings
