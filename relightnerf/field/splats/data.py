"""Batches for Gaussians: one whole photo, or some pixels of one view under several of its lights."""

from dataclasses import dataclass, field

import torch
from nerfstudio.cameras.cameras import Cameras
from torch import Tensor

from relightnerf.field.batches import RelitPixels
from relightnerf.field.datamanager import RelightDataManager, RelightDataManagerConfig, step_seed


@dataclass
class SplatDataManagerConfig(RelightDataManagerConfig):
    """How many pixels and lights make a step."""

    _target: type = field(default_factory=lambda: SplatDataManager)
    light_rays_per_batch: int = 1 << 16
    """Most pixels of a step on relit images."""


class SplatDataManager(RelightDataManager):
    """Draws each step's view from the step's number alone; relit images stay on disk, as for rays."""

    config: SplatDataManagerConfig

    def setup_train(self) -> None:
        """Read the photos, and which of their pixels to learn from."""
        super().setup_train()
        self.masks = None
        if self.pixels is not None:
            self.masks = torch.zeros(self.images.shape[:3], dtype=torch.bool)
            self.masks.view(-1)[self.pixels] = True

    def next_train(self, step: int) -> tuple[Cameras | RelitPixels, dict[str, Tensor]]:
        """Return a step's camera and ``image``: (height, width, 3), or (pixels, lights, 3) for relit images; sRGB.

        ``mask`` (height, width, 1) tells the pixels of a photo to learn from, where there are others.
        """
        self.train_count += 1
        torch.manual_seed(step_seed(step))
        view = int(torch.randint(len(self.images), ()))
        camera = self.train_dataparser_outputs.cameras[view : view + 1].to(self.device)
        usable = None if self.masks is None else self.masks[view]
        if self.light_directions is None or step < self.config.warmup_steps:
            batch = {"image": self._to_float(self.images[view])}
            return camera, batch if usable is None else {**batch, "mask": usable[..., None].to(self.device)}
        every = torch.arange(self.images[view, ..., 0].numel()) if usable is None else usable.flatten().nonzero()[:, 0]
        pixels = every[torch.randperm(len(every))[: self.config.light_rays_per_batch]]
        lights = torch.randperm(self.light_directions.shape[1])[: self.config.lights_per_ray]
        batch_pixels = RelitPixels(
            camera,
            pixels.to(self.device),
            (view * self.light_directions.shape[1] + lights).to(self.device),
            self.light_directions[view, lights].to(self.device),
        )
        relit = self.relit[view].flatten(0, 1)[pixels[:, None], lights]
        return batch_pixels, {"image": self._to_float(relit)}

    def next_eval(self, step: int) -> tuple[Cameras, dict[str, Tensor]]:
        """Return a held-out camera and its photo."""
        return self.next_eval_image(step)
