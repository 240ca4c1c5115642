"""The nerfstudio model of `relightnerf-splat`: 3D Gaussians whose colour follows the direction of the light."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch
from gsplat.strategy import DefaultStrategy
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.splatfacto import SplatfactoModel, SplatfactoModelConfig
from torch import Tensor, nn
from torchmetrics.functional.image import structural_similarity_index_measure

from relightnerf.field.batches import RelitPixels
from relightnerf.field.checkpoints import FORMAT
from relightnerf.field.decoders import CaptureDecoder, LightDecoder, zero_last
from relightnerf.field.frame import FieldFrame
from relightnerf.field.losses import batch_psnr, centred, image_scores, relit_losses
from relightnerf.field.model import ViewerControl
from relightnerf.field.splats.rasterizer import SplatCamera, splat
from relightnerf.field.splats.seeds import seeded

_NEVER = 1 << 30
"""A number of steps that no run reaches."""


@dataclass
class SplatModelConfig(SplatfactoModelConfig):
    """The Gaussians' features, their decoders and losses, beside splatfacto's settings."""

    _target: type = field(default_factory=lambda: SplatModel)
    viewer_control: ClassVar[type[ViewerControl] | None] = None
    """As in ``RelightModelConfig``."""
    seeds: Path | None = None
    """A .ply file of Gaussians in the capture's world to start from; without one, they start at random."""
    num_random: int = 20000
    """Number of Gaussians that start at random."""
    random_scale: float = 2.0
    """Side of the cube that they start in, in the field's units."""
    capture_channels: int = 12
    """Features of a Gaussian for the colour under the capture's own light, beside a colour."""
    light_channels: int = 16
    """Features of a Gaussian for what another light changes."""
    latents: int = 8
    """Length of the vector that a relit picture has of its own, for what pictures disagree on."""
    light_hidden: int = 96
    """Units per hidden layer of the light's decoder."""
    light_basis: int = 48
    """Functions of the light's direction whose products with a pixel's transfer vectors are its colour."""
    warmup_steps: int = 3000
    """Steps on the capture's photos before the light's part is trained on relit images."""
    latent_loss_mult: float = 3.0
    """Weight of the squared length of the pictures' latents."""
    cull_alpha_thresh: float = 0.005
    """Opacity below which Gaussians are removed."""
    reset_alpha_every: int = _NEVER
    """Every so many refinements, opacities are reset; never, as they start from a field."""


class PixelFeatures(NamedTuple):
    """What the pixels of a picture see.

    Attributes:
        features: (pixels, channels), composited: a colour's logits, those of the capture's light, those of others.
        directions: (pixels, 3), unit vectors of the rays in the field's frame.
        opacity: (height, width, 1) in [0, 1].
        depth: (height, width, 1) along the optical axis, in the field's units.
        info: for the strategy that adds and removes Gaussians; empty off CUDA.
    """

    features: Tensor
    directions: Tensor
    opacity: Tensor
    depth: Tensor
    info: dict[str, Any]


