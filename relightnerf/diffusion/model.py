"""A relighting model: denoiser, image codec and settings, in one folder."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor

from relightnerf.diffusion.base import PROMPT_FILE, Base, load_base, load_prompt, save_prompt
from relightnerf.diffusion.codecs import ImageCodec, KlCodec, load_codec
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet, LightDiT
from relightnerf.diffusion.hub import SETTINGS, named_model_errors, relighter_files, relighter_folder, require_peft
from relightnerf.diffusion.light_unet import LightUNet
from relightnerf.diffusion.normals import NormalUNet, load_normals
from relightnerf.diffusion.options import DEFAULT_BASE
from relightnerf.diffusion.sampling import sample
from relightnerf.diffusion.schedules import NoiseSchedule, SamplerName
from relightnerf.diffusion.sizes import resized, working_size
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_folder, read_json, write_json
from relightnerf.lights import spherical_harmonics

_LORA_FILE = "lora.safetensors"
_NORMALS = "normals"
"""Folder, within a model's, of the network that corrects normals."""
_SELF_CONTAINED = {"dit": LightDiT, "light_unet": LightUNet}
"""Folders of denoisers that need no base, and their classes."""


@dataclass(frozen=True)
class ModelSettings:
    """What a model's folder says about it besides its networks."""

    base: str | None = None
    """Folder or hub id of the base; None when the folder holds the whole model."""
    size: tuple[int, int] = (768, 512)
    """Width and height of the pictures that the model was trained on."""
    sampler: SamplerName = "ddim"
    """Sampler to be used unless another is asked for."""
    steps: int = 5
    """Denoising steps."""
    schedule: NoiseSchedule = field(default_factory=NoiseSchedule)
    """What the denoiser was trained on."""


