"""The nerfstudio model: a radiance field whose colour follows the direction of the light."""

import gc
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from jaxtyping import Float, Int
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.data.scene_box import OrientedBox
from nerfstudio.engine.callbacks import TrainingCallback, TrainingCallbackAttributes, TrainingCallbackLocation
from nerfstudio.models.base_model import Model, ModelConfig
from torch import Tensor, nn

from relightnerf.field.batches import RelitRays
from relightnerf.field.checkpoints import FORMAT
from relightnerf.field.decoders import CaptureDecoder, LightDecoder
from relightnerf.field.frame import FieldFrame
from relightnerf.field.grids import DensityGrid, TriplaneFeatures
from relightnerf.field.losses import batch_psnr, centred, image_scores, relit_losses
from relightnerf.field.sampling import (
    CONTRACTED_RADIUS,
    contract,
    distance_loss,
    distortion_loss,
    place_samples,
    ray_edges,
    render_weights,
)
from relightnerf.field.settings import SURFACE, TRAINING
from relightnerf.field.visibility import visibility

_CUES = 2
"""Values that ``RelightModel.light_cues`` gives for a ray and a light."""


class ViewerControl(Protocol):
    """What a viewer shows of a model in place of the model's own rendering; made with the field's frame."""

    def __init__(self, frame: FieldFrame | None) -> None: ...

    def outputs(self, camera: Cameras) -> dict[str, Tensor] | None:
        """Return the pictures of a camera in the field's frame; None where it is not the viewer that asks."""


@dataclass
class RelightModelConfig(ModelConfig):
    """The field's size, its sampling and its losses."""

    _target: type = field(default_factory=lambda: RelightModel)
    viewer_control: ClassVar[type[ViewerControl] | None] = None
    """What gives the viewer a panel for the light; programs that show a viewer set it."""
    enable_collider: bool = False
    """Rays start at near_plane by themselves."""
    eval_num_rays_per_chunk: int = 16384
    """Rays rendered at once."""
    density_resolutions: tuple[int, ...] = (48, 96, 160)
    """Voxels per axis of the density grid, from coarse to fine."""
    plane_resolutions: tuple[int, ...] = (64, 160, 384)
    """Cells per axis of the feature planes, from coarse to fine."""
    grid_resolution: int = 64
    """Voxels per axis of the coarse feature grids."""
    grid_channels: int = 8
    """Features of each coarse grid."""
    resize_steps: tuple[int, ...] = (250, 600)
    """Steps at which the next resolution takes over."""
    capture_channels: int = 16
    """Features per plane for the colour under the capture's own light."""
    light_plane_resolution: int = 192
    """Cells per axis of the light's planes: light changes over larger distances than texture."""
    light_channels: int = 16
    """Features per plane for what another light changes."""
    light_grid_resolution: int = 32
    """Voxels per axis of the light's coarse grid."""
    latents: int = 8
    """Length of the vector that a relit picture has of its own, for what pictures disagree on."""
    light_hidden: int = 96
    """Units per hidden layer of the light's decoder."""
    light_basis: int = 48
    """Functions of the light's direction whose products with a ray's transfer vectors are its colour."""
    coarse_samples: int = 64
    """Steps along a ray that look for surfaces."""
    fine_samples: int = 48
    """Intervals along a ray that make its colour in training."""
    eval_fine_samples: int = 96
    """The same when rendering, where finer ones cost little and edges get sharper."""
    feature_samples: int = 8
    """Points along a ray that give it features in training, chosen in proportion to their share in its colour."""
    eval_feature_samples: int = 12
    """The same when rendering."""
    near_plane: float = 0.2
    """Where rays start, in units of half the inner cube's side."""
    first_near_plane: float = 1.2
    """Where they start at the first step: close to a camera, nothing tells a cloud from the scene behind it."""
    near_plane_steps: int = 200
    """Steps until they start at the near plane."""
    far_plane: float = 60.0
    """Where rays end, in the same units."""
    warmup_steps: int = 2000
    """Steps on the capture's photos before the light's part is trained on relit images."""
    distortion_loss_mult: float = 2e-3
    """Weight of the distortion loss."""
    opacity_loss_mult: float = 1e-3
    """Weight of the light that no sample stops: every ray ends somewhere, and what is left has no colour to learn."""
    distance_loss_mult: float = 1.0
    """Weight of how far from a ray's known end its light is stopped, relative to the distance."""
    total_variation_mults: tuple[float, ...] = (5e-2, 2e-2, 2e-2)
    """Weights of the total variation of the density grid at each resolution; it counts in every fifth step."""
    latent_loss_mult: float = 3.0
    """Weight of the squared length of the pictures' latents."""


