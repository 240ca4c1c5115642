"""Batches of rays: random pixels of random views, each with several of its lights."""

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from relightnerf.errors import InputError
from relightnerf.field.batches import RelitRays
from relightnerf.field.dataparser import RelightDataParserConfig
from relightnerf.io.images import read_array, read_image
from relightnerf.scene import Scene


@dataclass
class RelightDataManagerConfig(VanillaDataManagerConfig):
    """How many rays and lights make a step."""

    _target: type = field(default_factory=lambda: RelightDataManager)
    dataparser: RelightDataParserConfig = field(default_factory=RelightDataParserConfig)
    train_num_rays_per_batch: int = 1024
    """Rays of a step on the capture's photos."""
    light_rays_per_batch: int = 512
    """Rays of a step on relit images."""
    light_steps_at_once: int = 8
    """Steps on relit images whose rays are drawn together, and looked up together in what training leaves as it is."""
    lights_per_ray: int = 12
    """Lights that each of these rays is compared under, if there are as many."""
    warmup_steps: int = 2000
    """Steps on the capture's photos before relit images are used; the same number as the model's."""
    eval_num_images_to_sample_from: int = 1
    """Held-out photos that are kept in memory for nerfstudio's own loader, which holds them as floats."""


class RelightDataManager(VanillaDataManager[InputDataset]):
    """Draws each step's rays from the step's number alone; keeps 8-bit photos in memory, and relit images on disk.

    A run that goes on from a checkpoint therefore sees the same batches as one that was never stopped.
    """

    config: RelightDataManagerConfig

    def setup_train(self) -> None:
        """Read the photos."""
        self._drawn: tuple[int, RayBundle, Tensor, Tensor] | None = None
        outputs = self.train_dataparser_outputs
        self.images = torch.from_numpy(np.stack([read_image(path) for path in outputs.image_filenames]))
        self.pixels = self._usable_pixels(outputs.metadata["view_names"])
        self.light_directions = outputs.metadata.get("light_directions")
        self.depths = _stacked_depths(outputs.metadata["depth_filenames"])
        cameras = outputs.cameras
        self.rotations, self.positions = cameras.camera_to_worlds[..., :3], cameras.camera_to_worlds[..., 3]
        self.intrinsics = torch.cat([cameras.fx, cameras.fy, cameras.cx, cameras.cy], dim=-1)

    @cached_property
    def relit(self) -> UInt8[Tensor, "views height width lights 3"]:
        """The relit images, from a file without a name that goes with the process.

        It is mapped, so that memory does not grow with views and lights; a pixel's colours under all lights lie
        together. It is written when the first step asks for it.
        """
        files = self.train_dataparser_outputs.metadata["relit_filenames"]
        folder, shape = self.config.dataparser.data, (*self.images.shape[:3], len(files[0]), 3)
        if shutil.disk_usage(folder).free < np.prod(shape):
            what = f"{folder}: no room for {np.prod(shape) / 1e9:.1f} GB of relit images while they are learned from"
            raise InputError(what, "free some space on this disk")
        with tempfile.TemporaryFile(dir=folder) as file:
            pixels = np.memmap(file, np.uint8, "w+", shape=shape)
        for view, row in enumerate(files):
            pixels[view] = np.stack([read_image(path) for path in row], axis=2)
        return torch.from_numpy(pixels)

    def _usable_pixels(self, names: Sequence[str]) -> Int[Tensor, "pixels"] | None:
        """Return the indices of the pixels to learn from, or None for all of them; a view without a mask is whole."""
        masks = Scene.load(Path(self.config.dataparser.data)).masks(names)
        if all(mask is None for mask in masks):
            return None
        whole = np.ones(self.images.shape[1:3], bool)
        return torch.from_numpy(np.flatnonzero(np.stack([whole if mask is None else mask for mask in masks])))

    def next_train(self, step: int) -> tuple[RayBundle | RelitRays, dict[str, Tensor]]:
        """Return the rays of a step and what belongs to them.

        Returns:
            On photos: the rays, and ``image``: (rays, 3), sRGB in [0, 1]; with photos of known depth also ``distance``:
            (rays,) along the rays, in the field's units, 0 where unknown. On relit images: the rays of the draw that
            the step belongs to, and ``image``: (the step's rays, lights, 3).
        """
        self.train_count += 1
        if self.light_directions is not None and step >= self.config.warmup_steps:
            return self._next_relit(step)
        torch.manual_seed(step_seed(step))
        view, row, column = self._draw(self.config.train_num_rays_per_batch)
        batch = {"image": self._to_float(self.images[view, row, column])}
        return self._rays(view, row, column).to(self.device), batch | self._distances(view, row, column)

    def _next_relit(self, step: int) -> tuple[RelitRays, dict[str, Tensor]]:
        count, at_once = self.config.light_rays_per_batch, self.config.light_steps_at_once
        part = (step - self.config.warmup_steps) % at_once
        if self._drawn is None or self._drawn[0] != step - part:
            self._drawn = step - part, *self._draw_relit(step_seed(step - part), count * at_once)
        draw, rays, pictures, colours = self._drawn
        rays_of_step = slice(part * count, (part + 1) * count)
        return RelitRays(draw, rays, pictures, rays_of_step), {"image": self._to_float(colours[rays_of_step])}

    def _draw_relit(
        self, seed: int, count: int
    ) -> tuple[RayBundle, Int[Tensor, "rays lights"], UInt8[Tensor, "rays lights 3"]]:
        torch.manual_seed(seed)
        view, row, column = self._draw(count)
        lights = self.light_directions.shape[1]
        light = torch.rand(count, lights).topk(min(self.config.lights_per_ray, lights)).indices
        pictures = (view[:, None] * lights + light).to(self.device)
        colours = self.relit[view[:, None], row[:, None], column[:, None], light]
        return self._rays(view, row, column).to(self.device), pictures, colours

    def _draw(self, count: int) -> tuple[Int[Tensor, "rays"], Int[Tensor, "rays"], Int[Tensor, "rays"]]:
        """Draw pixels to learn from: their views, rows and columns."""
        pixel = torch.randint(self.images[..., 0].numel() if self.pixels is None else len(self.pixels), (count,))
        pixel = pixel if self.pixels is None else self.pixels[pixel]
        height, width = self.images.shape[1:3]
        return pixel // (height * width), pixel // width % height, pixel % width

    def _rays(self, view: Tensor, row: Tensor, column: Tensor) -> RayBundle:
        directions, origins = turned(self.rotations[view], self._local(view, row, column)), self.positions[view]
        area = torch.ones_like(directions[:, :1])
        return RayBundle(origins, directions, area, camera_indices=view[:, None], metadata={})

    def _local(self, view: Tensor, row: Tensor, column: Tensor) -> Float[Tensor, "rays 3"]:
        """Return pixels' rays in their camera's frame, with z = -1."""
        fx, fy, cx, cy = self.intrinsics[view].unbind(-1)
        return torch.stack([(column + 0.5 - cx) / fx, (cy - row - 0.5) / fy, -torch.ones_like(fx)], dim=-1)

    def _distances(self, view: Tensor, row: Tensor, column: Tensor) -> dict[str, Tensor]:
        if self.depths is None:
            return {}
        (height, width), (rows, columns) = self.images.shape[1:3], self.depths.shape[1:]
        depth = self.depths[view, row * rows // height, column * columns // width]
        scale = self.train_dataparser_outputs.dataparser_scale
        return {"distance": (depth * scale * self._local(view, row, column).norm(dim=-1)).to(self.device)}

    def _to_float(self, values: Tensor) -> Tensor:
        return values.to(self.device, torch.float32) / 255.0

    def get_train_rays_per_batch(self) -> int:
        """Return the number of rays of a step on the capture's photos."""
        return self.config.train_num_rays_per_batch


def _stacked_depths(files: Sequence[Path | None]) -> Float[Tensor, "views rows columns"] | None:
    """Return the views' known depths, 0 for a view without any; None if no view has any."""
    known = [None if path is None else read_array(path) for path in files]
    shape = next((depth.shape for depth in known if depth is not None), None)
    if shape is None:
        return None
    return torch.from_numpy(np.stack([np.zeros(shape, np.float32) if depth is None else depth for depth in known]))


def turned(rotations: Float[Tensor, "*rays 3 3"], local: Float[Tensor, "*rays 3"]) -> Float[Tensor, "*rays 3"]:
    """Turn rays from their camera's frame and give them unit length."""
    directions = (rotations * local[..., None, :]).sum(dim=-1)
    return directions / directions.norm(dim=-1, keepdim=True)


def step_seed(step: int) -> int:
    """Return the seed of the random numbers that a step draws its batch with."""
    return int.from_bytes(hashlib.blake2b(f"relightnerf {step}".encode(), digest_size=7).digest(), "big")
