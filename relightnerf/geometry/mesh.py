"""Triangle meshes of a scene: fused from the depth of many views, or of a single one."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8

from relightnerf.cameras import Camera, Cameras
from relightnerf.errors import InputError

if TYPE_CHECKING:
    import open3d as o3d

_TOUCHED_EVERY = 4
"""Open3D looks for blocks at every fourth pixel of every fourth row, and fails if it finds none."""


@dataclass(frozen=True)
class FusionSettings:
    """What tunes the mesh of many views."""

    far_over_median: float = 2.2
    """Depth beyond this many times the median of the views' median depths is not fused. Views from around a subject see
    the ground on its other side at up to twice their distance, and that has to stay to carry shadows; the far field is
    too inexact to fuse, and would take most of the memory."""
    pixels_a_voxel: float = 1.5
    """Edge of a voxel in pixels at the median depth. Finer voxels keep each view's noise and have gaps between rays;
    twice as coarse, thin things vanish, and shadow edges with them."""
    finest_part: float = 300.0
    """The median depth over a voxel's least edge. It bounds the memory at large pictures: the number of voxels on a
    surface grows with its square."""
    truncation_voxels: float = 4.0
    """Distance to the surface, in voxels, at which signed distances are cut off. It has to exceed what views differ by,
    or they make two surfaces; what is thinner than that is worn away from its other side."""
    block_voxels: int = 8
    """Voxels along the side of a block of Open3D's sparse grid. Smaller ones make more bookkeeping, larger ones hold
    more empty space."""
    first_blocks: int = 5000
    """Blocks that there is room for at first; the grid grows when it is full."""
    seen_by: int = 2
    """A surface stays if so many views see it: what one view alone places in the air is seldom right."""
    least_component: float = 0.01
    """Pieces with fewer triangles than this part of the largest one's are left out: floating crumbs cast shadows."""
    smoothing_steps: int = 10
    """Steps of Laplacian smoothing. They take off bumps of a few voxels, which shade themselves and make the light of
    the capture look more ambient than it is; more round off edges."""
    smoothing: float = 0.5
    """How far each step takes a vertex to the mean of its neighbours; beyond 1 it would swing."""


@dataclass(frozen=True)
class DepthMeshSettings:
    """What tunes the mesh of one view."""

    jump: float = 0.05
    """Neighbours whose depths differ by more than this part are not joined. Less cuts slanted ground into pieces; more
    hangs curtains from the edges of things, which cast shadows."""
    steepest_deg: float = 80.0
    """Neighbours may differ by what a plane at this angle from facing the camera does, where that is more. In small or
    wide pictures one pixel of the ground is more than ``jump``."""


_FUSION = FusionSettings()
_DEPTH_MESH = DepthMeshSettings()


@dataclass(frozen=True)
class FusionScale:
    """The sizes that a fusion works with, world units.

    Attributes:
        far: depth beyond which nothing is fused.
        voxel: edge of a voxel.
    """

    far: float
    voxel: float


