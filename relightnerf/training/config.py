"""What a training run is told."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PartName = Literal[
    "rgb", "depth", "normal", "shading", "shadow", "ambient_visibility", "cue", "source", "capture", "disc", "shaded"
]


@dataclass(frozen=True)
class TrainingRun:
    """What every kind of training has: data, optimizer, checkpoints, logs."""

    data: Path
    """Folder of light folders (meta.json, one picture a light) to train on."""
    output: Path
    """Folder for checkpoints, logs and the finished model; a stopped run goes on where it stopped."""
    validation: Path | None = None
    """Folder of light folders to validate on; without it there is no validation."""
    size: tuple[int, int] = (768, 512)
    """Width and height of training pictures."""
    steps: int = 200_000
    """Optimizer steps in all."""
    batch: int = 8
    """Samples in a step, over all processes."""
    accumulate: int = 1
    """Parts that a process's samples are computed in, for less memory."""
    learning_rate: float = 1e-4
    """Of AdamW, constant after the warm-up."""
    warmup: int = 0
    """Steps in which the learning rate rises from zero."""
    cooldown: float = 0.0
    """Last part of the steps in which the learning rate falls to zero as a cosine, from 0 to 1."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    ema: float = 0.0
    """Decay of an exponential moving average of the weights, which is what is saved; 0 for none."""
    precision: Literal["no", "bf16", "fp16"] = "no"
    """Mixed precision."""
    gradient_checkpointing: bool = False
    """Compute activations twice instead of keeping them: less memory, slower."""
    seed: int = 0
    """Of everything random."""
    workers: int = 2
    """Processes that read pictures."""
    save_every: int = 1000
    """Steps between checkpoints."""
    log_every: int = 50
    """Steps between points of the loss curve."""
    validate_every: int = 1000
    """Steps between validations, each with a grid of pictures."""
    validation_samples: int = 32
    """Pairs of pictures that a validation relights."""


@dataclass(frozen=True)
class NetworkConfig:
    """A base trained from scratch instead of Stable Diffusion."""

    kind: Literal["unet", "light-unet", "dit"] = "unet"
    """unet: a convolutional UNet with a ControlNet; light-unet: one told light and condition directly; dit: a diffusion
    transformer told them directly."""
    channels: tuple[int, ...] = (32, 64, 96)
    """Channels of the UNet's levels."""
    layers: int = 1
    """Residual blocks of a level of the UNet, or blocks of the transformer."""
    attention: bool = False
    """Self-attention in the UNet's lowest level."""
    width: int = 128
    """Width of the transformer; heads are 32 wide."""
    patch: int = 2
    """Latent pixels of a side of the transformer's patches."""


@dataclass(frozen=True)
class ControlNetRun(TrainingRun):
    """Training of a light-conditioned ControlNet, on a frozen base or together with a base of its own."""

    base: str | None = None
    """Folder or hub id of Stable Diffusion 1.x or 2.x; without it, `network` is trained from scratch."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The base that is trained from scratch."""
    parts: tuple[PartName, ...] = ("rgb", "depth")
    """What the condition image holds."""
    codec: Literal["kl", "edge", "ratio"] = "kl"
    """kl: the base's autoencoder; edge: the one in `codec_folder`; ratio: log ratios, for bases of one's own."""
    codec_folder: Path | None = None
    """A saved codec to be used (never trained here)."""
    ratio_factor: int = 2
    """Pixels per latent pixel of the ratio codec."""
    prediction: Literal["epsilon", "v_prediction", "sample"] = "v_prediction"
    """What a base trained from scratch predicts; Stable Diffusion says it itself."""
    lora_rank: int = 0
    """Rank of a LoRA on the base's attention; 0: the base stays as it is."""
    rgb_dropout: float = 0.1
    """How often the photo is left out of the condition image."""
    cue_dropout: float = 0.0
    """How often each other part of the condition image is left out."""
    noise_focus: float = 0.0
    """Part of the samples that start from pure noise, where light and cues alone decide; the others start anywhere."""
    sampling_steps: int = 5
    """Denoising steps of the finished model; 1 gives the mean of what it holds possible."""
    photo_only: float = 0.0
    """How often a network trained from scratch sees nothing but photo and light."""
    depth_only: float = 0.0
    """How often it sees nothing but photo, depth and light."""
    loss: Literal["latent", "picture"] = "latent"
    """latent: mean squared error of what the network predicts; picture: the logarithm of each picture's mean squared
    difference in sRGB, as in PSNR, for the ratio codec and networks that predict the sample."""
    start_from: Path | None = None
    """A model whose weights the training starts from, as made by an earlier run with the same network; a light-unet may
    get further parts after those that it knows, and further layers."""
    normals: Path | None = None
    """Network that corrects the normals of the samples with inexact geometry, as the finished model's will be."""
    min_snr: float = 0.0
    """Gamma of the min-SNR weights (Hang et al., ICCV 2023), 5 as a rule; 0 for equal weights."""


@dataclass(frozen=True)
class DecoderRun(TrainingRun):
    """Training of the edge-preserving decoder: the target's latent and the photo give the target."""

    decoder: str | None = None
    """Folder or hub id of an AsymmetricAutoencoderKL to start from."""
    base: str | None = None
    """Without `decoder`: folder or hub id of the Stable Diffusion whose encoder is taken; the decoder is new."""
    channels: tuple[int, ...] = (96, 192, 384, 384)
    """Channels of a new decoder's levels, from the picture's size down; each at most twice the one before."""
    lpips_weights: Path | None = None
    """torchvision's VGG16 weights; looked for in torch's own cache by default, without it the loss is L1 alone."""


@dataclass(frozen=True)
class NormalsRun(TrainingRun):
    """Training of the network that corrects normals, on scenes as `datasets/render_procedural.py` renders them."""

    channels: tuple[int, ...] = (48, 96, 128, 128)
    """Channels of the network's levels; the first is at half the pictures' size."""
    start_from: Path | None = None
    """A network whose weights the training starts from, as made by an earlier run."""


@dataclass(frozen=True)
class DepthRun(TrainingRun):
    """Training of the depth network, on samples as `datasets/render_depth_samples.py` renders them."""

    channels: tuple[int, ...] = (48, 96, 128, 160)
    """Channels of the network's levels; the first is at half the pictures' size."""
    start_from: Path | None = None
    """A network whose weights the training starts from, as made by an earlier run."""
