"""What data managers hand to models for a step on relit images, in place of nerfstudio's rays or camera."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import RayBundle
from torch import Tensor


@dataclass(frozen=True)
class RelitRays:
    """The rays of several steps, drawn together, and the part of them that this step learns from.

    What the model leaves as it is (density, the capture's colours, cues) it looks up once a draw.

    Attributes:
        draw: number of the draw; two batches with one number have the same rays and pictures.
        rays: of all steps of the draw.
        pictures: relit images that each ray is compared with: view times number of lights plus light.
        step: the rays of this step.
    """

    draw: int
    rays: RayBundle
    pictures: Int[Tensor, "rays lights"]
    step: slice


@dataclass(frozen=True)
class RelitPixels:
    """Some pixels of one camera, and the relit images that they are compared with.

    Attributes:
        camera: a single one, in the field's frame.
        pixels: flat indices, row by row.
        pictures: relit images, as in ``RelitRays``.
        lights: unit directions towards these images' lights, in the field's frame.
    """

    camera: Cameras
    pixels: Int[Tensor, " pixels"]
    pictures: Int[Tensor, " lights"]
    lights: Float[Tensor, "lights 3"]