class RaySurface(NamedTuple):
    """What a ray meets: the samples that count, and their share in its colour.

    Attributes:
        points: (rays, samples, 3) whose features make the colour, contracted and scaled to [-1, 1]^3.
        shares: (rays, samples) of these points in the ray's colour.
        weights: (rays, intervals) of all intervals.
        edges: (rays, intervals + 1) positions along the ray in [0, 1], even in contracted space.
        depth: (rays, 1) median distance along the ray, in the field's units.
        accumulation: (rays, 1) share of the ray that its samples stop.
    """

    points: Tensor
    shares: Tensor
    weights: Tensor
    edges: Tensor
    depth: Tensor
    accumulation: Tensor


class _KnownRays(NamedTuple):
    """What the parts of the field that relit images leave as they are say of rays and their lights."""

    surface: RaySurface
    logits: Tensor
    features: Tensor
    cues: Tensor


class RelightModel(Model):
    """Density on a grid; features composited along the ray; one decoder for the capture's light, one for others.

    In the warm-up the density, the capture's features and their decoder are trained on the photos. They are then kept
    as they are, so that the capture's own light stays exact, and the light's features and decoder are trained on relit
    images: several lights for every ray.
    """

    config: RelightModelConfig

    def populate_modules(self) -> None:
        """Build the grids and the decoders; no network is loaded from anywhere."""
        super().populate_modules()
        config, metadata = self.config, self.kwargs.get("metadata") or {}
        self.has_lights = "light_directions" in metadata
        self.density = DensityGrid(config.density_resolutions[0])
        capture = (config.plane_resolutions[0], config.capture_channels, config.grid_resolution)
        light = (config.light_plane_resolution, config.light_channels, config.light_grid_resolution)
        self.capture_features = TriplaneFeatures(*capture, config.grid_channels)
        self.light_features = TriplaneFeatures(*light, config.grid_channels)
        self.capture_decoder = CaptureDecoder(self.capture_features.size)
        features = self.capture_features.size + self.light_features.size
        sizes = (config.latents, config.light_hidden, config.light_basis, _CUES)
        self.light_decoder = LightDecoder(features, *sizes)
        lights = metadata.get("light_directions")
        pictures = 1 if lights is None else self.num_train_data * lights.shape[1]
        # One row a relit picture: view times lights plus light, as in ``RelitRays.pictures``.
        self.latents = nn.Parameter(torch.zeros(pictures, config.latents))
        self.register_buffer("light_directions", None if lights is None else lights.flatten(0, 1), persistent=False)
        self._known: tuple[int, _KnownRays] | None = None
        self.register_buffer("format", torch.tensor(FORMAT))
        self._step = 0
        self.light_control = None if config.viewer_control is None else config.viewer_control(metadata.get("frame"))

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters by the name of their optimizer."""
        groups = {
            "density": list(self.density.parameters()),
            "features": list(self.capture_features.parameters()),
            "decoders": list(self.capture_decoder.parameters()),
        }
        if self.has_lights:
            groups["light_features"] = list(self.light_features.parameters())
            groups["light_decoders"] = [*self.light_decoder.parameters(), self.latents]
        return groups

    def get_training_callbacks(
        self, training_callback_attributes: TrainingCallbackAttributes
    ) -> list[TrainingCallback]:
        """Return what happens before and after a step: freezing, resizing, refreshing the coarse density."""
        optimizers = training_callback_attributes.optimizers

        def before(step: int) -> None:
            self._freeze(step)
            self._step = step
            if self._resize(step) and optimizers is not None:
                # Adam's moments have the sizes of before.
                for optimizer in optimizers.optimizers.values():
                    optimizer.state.clear()

        def after(step: int) -> None:
            # After the warm-up the density stays as it is, and so does its coarse copy.
            if self._is_warmup(step) and step % TRAINING.coarse_update_steps == 0:
                self.density.update_coarse()

        return [
            TrainingCallback([TrainingCallbackLocation.BEFORE_TRAIN_ITERATION], before),
            TrainingCallback([TrainingCallbackLocation.AFTER_TRAIN_ITERATION], after),
        ]

    def update_to_step(self, step: int) -> None:
        """Give the grids the sizes that they have at this step of the training."""
        self._resize(step)

    def load_state_dict(self, state_dict: Any, strict: bool = True, assign: bool = False) -> Any:
        """Load a state of any size: the grids first take the sizes found in it."""
        self.density.resize(state_dict["density.values"].shape[-1])
        for name in ("capture_features", "light_features"):
            getattr(self, name).resize(state_dict[f"{name}.planes"].shape[1])
        for name in ("light_features.grid", "latents"):
            if state_dict[name].shape != self.get_parameter(name).shape:
                self.get_parameter(name).data = torch.zeros_like(state_dict[name], device=self.device)
        self.density.changed()
        self._known = None
        return super().load_state_dict(state_dict, strict=strict, assign=assign)

    def load_warmup(self, state: dict[str, Tensor]) -> None:
        """Take density and capture colour over from another run's model state; the light's part stays new."""
        fresh = {k: v for k, v in self.state_dict().items() if k.startswith("light_") or k == "latents"}
        self.load_state_dict({**state, **fresh})

    def _is_warmup(self, step: int) -> bool:
        return step < self.config.warmup_steps or not self.has_lights

    def _freeze(self, step: int) -> None:
        warmup = self._is_warmup(step)
        if warmup:
            self.density.changed()
        for kept in (self.density, self.capture_features, self.capture_decoder):
            kept.requires_grad_(warmup)
        for module in (self.light_features, self.light_decoder):
            module.requires_grad_(not warmup)
        self.latents.requires_grad_(not warmup)

    def _level(self, step: int) -> int:
        return sum(step >= resize for resize in self.config.resize_steps)

    def _resize(self, step: int) -> bool:
        level = self._level(step)
        before = self.density.values.shape[-1]
        if before != self.config.density_resolutions[level]:
            gc.collect()  # a graph of an earlier step, if any is left in a cycle, knows only the old sizes
        self.density.resize(self.config.density_resolutions[level])
        self.capture_features.resize(self.config.plane_resolutions[level])
        return before != self.density.values.shape[-1]

    def surface(self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"]) -> RaySurface:
        """Find what each ray meets.

        Args:
            origins: in the field's frame.
            directions: unit vectors.
        """
        unit, edges, middles, lengths = self._place_samples(origins, directions)
        # Optical depth: density per contracted length, times the interval's contracted length.
        weights = render_weights(self.density(middles) * lengths)
        chosen, shares = self._choose(weights)
        depth = _median(weights.detach(), edges)
        accumulation = weights.sum(dim=-1, keepdim=True)
        # (rays, samples, 3).
        samples = middles.gather(1, chosen[..., None].expand(-1, -1, 3))
        return RaySurface(samples, shares, weights, unit, depth, accumulation)

    def _choose(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Choose samples by systematic resampling, with a random start in training: the sum keeps its mean."""
        count = self.config.feature_samples if self.training else self.config.eval_feature_samples
        # One random number a ray shifts all its equidistant draws: less variance than independent ones.
        start = torch.rand(len(weights), 1, device=weights.device) if self.training else 0.5
        with torch.no_grad():
            cumulative = weights.cumsum(dim=-1)
            total = cumulative[:, -1:]
            # Equal steps over the cumulative weight: in the mean, interval i is drawn count * w_i / total times,
            # so each draw stands for total / count of the colour.
            wanted = (torch.arange(count, device=weights.device) + start) / count * total
            chosen = torch.searchsorted(cumulative, wanted.expand(len(weights), -1)).clamp_max(weights.shape[-1] - 1)
        share = weights.gather(1, chosen)
        # The quotient is 1, but its gradient is dw_i / w_i. In the mean, count * w_i / total draws of
        # (total / count) f_i dw_i / w_i give f_i dw_i: the gradient of the full sum.
        return chosen, total / count * share / share.detach().clamp_min(1e-9)

    @torch.no_grad()
    def _place_samples(self, origins: Tensor, directions: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        config, rays, device = self.config, len(origins), origins.device
        intervals = config.fine_samples if self.training else config.eval_fine_samples
        fine = torch.linspace(0.0, 1.0, intervals + 1, device=device).expand(rays, -1)
        where = torch.full((rays, config.coarse_samples), 0.5, device=device)
        if self.training:
            # Each edge moves by up to half an interval, so they stay in order; the two ends stay at 0 and 1.
            shift = (torch.rand(rays, intervals - 1, device=device) - 0.5) / intervals
            fine, where = fine + nn.functional.pad(shift, (1, 1)), torch.rand_like(where)
        return place_samples(
            origins, directions, self.density.coarse, self._near_plane(), config.far_plane, where, fine
        )

    def _near_plane(self) -> float:
        config = self.config
        is_early = self.training and self._step < config.near_plane_steps
        # Falls linearly from 1 at the first step to 0.
        early = 1.0 - self._step / config.near_plane_steps if is_early else 0.0
        return config.near_plane + early * (config.first_near_plane - config.near_plane)

    def composite(self, planes: TriplaneFeatures, surface: RaySurface) -> Float[Tensor, "rays features"]:
        """Sum the features along each ray by weight."""
        return planes(surface.points, surface.shares)

    def capture_logits(
        self, surface: RaySurface, directions: Float[Tensor, "rays 3"]
    ) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, "rays features"]]:
        """Return the logits of the colours under the capture's own light, and the features they come from."""
        features = self.composite(self.capture_features, surface)
        return self.capture_decoder(features, directions), features

    def encode_light(
        self,
        surface: RaySurface,
        features: Float[Tensor, "rays features"],
        directions: Float[Tensor, "rays 3"],
    ) -> Float[Tensor, "rays 3 transfer"]:
        """Return what the light's decoder needs of each ray, for any light."""
        both = torch.cat([features, self.composite(self.light_features, surface)], dim=-1)
        return self.light_decoder.encode(both, directions)

    @torch.no_grad()
    def surface_points(
        self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], surface: RaySurface
    ) -> tuple[Float[Tensor, "rays 3"], Float[Tensor, "rays 3"]]:
        """Return what rays meet, and the unit normals there (against the density's gradient), in the field's frame."""
        points = origins + directions * surface.depth
        # Central differences along the three axes: (6, 3), first ahead, then behind.
        shifts = torch.cat([torch.eye(3), -torch.eye(3)]).to(points) * SURFACE.normal_reach
        around = contract(points[:, None] + shifts) / CONTRACTED_RADIUS
        # Density grows into a surface, so its negative gradient points out of it: behind - ahead.
        ahead, behind = self.density(around).clamp_max(SURFACE.solid_density).split(3, dim=-1)
        return points, nn.functional.normalize(behind - ahead, dim=-1)

    @torch.no_grad()
    def light_cues(
        self,
        points: Float[Tensor, "rays 3"],
        normals: Float[Tensor, "rays 3"],
        lights: Float[Tensor, "*rays lights 3"],
        reach: Float[Tensor, "rays lights"] | None = None,
    ) -> Float[Tensor, "rays lights cues"]:
        """Return what the geometry tells of lights at places: whether they arrive, and that times the cosine.

        Args:
            points: on surfaces, in the field's frame.
            normals: unit vectors.
            lights: unit vectors towards the lights, which all rays share, or each ray's own.
            reach: distances to the lights; None: far away.
        """
        reach = torch.full_like(lights[..., 0], torch.inf) if reach is None else reach
        # Lifted off the surface, whose own density would shadow it.
        arriving = visibility(points + normals * SURFACE.shadow_offset, lights, reach, self.density.nodes())
        is_shared = lights.dim() == 2  # noqa: PLR2004
        cosine = normals @ lights.T if is_shared else torch.bmm(lights, normals[..., None])[..., 0]
        # V - 1/2 is centred about 0, as inputs of a linear map should be; V max(n . l, 0) is Lambert's direct light.
        return torch.stack([arriving - 0.5, arriving * cosine.clamp_min(0.0)], dim=-1)

    def get_outputs_for_camera(self, camera: Cameras, obb_box: OrientedBox | None = None) -> dict[str, Tensor]:
        """Render a camera: in the viewer under the light of its panel, else under the capture's own."""
        shown = None if self.light_control is None else self.light_control.outputs(camera)
        return super().get_outputs_for_camera(camera, obb_box) if shown is None else shown

    def get_outputs(self, ray_bundle: RayBundle | RelitRays) -> dict[str, Tensor]:
        """Render rays under the capture's own light.

        Returns:
            ``rgb`` in [0, 1] (sRGB), ``accumulation`` in [0, 1], ``depth`` along the ray in the field's units. Of a
            step on relit images: ``rgb`` (rays, lights, 3) of the step's rays, and the pictures' ``latents``.
        """
        if isinstance(ray_bundle, RelitRays):
            return self._relit_outputs(ray_bundle)
        surface = self.surface(ray_bundle.origins, ray_bundle.directions)
        logits, _ = self.capture_logits(surface, ray_bundle.directions)
        outputs = {"accumulation": surface.accumulation, "depth": surface.depth}
        if self.training:
            outputs |= {"weights": surface.weights, "edges": surface.edges, "origins": ray_bundle.origins}
        return {**outputs, "rgb": torch.sigmoid(logits)}

    def _relit_outputs(self, batch: RelitRays) -> dict[str, Tensor]:
        """Return what ``get_outputs`` does for a step on relit images."""
        if self._known is None or self._known[0] != batch.draw:
            # Nothing in it is trained any more, so one look-up serves all steps of a draw.
            self._known = batch.draw, self._look_up(batch.rays, batch.pictures)
        step, known = batch.step, self._known[1]
        surface = RaySurface(*(values[step] for values in known.surface))
        latents = centred(self.latents)
        # by embedding, as the gradient of an indexed tensor is summed in no certain order
        pictures = self.light_decoder.encode_lights(self.light_directions, latents)
        lights = nn.functional.embedding(batch.pictures[step], pictures)
        transfer = self.encode_light(surface, known.features[step], batch.rays.directions[step])
        # (rays, 1, 3) + (rays, lights, 3).
        logits = known.logits[step, None] + self.light_decoder(transfer, lights, known.cues[step])
        return {"rgb": torch.sigmoid(logits), "latents": latents}

    @torch.no_grad()
    def _look_up(self, rays: RayBundle, pictures: Int[Tensor, "rays lights"]) -> _KnownRays:
        surface = self.surface(rays.origins, rays.directions)
        logits, features = self.capture_logits(surface, rays.directions)
        lights = self.light_directions[pictures]
        cues = self.light_cues(*self.surface_points(rays.origins, rays.directions, surface), lights)
        return _KnownRays(surface, logits, features, cues)

    def get_loss_dict(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor], metrics_dict: dict[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """Return the losses of a step; ``batch["image"]`` has the shape of ``outputs["rgb"]``, sRGB in [0, 1]."""
        target = batch["image"].to(self.device)
        if "latents" in outputs:
            return relit_losses(outputs["rgb"], target, outputs["latents"], self.config.latent_loss_mult)
        losses = {"rgb": nn.functional.mse_loss(outputs["rgb"], target)}
        if "weights" in outputs:
            # On positions in [0, 1], as Mip-NeRF 360 does: in distances, the background would outweigh the rest.
            spread = distortion_loss(outputs["weights"], outputs["edges"])
            losses["opacity"] = self.config.opacity_loss_mult * (1.0 - outputs["accumulation"]).mean()
            losses["distortion"] = self.config.distortion_loss_mult * spread
            if "distance" in batch:
                # Back from positions to distances, with the near plane that placed this step's samples.
                near, far = self._near_plane(), self.config.far_plane
                ends = ray_edges(outputs["edges"], outputs["origins"], near, far)
                missed = distance_loss(outputs["weights"], ends, batch["distance"].to(self.device))
                losses["distance"] = self.config.distance_loss_mult * missed
            if self._step % TRAINING.total_variation_steps == 0:
                weight = self.config.total_variation_mults[self._level(self._step)]
                losses["total_variation"] = weight * self.density.total_variation()
        return losses

    def get_metrics_dict(self, outputs: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the PSNR of a batch."""
        return {"psnr": batch_psnr(outputs["rgb"], batch["image"].to(self.device))}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Tensor]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Compare a rendered picture with its photo: PSNR and SSIM, and both side by side."""
        rgb, truth = outputs["rgb"].clamp(0, 1), batch["image"].to(outputs["rgb"].device)[..., :3]
        scores, both = image_scores(rgb, truth)
        return scores, {"img": both, "accumulation": outputs["accumulation"].expand_as(rgb)}


def _median(weights: Float[Tensor, "rays samples"], edges: Float[Tensor, "rays edges"]) -> Float[Tensor, "rays 1"]:
    """Return where half of the light is stopped; within an interval, weight counts as evenly spread."""
    # The first interval at whose end half of the light is stopped; the last one where less than half ever is.
    cumulative = weights.cumsum(dim=-1)
    index = (cumulative < 0.5).sum(dim=-1, keepdim=True).clamp_max(weights.shape[-1] - 1)
    share, start, end = weights.gather(-1, index), edges.gather(-1, index), edges.gather(-1, index + 1)
    # Solve before + share * x = 1/2 for x in [0, 1].
    before = cumulative.gather(-1, index) - share
    return start + ((0.5 - before) / share.clamp_min(1e-9)).clamp(0.0, 1.0) * (end - start)