class SplatModel(SplatfactoModel):
    """Gaussians carry features, which are composited and decoded once a pixel, by the decoders of `relightnerf`.

    In the warm-up everything but the light's part is trained on the photos, and Gaussians are added and removed. They
    are then kept as they are, and the light's features and decoder are trained on relit images.
    """

    config: SplatModelConfig

    def populate_modules(self) -> None:
        """Make the Gaussians and the decoders; splatfacto's own would download a network."""
        config, metadata = self.config, self.kwargs.get("metadata") or {}
        lights = metadata.get("light_directions")
        self.has_lights = lights is not None
        self.gauss_params = nn.ParameterDict(self._first_gaussians(metadata.get("frame")))
        # The first three features are a colour's logits, so that Gaussians of known colour start with it.
        size = 3 + config.capture_channels
        self.capture_decoder = CaptureDecoder(size)
        # The decoder corrects that colour, and starts by leaving it as it is.
        zero_last(self.capture_decoder.diffuse)
        self.light_decoder = LightDecoder(
            size + config.light_channels, config.latents, config.light_hidden, config.light_basis
        )
        pictures = 1 if lights is None else self.num_train_data * lights.shape[1]
        self.latents = nn.Parameter(torch.zeros(pictures, config.latents))
        self.register_buffer("format", torch.tensor(FORMAT))
        self.strategy = _strategy(config, self.num_train_data)
        # The field's frame is already scaled to the scene, so sizes relative to it are the field's own.
        self.strategy_state = self.strategy.initialize_state(scene_scale=1.0)
        self.info: dict[str, Any] = {}
        self.light_control = None if config.viewer_control is None else config.viewer_control(metadata.get("frame"))
        self.step, self.crop_box, self.background_color = 0, None, torch.zeros(3)

    def _first_gaussians(self, frame: FieldFrame | None) -> dict[str, nn.Parameter]:
        config = self.config
        if config.seeds is not None and config.seeds.is_file() and frame is not None:
            values = seeded(config.seeds, frame)
        else:
            count = config.num_random
            values = {
                "means": (torch.rand(count, 3) - 0.5) * config.random_scale,
                # As splatfacto's, before activation: logarithms of standard deviations (the Gaussians' mean spacing,
                # side / count^(1/3)), and logits of opacity and colour: -2 is an opacity of 0.12, 0 is middle grey.
                "scales": torch.full((count, 3), float(np.log(config.random_scale / count ** (1.0 / 3.0)))),
                # Normal numbers have no preferred direction in four dimensions, so these are even over all rotations.
                "quats": torch.randn(count, 4),
                "opacities": torch.full((count, 1), -2.0),
                "features_dc": torch.zeros(count, 3),
            }
        count = len(values["means"])
        # Small, and unlike each other: features of 0 would not tell Gaussians apart.
        values["features_rest"] = 0.01 * torch.randn(count, config.capture_channels)
        values["light_features"] = 0.01 * torch.randn(count, config.light_channels)
        return {name: nn.Parameter(value) for name, value in values.items()}

    def get_gaussian_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the Gaussians' parameters by name: each needs an optimizer of its own."""
        return {name: [value] for name, value in self.gauss_params.items()}

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by the name of their optimizer."""
        return {
            **self.get_gaussian_param_groups(),
            "decoders": list(self.capture_decoder.parameters()),
            "light_decoders": [*self.light_decoder.parameters(), self.latents],
        }

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Return what happens before and after a step: freezing; adding and removing Gaussians."""
        optimizers = training_callback_attributes.optimizers

        def before(step: int) -> None:
            self.step, self.optimizers = step, {} if optimizers is None else optimizers.optimizers
            self.info = {}
            self._freeze()

        def after(step: int) -> None:
            if self.info and step > 0:  # at step 0, the strategy would reset the opacities
                self.step_post_backward(step)

        return [
            TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], before),
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], after),
        ]

    @property
    def is_warmup(self) -> bool:
        """Whether the step is one on the capture's photos."""
        return self.step < self.config.warmup_steps or not self.has_lights

    def _freeze(self) -> None:
        warmup = self.is_warmup
        for name, value in self.gauss_params.items():
            # The light's features learn when all others are frozen, and the other way round.
            value.requires_grad_(warmup != (name == "light_features"))
        self.capture_decoder.requires_grad_(warmup)
        self.light_decoder.requires_grad_(not warmup)
        self.latents.requires_grad_(not warmup)

    def load_state_dict(self, state_dict: dict[str, Tensor], strict: bool = True, assign: bool = False) -> Any:
        """Load a state with any number of Gaussians and relit pictures."""
        for name, value in self.gauss_params.items():
            value.data = torch.zeros_like(state_dict[f"gauss_params.{name}"], device=self.device)
        # Sizes first: ``load_state_dict`` copies into parameters of the same shape only.
        self.latents.data = torch.zeros_like(state_dict["latents"], device=self.device)
        return nn.Module.load_state_dict(self, state_dict, strict=strict, assign=assign)

    def see(self, camera: Cameras) -> PixelFeatures:
        """Composite the Gaussians' features for one camera of the field's frame."""
        splat_camera, directions = _opencv_camera(camera)
        gaussians = self.gauss_params
        features = [gaussians["features_dc"], gaussians["features_rest"]]
        # The warm-up does without the light's channels, whose compositing would cost as much again.
        if not (self.training and self.is_warmup):
            features.append(gaussians["light_features"])
        seen = splat(
            gaussians["means"],
            gaussians["quats"],
            # Scales and opacities are kept as logarithms and logits, which need no bounds.
            torch.exp(gaussians["scales"]),
            torch.sigmoid(gaussians["opacities"][:, 0]),
            torch.cat(features, dim=-1),
            splat_camera,
        )
        return PixelFeatures(seen.features.flatten(0, 1), directions, seen.opacity, seen.depth, seen.info)

    def capture_logits(
        self, features: Float[Tensor, "pixels channels"], directions: Float[Tensor, "pixels 3"]
    ) -> Float[Tensor, "pixels 3"]:
        """Return the logits of the colours under the capture's own light."""
        own = features[:, : 3 + self.config.capture_channels]
        return own[:, :3] + self.capture_decoder(own, directions)

    def encode_light(
        self, features: Float[Tensor, "pixels channels"], directions: Float[Tensor, "pixels 3"]
    ) -> Float[Tensor, "pixels 3 basis"]:
        """Return what the light's decoder needs of each pixel, for any light."""
        return self.light_decoder.encode(features, directions)

    def light_cues(self, *_: Tensor) -> None:
        """Return no cues: there is no density here through which light could be marched."""

    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Render a camera: in the viewer under the light of its panel, else under the capture's own."""
        shown = None if self.light_control is None else self.light_control.outputs(camera)
        return super().get_outputs_for_camera(camera, obb_box) if shown is None else shown

    def get_outputs(self, camera: Cameras | RelitPixels) -> dict[str, Tensor]:
        """Render one camera.

        Returns:
            ``rgb`` in [0, 1] (sRGB): (height, width, 3); ``accumulation`` in [0, 1]; ``depth`` along the optical axis
            in the field's units. Of a step on relit images: ``rgb`` (pixels, lights, 3), and their ``latents``.
        """
        if isinstance(camera, RelitPixels):
            return self._relit_outputs(camera)
        seen = self.see(camera)
        outputs = {"accumulation": seen.opacity, "depth": seen.depth}
        if self.training and seen.info:
            self.info = seen.info
            # It keeps the gradients of the projected centres, which tell where Gaussians are to be added.
            self.strategy.step_pre_backward(
                self.gauss_params, self.optimizers, self.strategy_state, self.step, self.info
            )
        rgb = torch.sigmoid(self.capture_logits(seen.features, seen.directions))
        return {**outputs, "rgb": rgb.reshape(*seen.depth.shape[:2], 3)}

    def _relit_outputs(self, batch: RelitPixels) -> dict[str, Tensor]:
        """Return what ``get_outputs`` does for a step on relit images."""
        seen = self.see(batch.camera)
        # The whole picture is composited, but only some of its pixels are decoded, under each light.
        features, directions = seen.features[batch.pixels], seen.directions[batch.pixels]
        latents = centred(self.latents)[batch.pictures]
        lights = self.light_decoder.encode_lights(batch.lights, latents)
        offset = self.light_decoder(self.encode_light(features, directions), lights)
        # (pixels, 1, 3) + (pixels, lights, 3).
        logits = self.capture_logits(features, directions)[:, None] + offset
        return {"rgb": torch.sigmoid(logits), "latents": latents}

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return the losses of a step; ``batch["image"]`` has the shape of ``outputs["rgb"]``, sRGB in [0, 1]."""
        rgb, target = outputs["rgb"], batch["image"].to(self.device)
        if "latents" in outputs:
            return relit_losses(rgb, target, outputs["latents"], self.config.latent_loss_mult)
        if "mask" in batch:
            mask = batch["mask"].to(self.device)
            # What the mask leaves out is black in both, so it has no error.
            rgb, target = rgb * mask, target * mask
        # (1 - lambda) L1 + lambda (1 - SSIM): eq. 7 of 3D Gaussian Splatting.
        share, pair = self.config.ssim_lambda, [image.movedim(-1, 0)[None] for image in (rgb, target)]
        unlike = 1.0 - structural_similarity_index_measure(*pair, data_range=1.0)
        return {"rgb": (1.0 - share) * nn.functional.l1_loss(rgb, target) + share * unlike}

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the PSNR of a batch, and the number of Gaussians."""
        psnr = batch_psnr(outputs["rgb"], batch["image"].to(self.device))
        return {"psnr": psnr, "gaussians": torch.tensor(len(self.gauss_params["means"]))}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Compare a rendered picture with its photo: PSNR and SSIM, and both side by side."""
        rgb, truth = outputs["rgb"], batch["image"].to(outputs["rgb"].device)[..., :3]
        scores, both = image_scores(rgb, truth)
        return scores, {"img": both}


def _strategy(config: SplatModelConfig, views: int) -> DefaultStrategy:
    """Return splatfacto's way to add and remove Gaussians, until half of the warm-up is over."""
    return DefaultStrategy(
        prune_opa=config.cull_alpha_thresh,
        grow_grad2d=config.densify_grad_thresh,
        grow_scale3d=config.densify_size_thresh,
        refine_start_iter=config.warmup_length,
        # The other half of the warm-up is left to settle with a fixed set of Gaussians.
        refine_stop_iter=config.warmup_steps // 2,
        refine_every=config.refine_every,
        reset_every=config.reset_alpha_every,
        pause_refine_after_reset=views + config.refine_every,
        # Absolute values of the pixels' gradients are summed: signed ones cancel over a large Gaussian (AbsGS).
        absgrad=True,
    )