class RelightingModel:
    """Everything that is needed to relight a picture.

    Attributes:
        denoiser: a ``ControlledUNet``, a ``LightUNet`` or a ``LightDiT``.
        codec: from pictures to latents and back.
        settings: sizes, sampler, schedule.
        normals: corrects the normals of inexact geometry, which the condition image is made of; None: nothing does.
    """

    def __init__(
        self,
        denoiser: ControlledUNet | LightUNet | LightDiT,
        codec: ImageCodec,
        settings: ModelSettings,
        normals: NormalUNet | None = None,
    ) -> None:
        """Put the parts together."""
        self.denoiser, self.codec, self.settings, self.normals = denoiser, codec, settings, normals

    @classmethod
    def load(cls, name: str, base: str | None = None, dtype: torch.dtype = torch.float32) -> "RelightingModel":
        """Load a model from a folder or from the hub.

        Args:
            name: what ``save`` wrote, or what ``LightControlNet.save_pretrained`` wrote; a folder or an id of the hub.
            base: Stable Diffusion to be used instead of the one that the model names.
            dtype: of all weights.

        Raises:
            InputError: something is absent or broken.
        """
        folder = relighter_folder(name)
        settings, normals = _read_settings(folder), _read_normals(folder)
        for name_of_kind, kind in _SELF_CONTAINED.items():
            if (part := folder / name_of_kind).is_dir():
                with named_model_errors(part):
                    own = kind.from_pretrained(part, torch_dtype=dtype)
                return cls(own.eval(), load_codec(folder / "codec").to(dtype).eval(), settings, normals)
        controlnet_folder = folder / "controlnet" if (folder / "controlnet").is_dir() else folder
        with named_model_errors(controlnet_folder):
            controlnet = LightControlNet.from_pretrained(controlnet_folder, torch_dtype=dtype)
        prompt_path, base_name = folder / PROMPT_FILE, base or settings.base
        prompt = load_prompt(prompt_path) if prompt_path.is_file() else None
        loaded = load_base(base_name, dtype, prompt) if base_name else None
        unet = _unet(folder, loaded, dtype)
        if (folder / "codec").is_dir():
            codec: ImageCodec = load_codec(folder / "codec")
        elif loaded:
            codec = KlCodec(loaded.vae)
        else:
            raise InputError(f"{folder}: holds no codec and names no base", "train or convert the model again")
        prompt = loaded.prompt if loaded else load_prompt(prompt_path)
        denoiser = ControlledUNet(unet, controlnet, prompt.to(dtype))
        return cls(denoiser.eval(), codec.to(dtype).eval(), settings, normals)

    def save(self, folder: Path) -> None:
        """Write the model; what belongs to its base is left out. The folder appears whole or not at all."""
        with atomic_folder(folder) as temporary:
            write_json(temporary / SETTINGS, settings_json(self.settings))
            if isinstance(self.denoiser, ControlledUNet):
                self._save_controlled(self.denoiser, temporary)
            else:
                name = next(name for name, kind in _SELF_CONTAINED.items() if isinstance(self.denoiser, kind))
                self.denoiser.save_pretrained(temporary / name)
            if self.settings.base is None or self.codec.kind != "kl":
                self.codec.save(temporary / "codec")
            if self.normals:
                self.normals.save_pretrained(temporary / _NORMALS)

    def _save_controlled(self, denoiser: ControlledUNet, folder: Path) -> None:
        denoiser.controlnet.save_pretrained(folder / "controlnet")
        save_prompt(folder / PROMPT_FILE, denoiser.prompt)
        if hasattr(denoiser.unet, "peft_config"):
            denoiser.unet.save_lora_adapter(folder / "lora", weight_name=_LORA_FILE)
        elif self.settings.base is None:
            denoiser.unet.save_pretrained(folder / "unet")

    def working_size(self, height: int, width: int, size: tuple[int, int] | None = None) -> tuple[int, int]:
        """Return the (height, width) that the model works at: its own area, the photo's shape, whole latent blocks.

        Args:
            height: of the photo, pixels.
            width: of the photo, pixels.
            size: (width, height) whose area is to be used instead of the model's.
        """
        wanted = size or self.settings.size
        return working_size(height, width, wanted[0] * wanted[1], self.codec.factor * self.denoiser.granularity)

    @torch.no_grad()
    def relight(
        self,
        photo: Float[Tensor, "photos 3 height width"],
        condition: Float[Tensor, "lights channels tall wide"],
        directions_camera: Float[Tensor, "lights 3"],
        guides: Sequence[Float[Tensor, "_ _ height width"]] = (),
        sampler: SamplerName | None = None,
        steps: int | None = None,
        seed: int = 0,
        eta: float = 0.0,
    ) -> Float[Tensor, "lights 3 height width"]:
        """Return one photo under each light, or each photo under its light: float32 sRGB in [0, 1].

        All are drawn from the same noise. On the CPU a ``LightUNet``, which many fit into a batch of, sees them one by
        one: convolutions round differently in batches of other sizes, and a picture must not depend on which others it
        is made with.

        Args:
            photo: sRGB in [0, 1], any size, on the model's device; one, or as many as lights.
            condition: the condition image of each light (``conditions.condition_image``) at the working size.
            directions_camera: unit vectors towards the lights in the camera's frame.
            guides: what the ratio codec may follow besides the photo, at the photo's size; each one, or as many as
                lights.
            sampler: instead of the model's own.
            steps: instead of the model's own.
            seed: of the noise.
            eta: of DDIM.
        """
        height, width = condition.shape[-2:]
        shape = (self.codec.channels, height // self.codec.factor, width // self.codec.factor)
        dtype = next(self.denoiser.parameters()).dtype
        at_once = 1 if isinstance(self.denoiser, LightUNet) and not condition.is_cuda else len(condition)
        lights, conditions = spherical_harmonics(directions_camera.float()), condition.to(dtype)
        latents = [
            sample(
                self.denoiser,
                self.settings.schedule.sampler(sampler or self.settings.sampler),
                steps or self.settings.steps,
                shape,
                *some,
                seed,
                eta,
            )
            for some in zip(lights.split(at_once), conditions.split(at_once), strict=True)
        ]
        latent = torch.cat(latents)
        image = self.codec.decode(latent, photo, guides).float()
        if image.shape[-2:] != photo.shape[-2:]:
            image = resized(image, (photo.shape[-2], photo.shape[-1]))
        return image.clamp(0.0, 1.0)

    def to(self, device: str) -> "RelightingModel":
        """Move all weights."""
        self.denoiser.to(device)
        self.codec.to(device)
        if self.normals:
            self.normals.to(device)
        return self


def settings_json(settings: ModelSettings) -> dict[str, Any]:
    """Return what ``relighter.json`` holds."""
    return {"format": 1, **asdict(settings)}


def model_files(name: str) -> list[Path]:
    """Return the files of a model's own folder, without those of its base.

    Raises:
        InputError: there is no such model, or the folder holds something else.
    """
    folder = relighter_folder(name)
    _read_settings(folder)
    return relighter_files(folder)


def _read_settings(folder: Path) -> ModelSettings:
    path = folder / SETTINGS
    if not path.is_file() and (folder / "config.json").is_file():
        return ModelSettings(base=DEFAULT_BASE)
    content = read_json(path)
    if content.pop("format", None) != 1:
        raise InputError(f"{path}: not a relighting model of a known format", "update relightnerf, or convert it again")
    try:
        schedule = NoiseSchedule(**content.pop("schedule"))
        return ModelSettings(**{**content, "size": tuple(content["size"]), "schedule": schedule})
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: broken ({error})", "replace the folder") from None


def _read_normals(folder: Path) -> NormalUNet | None:
    return load_normals(folder / _NORMALS).eval() if (folder / _NORMALS).is_dir() else None


def _unet(folder: Path, base: Base | None, dtype: torch.dtype) -> UNet2DConditionModel:
    if (folder / "unet").is_dir():
        with named_model_errors(folder / "unet"):
            return UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype)
    if base is None:
        raise InputError(f"{folder}: holds no unet and names no base", "give --diffusion.base")
    if (folder / "lora").is_dir():
        require_peft(str(folder / "lora"))
        with named_model_errors(folder / "lora"):
            base.unet.load_lora_adapter(folder / "lora", prefix=None, weight_name=_LORA_FILE)
            base.unet.fuse_lora()
    return base.unet