def fusion_scale(
    cameras: Cameras, depths: Iterable[Float[np.ndarray, "height width"]], settings: FusionSettings = _FUSION
) -> FusionScale:
    """Choose fusion sizes from the depth in the middle of the pictures, where a capture's subject is.

    ``far`` is 2.2 times the median of the views' median depths, so the ground around the subject stays and the far
    field goes; ``voxel`` is what 1.5 pixels cover at that median depth, but not finer than its 300th part.

    Raises:
        InputError: no view has any depth.
    """
    medians = []
    for depth in depths:
        height, width = depth.shape
        # The middle half of each side.
        middle = depth[height // 4 : height - height // 4, width // 4 : width - width // 4]
        known = middle[np.isfinite(middle) & (middle > 0)]
        if len(known):
            medians.append(float(np.median(known)))
    if not medians:
        raise InputError("no view has any depth, so there is nothing to fuse", "check the depth source")
    typical = float(np.median(medians))
    # A pixel is 1 / f wide at depth 1, so z / f at depth z.
    footprint = typical / float(np.median(cameras.intrinsics[:, :2]))
    return FusionScale(
        settings.far_over_median * typical,
        max(settings.pixels_a_voxel * footprint, typical / settings.finest_part),
    )


def fuse_mesh(
    cameras: Cameras,
    depths: Iterable[Float[np.ndarray, "height width"]],
    images: Iterable[UInt8[np.ndarray, "height width 3"]],
    scale: FusionScale | None = None,
    settings: FusionSettings = _FUSION,
) -> "o3d.geometry.TriangleMesh":
    """Fuse the views' depth into one coloured mesh with vertex normals (truncated signed distances, Curless 1996).

    Args:
        cameras: of the views.
        depths: along each camera's -z in world units, 0 where unknown; read once when ``scale`` is given.
        images: 8-bit sRGB.
        scale: sizes to work with; None: ``fusion_scale`` of all depths, which are then all held in memory.
        settings: of the fusion.

    Raises:
        InputError: no view has any depth, or nothing near enough is seen to make a surface.
    """
    import open3d as o3d

    if scale is None:
        depths = list(depths)
        scale = fusion_scale(cameras, depths, settings)
    # Per voxel: the truncated signed distance, how many views saw it, and their mean colour.
    kinds, sizes = (o3d.core.float32,) * 3, ((1), (1), (3))
    grid = o3d.t.geometry.VoxelBlockGrid(
        ("tsdf", "weight", "color"), kinds, sizes, scale.voxel, settings.block_voxels, settings.first_blocks
    )
    for index, (depth, image) in enumerate(zip(depths, images, strict=True)):
        _integrate(grid, cameras[index], depth, image, scale.far, settings.truncation_voxels)
    if grid.hashmap().size():
        # a voxel's weight is the number of views that saw it
        mesh = grid.extract_triangle_mesh(weight_threshold=min(settings.seen_by, len(cameras)) - 0.5).to_legacy()
        if len(mesh.triangles):
            return _cleaned(mesh, settings)
    raise InputError("the views' depths agree on no surface", "check the poses and the depth source")


def depth_mesh(
    camera: Camera, depth: Float[np.ndarray, "height width"], jump: float = _DEPTH_MESH.jump
) -> "o3d.geometry.TriangleMesh":
    """Triangulate one view's depth, cut where neighbours differ by more than ``jump`` of their depth.

    A surface seen at a grazing angle is not a jump: neighbours may differ by what a plane 80 degrees from facing does.

    Raises:
        InputError: no pixel has a depth.
    """
    import open3d as o3d

    height, width = depth.shape
    grid = np.arange(height * width).reshape(height, width)
    # The corners of each square of four pixels: a b above c d. Both triangles run
    # counter-clockwise seen by the camera, so their normals face it.
    a, b, c, d = grid[:-1, :-1], grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]
    faces = np.concatenate([np.stack(f, -1).reshape(-1, 3) for f in ((a, c, b), (b, c, d))])
    # (faces, 3): depths of the corners, 0 where one is unknown.
    corners = np.where(np.isfinite(depth), depth, 0.0).reshape(-1)[faces]
    spread = corners.max(-1) - corners.min(-1)
    # From pixel to pixel, 1 / f apart at depth 1, a plane tilted by theta changes its depth by the part tan(theta) / f.
    steepest = np.tan(np.radians(_DEPTH_MESH.steepest_deg)) / float(camera.intrinsics[:2].min())
    faces = faces[(corners.min(-1) > 0) & (spread <= max(jump, steepest) * corners.min(-1))]
    if not len(faces):
        raise InputError("the depth map has no surface", "give depth in world units, 0 only where it is unknown")
    points = camera.points_world(depth).reshape(-1, 3)
    mesh = o3d.geometry.TriangleMesh(o3d.utility.Vector3dVector(points), o3d.utility.Vector3iVector(faces))
    mesh.remove_unreferenced_vertices()
    mesh.compute_vertex_normals()
    return mesh