def _opencv_camera(camera: Cameras) -> tuple[SplatCamera, Float[Tensor, "pixels 3"]]:
    """Return the first camera as gsplat takes it, and its pixels' unit directions in the field's frame."""
    pose, intrinsics = camera.camera_to_worlds[0], camera.get_intrinsics_matrices()[0].to(camera.device)
    width, height = int(camera.width[0].item()), int(camera.height[0].item())
    # From OpenGL (y up, looking along -z) to OpenCV (y down, looking along +z): two columns change their sign.
    axes = pose[:, :3] * torch.tensor([1.0, -1.0, -1.0], device=pose.device)
    world_to_camera = torch.eye(4, device=pose.device)
    # The inverse of x = R p + t is p = R^T x - R^T t.
    world_to_camera[:3, :3], world_to_camera[:3, 3] = axes.T, -axes.T @ pose[:, 3]
    # Pixel centres are at half numbers.
    rows, columns = torch.meshgrid(
        *(torch.arange(size, device=pose.device) + 0.5 for size in (height, width)), indexing="ij"
    )
    pixels = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).reshape(-1, 3)
    # R K^-1 (u, v, 1) is the ray through the pixel (u, v); rows are vectors.
    directions = pixels @ (axes @ torch.linalg.inv(intrinsics)).T
    splat_camera = SplatCamera(world_to_camera, intrinsics, width, height)
    return splat_camera, nn.functional.normalize(directions, dim=-1)
