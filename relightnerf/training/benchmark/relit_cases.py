"""Photos to relight whose true pictures under other lights are known: rendered scenes, and real objects."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.mesh import depth_mesh
from relightnerf.geometry.normals import depth_normals
from relightnerf.geometry.raycast import RayScene
from relightnerf.geometry.views import View
from relightnerf.imaging.color import linear_to_srgb, to_float, to_uint8
from relightnerf.lights import IRRADIANCE, LightSet
from relightnerf.training.benchmark.field_geometry import field_like
from relightnerf.training.benchmark.light_direction import LightFinder
from relightnerf.training.benchmark.normal_integration import integrated_depth
from relightnerf.training.benchmark.photometric import PhotometricObject, photometric_surface, spread_lights
from relightnerf.training.data.light_folders import LightFolder
from relightnerf.training.data.light_mixtures import mixed_scene

_MESH = "mesh.ply"
"""File of a rendered scene's mesh, in the camera's frame."""


@dataclass(frozen=True)
class PhotometricView:
    """The camera that photos for photometric stereo are taken to be from, which their folders do not tell."""

    fov_deg: float = 10.0
    """Horizontal field of view, degrees. Photometric stereo takes light and view for parallel, so the camera stands far
    away; with much less, the relief of an object becomes a tiny part of its distance."""


_PHOTOMETRIC_VIEW = PhotometricView()


@dataclass(frozen=True)
class RelitCase:
    """One photo, its geometry as a relighter sees it, and the truth; camera frame and world frame are the same.

    Attributes:
        view: the photo, with a camera at the origin.
        rays: the mesh.
        lights: to relight to, in the camera frame.
        truths: true pictures under the lights, sRGB in [0, 1].
        mask: True where pixels count.
        normal: true unit normals, camera frame, 0 where unknown.
        visibility: part of each light that reaches each pixel.
        finder: of the light of pictures of the case, by its true geometry and albedo.
        unshadowed: what each light and the ambient part would give without cast shadows and bounces, linear, up to one
            factor a channel; None if cast shadows are not to be measured.
    """

    view: View
    rays: RayScene
    lights: LightSet
    truths: Float[np.ndarray, "lights height width 3"]
    mask: Bool[np.ndarray, "height width"]
    normal: Float[np.ndarray, "height width 3"]
    visibility: Float[np.ndarray, "lights height width"]
    finder: LightFinder
    unshadowed: Float[np.ndarray, "lights height width 3"] | None = None

    @property
    def name(self) -> str:
        """The photo's name."""
        return self.view.name

    def with_field_geometry(self, rng: np.random.Generator) -> "RelitCase":
        """Return the case with geometry as a fitted field would have it; the truth stays."""
        view, rays = field_like(self.view, self.rays, rng)
        return replace(self, view=view, rays=rays)


def check_scene(scene: LightFolder) -> None:
    """Check that a rendered scene has what ``set_case`` needs.

    Raises:
        InputError: it lacks layers, a field of view, or its mesh.
    """
    lacking = [
        what
        for what, is_there in (
            ("layers", scene.layers is not None),
            ("fov_deg", scene.fov_deg is not None),
            (_MESH, (scene.folder / _MESH).is_file()),
        )
        if not is_there
    ]
    if lacking:
        fix = "render the set again with datasets/render_procedural.py --meshes"
        raise InputError(f"{scene.folder}: lacks {' and '.join(lacking)}", fix)


def set_case(scene: LightFolder, rng: np.random.Generator) -> RelitCase:
    """Return a rendered scene in a random mixture of its lights, to be relit to each canonical light.

    Args:
        scene: with ``layers``, a field of view, and a ``mesh.ply`` in the camera's frame.
        rng: draws the mixture.

    Raises:
        InputError: one of these is missing, or a file cannot be read.
    """
    check_scene(scene)
    mixed = mixed_scene(scene, rng)
    normal, albedo, mask = scene.normal(), scene.albedo(), mixed.mask > 0
    view = View(scene.camera, _as_file(mixed.source), scene.depth(), normal)
    cosine = np.maximum(np.einsum("hwc,lc->lhw", normal, scene.lights.directions), 0.0)[..., None]
    rays, points, counted = RayScene.load(scene.folder / _MESH), view.camera.points_world(view.depth), mask & view.known
    return RelitCase(
        view=view,
        rays=rays,
        lights=scene.lights,
        truths=_as_file(mixed.targets),
        mask=counted,
        normal=normal,
        visibility=np.stack([scene.visibility(index) for index in range(len(scene))]),
        finder=LightFinder(rays, points, normal, albedo, counted, scene.ambient_visibility()),
        unshadowed=IRRADIANCE / np.pi * cosine * albedo + scene.layer("ambient"),
    )


def photometric_cases(thing: PhotometricObject, sources: int) -> Iterator[RelitCase]:
    """Yield an object's photos under a few lights that are far apart, each to be relit to all its other lights.

    Normals come from photometric stereo, depth and mesh from these normals, seen from far away.

    Args:
        thing: the object.
        sources: how many photos to relight.

    Raises:
        InputError: the object is too small for a mesh.
    """
    thing = thing.cropped()
    height, width = thing.mask.shape
    surface = photometric_surface(thing.photos, thing.directions, thing.mask)
    camera = Camera.from_fov(thing.name, width, height, _PHOTOMETRIC_VIEW.fov_deg)
    depth = integrated_depth(camera, surface.normal_camera, thing.mask)
    told = np.any(surface.normal_camera != 0, axis=-1, keepdims=True)
    normal = np.where(told, surface.normal_camera, depth_normals(camera, depth))
    photos = _as_file(linear_to_srgb(thing.photos))
    rays = RayScene(depth_mesh(camera, depth))
    visibility = ViewCues(View(camera, photos[0], depth, normal), rays).visibility(thing.directions)
    counted = thing.mask & told[..., 0]
    finder = LightFinder(rays, camera.points_world(depth), surface.normal_camera, surface.albedo, counted)
    for source in sorted(spread_lights(thing.directions, sources)):
        others = [index for index in range(len(photos)) if index != source]
        yield RelitCase(
            view=View(replace(camera, name=f"{thing.name}_{source}"), photos[source], depth, normal),
            rays=rays,
            lights=LightSet("camera", tuple(map(str, others)), thing.directions[others]),
            truths=photos[others],
            mask=counted,
            normal=surface.normal_camera,
            visibility=visibility[others],
            finder=finder,
        )


def _as_file(srgb: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return what an 8-bit file would keep, as relighters get photos and as truth is stored."""
    return to_float(to_uint8(srgb))