def _integrate(
    grid: "o3d.t.geometry.VoxelBlockGrid",
    camera: Camera,
    depth: Float[np.ndarray, "height width"],
    image: UInt8[np.ndarray, "height width 3"],
    far: float,
    truncation: float,
) -> None:
    import open3d as o3d

    usable = np.where(np.isfinite(depth) & (depth > 0) & (depth < far), depth, 0.0).astype(np.float32)
    # Of whole steps of four only: what is left over at the end is not looked at.
    height, width = (side - side % _TOUCHED_EVERY for side in usable.shape)
    if not usable[:height:_TOUCHED_EVERY, :width:_TOUCHED_EVERY].any():
        return
    depth_image = o3d.t.geometry.Image(o3d.core.Tensor(usable[..., None]))
    colour = o3d.t.geometry.Image(o3d.core.Tensor(image.astype(np.float32) / np.float32(255.0)))
    fx, fy, cx, cy = camera.intrinsics
    # the grid cuts picture coordinates off to whole pixels, so pixel i is [i, i + 1); it looks along +z with y down
    intrinsic = o3d.core.Tensor(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64))
    # World to camera, then from OpenGL (y up, looking along -z) to OpenCV (y down, along +z).
    extrinsic = o3d.core.Tensor(np.diag([1.0, -1.0, -1.0, 1.0]) @ np.linalg.inv(camera.camera_to_world))
    # Depth is in world units already: its scale is 1.
    blocks = grid.compute_unique_block_coordinates(depth_image, intrinsic, extrinsic, 1.0, far, truncation)
    grid.integrate(blocks, depth_image, colour, intrinsic, intrinsic, extrinsic, 1.0, far, truncation)


def _in_fixed_order(mesh: "o3d.geometry.TriangleMesh") -> "o3d.geometry.TriangleMesh":
    """The same surface with its vertices and triangles sorted: the voxel hash gives them in an order of chance."""
    import open3d as o3d

    vertices, faces = np.asarray(mesh.vertices), np.asarray(mesh.triangles)
    # By z, then y, then x; ``rank`` is the new number of an old vertex.
    order = np.lexsort(vertices.T)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    faces = rank[faces]
    # Each triangle begins with its smallest number; turned, not mirrored, so it faces the same way.
    first = faces.argmin(axis=1)
    faces = np.take_along_axis(faces, (first[:, None] + np.arange(3)) % 3, axis=1)
    ordered = o3d.geometry.TriangleMesh(
        o3d.utility.Vector3dVector(vertices[order]), o3d.utility.Vector3iVector(faces[np.lexsort(faces.T)])
    )
    ordered.vertex_colors = o3d.utility.Vector3dVector(np.asarray(mesh.vertex_colors)[order])
    return ordered


def _cleaned(mesh: "o3d.geometry.TriangleMesh", settings: FusionSettings) -> "o3d.geometry.TriangleMesh":
    mesh = _in_fixed_order(mesh)
    # Pieces that are connected, and their numbers of triangles.
    labels, sizes, _ = mesh.cluster_connected_triangles()
    sizes = np.asarray(sizes)
    mesh.remove_triangles_by_mask(sizes[np.asarray(labels)] < settings.least_component * sizes.max())
    mesh.remove_unreferenced_vertices()
    mesh = _smoothed(mesh, settings)
    mesh.compute_vertex_normals()
    return mesh


def _smoothed(mesh: "o3d.geometry.TriangleMesh", settings: FusionSettings) -> "o3d.geometry.TriangleMesh":
    """Return the mesh without its bumps of a few voxels; the border, which would shrink, stays where it is."""
    import open3d as o3d

    smooth = mesh.filter_smooth_laplacian(settings.smoothing_steps, settings.smoothing)
    # Edges of one triangle only, where the surface ends; those of more than two are kept in place as well.
    border = np.unique(np.asarray(mesh.get_non_manifold_edges(allow_boundary_edges=False)))
    vertices = np.asarray(smooth.vertices)
    vertices[border] = np.asarray(mesh.vertices)[border]
    smooth.vertices = o3d.utility.Vector3dVector(vertices)
    return smooth
