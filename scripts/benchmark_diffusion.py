"""Speed and memory of relighting with a model shaped like Stable Diffusion 2.1, with random weights.

    .venv/bin/python scripts/benchmark_diffusion.py --output table.md
    .venv/bin/python scripts/benchmark_diffusion.py --device cuda --scale 1 --sizes 768x512 1536x1024 --output table.md

On the CPU the model is a quarter as wide as the real one unless `--scale` says otherwise. Every row is measured in a
process of its own, after one picture that does not count. Memory is what the process (on a GPU: torch) held at most,
weights included.
"""

import multiprocessing
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import tyro
from diffusers import AutoencoderKL, UNet2DConditionModel
from rich.table import Table

from relightnerf.cli import run_command
from relightnerf.devices import peak_memory_gib, resolve_device
from relightnerf.diffusion.codecs import EdgeCodec, EdgePreservingAutoencoder, ImageCodec, KlCodec
from relightnerf.diffusion.codecs.edge import X1_5
from relightnerf.diffusion.conditions import REFERENCE_PARTS, condition_channels
from relightnerf.diffusion.controlnet import LightControlNet
from relightnerf.diffusion.denoisers import ControlledUNet
from relightnerf.diffusion.model import ModelSettings, RelightingModel
from relightnerf.diffusion.schedules import SamplerName
from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path
from relightnerf.progress import show, track

_GROUP = 8
_SAMPLERS: tuple[SamplerName, ...] = ("ddim", "ddpm", "dpm++", "lcm", "euler")


class Row(NamedTuple):
    """What is measured."""

    size: tuple[int, int]
    sampler: SamplerName
    steps: int
    precision: str
    lights: int


class Measured(NamedTuple):
    """What came out."""

    pictures_a_second: float
    peak_gib: float


@dataclass
class BenchmarkDiffusion:
    """What to measure."""

    sizes: tuple[str, ...] = ("256x192", "384x256")
    """Widths and heights of the pictures."""
    steps: tuple[int, ...] = (1, 5)
    """Steps of DDIM; the other samplers take the middle one."""
    precisions: tuple[Literal["float32", "bfloat16", "float16"], ...] = ("float32",)
    """Precisions of weights and activations; bfloat16 is hopeless on a processor that does not compute in it."""
    lights: int = 2
    """Pictures that are drawn at once."""
    scale: float = 0.25
    """Channels as a part of Stable Diffusion 2.1's: 0.125, 0.25, 0.5, or 1 for the real size (6 GiB in float32)."""
    codec: Literal["kl", "edge"] = "edge"
    """Decoder."""
    tiling: bool = False
    """Decode one picture after the other."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    output: Path | None = None
    """Markdown file for the table."""

    def run(self) -> None:
        device = resolve_device(self.device)
        rows = self._rows()
        context = multiprocessing.get_context("spawn")
        results = []
        for row in track(rows, "measuring"):
            with context.Pool(1) as pool:
                results.append(pool.apply(measure, (row, self.scale, self.codec, self.tiling, device)))
        header = ("size", "sampler", "steps", "precision", "pictures/s", "peak GiB")
        cells = [
            (
                f"{r.size[0]}x{r.size[1]}",
                r.sampler,
                str(r.steps),
                r.precision,
                f"{m.pictures_a_second:.3g}",
                f"{m.peak_gib:.2f}",
            )
            for r, m in zip(rows, results, strict=True)
        ]
        table = Table(*header)
        for line in cells:
            table.add_row(*line)
        show(table)
        if self.output:
            lines = [header, ("---",) * len(header), *cells]
            with atomic_path(self.output) as temporary:
                temporary.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))

    def _rows(self) -> list[Row]:
        middle = sorted(self.steps)[len(self.steps) // 2]
        ways = [("ddim", steps) for steps in self.steps] + [(name, middle) for name in _SAMPLERS if name != "ddim"]
        return [
            Row(_parsed_size(size), sampler, steps, precision, self.lights)
            for size in self.sizes
            for precision in self.precisions
            for sampler, steps in ways
        ]


def measure(row: Row, scale: float, codec: str, tiling: bool, device: str) -> Measured:
    """Relight random pictures."""
    torch.manual_seed(0)
    model = random_model(scale, codec, row.size, getattr(torch, row.precision), device)
    if tiling:
        model.codec.enable_tiling()
    width, height = row.size
    photo = torch.rand(1, 3, height, width, device=device)
    condition = torch.rand(row.lights, condition_channels(REFERENCE_PARTS), height, width, device=device)
    directions = torch.nn.functional.normalize(torch.randn(row.lights, 3, device=device), dim=-1)
    model.relight(photo, condition[:1], directions[:1], sampler=row.sampler, steps=1)
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.monotonic()
    model.relight(photo, condition, directions, sampler=row.sampler, steps=row.steps)
    if device == "cuda":
        torch.cuda.synchronize()
    seconds = time.monotonic() - started
    return Measured(row.lights / seconds, peak_memory_gib(device))


def random_model(scale: float, codec: str, size: tuple[int, int], dtype: torch.dtype, device: str) -> RelightingModel:
    """Stable Diffusion 2.1 with a ControlNet and a decoder, all narrower by `scale`."""
    unet = UNet2DConditionModel(
        block_out_channels=_scaled((320, 640, 1280, 1280), scale),
        attention_head_dim=[5, 10, 20, 20],
        cross_attention_dim=1024,
        use_linear_projection=True,
        norm_num_groups=_GROUP,
    ).to(dtype)
    controlnet = LightControlNet.for_unet(unet).to(dtype)
    settings = ModelSettings(size=size)
    prompt = torch.randn(1, 77, 1024, dtype=dtype)
    model = RelightingModel(ControlledUNet(unet, controlnet, prompt).eval(), _codec(codec, scale).to(dtype), settings)
    return model.to(device)


def _codec(kind: str, scale: float) -> ImageCodec:
    if kind == "edge":
        up, down = _scaled((192, 384, 768, 768), scale), _scaled((128, 256, 512, 512), scale)
        sizes = {"up_block_out_channels": up, "down_block_out_channels": down, "norm_num_groups": _GROUP}
        return EdgeCodec(EdgePreservingAutoencoder(**{**X1_5, **sizes}).eval())
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=_scaled((128, 256, 512, 512), scale),
        layers_per_block=2,
        norm_num_groups=_GROUP,
    )
    return KlCodec(vae.eval())


def _scaled(channels: tuple[int, ...], scale: float) -> tuple[int, ...]:
    return tuple(max(_GROUP, round(c * scale / _GROUP) * _GROUP) for c in channels)


def _parsed_size(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) % 64 == 0 and int(height) % 64 == 0):
        raise InputError(f"--sizes {size}: not WIDTHxHEIGHT in multiples of 64", "give e.g. 768x512")
    return int(width), int(height)


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(BenchmarkDiffusion, description=__doc__)))
