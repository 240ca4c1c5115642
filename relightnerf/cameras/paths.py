"""Camera paths for videos, made from the cameras of a capture; all in the capture's world frame."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation, Slerp

from relightnerf.cameras import Camera, Cameras

WIDEST_GAP_DEG = 60.0
"""Cameras that leave out less than this of the circle around the focus are taken to go all the way round."""

_NO_LENGTH = 1e-6
"""Lengths, world units, and sines below this are taken for 0."""


@dataclass(frozen=True)
class PathSettings:
    """What tunes how paths follow a capture."""

    parallel: float = 3e-3
    """Least eigenvalue of the axes' normal matrix for which their intersection is believed: the mean square sine of the
    angle to the direction that all nearly have in common, 3 degrees. Below, the point's distance is a guess."""
    stray_share: float = 0.02
    """Part of the cameras that may be left out to each side of the arc that an orbit covers: strays widen it else."""
    spiral_turns: int = 2
    """Circles while the camera goes in and out once."""
    spiral_spread: float = 0.5
    """Largest radius of the spiral over the cameras' median distance from the central view: beyond what was
    photographed, the field has holes."""
    spiral_share: float = 0.12
    """Largest radius over the distance to what is looked at: 7 degrees to each side, a calm movement."""
    spiral_lone: float = 0.05
    """Radius over that distance where all cameras are in one place."""
    spiral_rise: float = 0.6
    """Height of the circles over their width: upright movement looks larger than sideways."""


_SETTINGS = PathSettings()


def focus_point(
    cameras: Cameras, world_up: tuple[float, float, float], depth: float | None = None
) -> Float[np.ndarray, "3"]:
    """Return the point that the capture is about: the least-squares intersection of the optical axes.

    Where the axes say nothing about it (nearly parallel, or diverging: a room seen from its middle), it is the point at
    ``depth`` on the axis of the capture's central view.

    Args:
        cameras: of the capture.
        world_up: unit vector that points up.
        depth: typical distance of what the cameras see, world units; guessed from their spacing if not given.
    """
    origins, axes = cameras.camera_to_world[:, :3, 3], -cameras.camera_to_world[:, :3, 2]
    # the squared distance of p from the axis through o along a is (p - o) @ (1 - a a^T) @ (p - o); the sum over cameras
    # is least where the sum of (1 - a a^T) (p - o) is 0
    projectors = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    normal_matrix = projectors.mean(0)
    if np.linalg.eigvalsh(normal_matrix)[0] > _SETTINGS.parallel:
        point = np.linalg.solve(normal_matrix, (projectors @ origins[:, :, None]).mean(0)[:, 0])
        # axes of a room seen from its middle diverge: they meet behind the cameras, or among them
        if np.median(np.sum((point - origins) * axes, axis=-1)) > np.median(_spacing(origins)) / 2:
            return point
    centre = central_view(cameras, world_up)
    if depth is None:
        depth = float(2.0 * np.linalg.norm(origins - origins.mean(0), axis=-1).max() or 1.0)
    return centre.position - depth * centre.camera_to_world[:3, 2]


def central_view(cameras: Cameras, world_up: tuple[float, float, float]) -> Camera:
    """Return the view that is most like all others: nearest in place and direction, and most upright."""
    poses = cameras.camera_to_world
    place = poses[:, :3, 3]
    # Each cost is over its own mean over all pairs, so places and directions count alike in any unit.
    apart = np.linalg.norm(place[:, None] - place[None], axis=-1)
    turned = np.linalg.norm(poses[:, None, :3, 2] - poses[None, :, :3, 2], axis=-1)
    # 1 - cos of the angle between the camera's y axis and up.
    tilt = 1.0 - poses[:, :3, 1] @ np.array(world_up)
    cost = apart.mean(1) / (apart.mean() + 1e-9) + turned.mean(1) / (turned.mean() + 1e-9) + tilt
    return cameras[int(np.argmin(cost))]


def orbit(cameras: Cameras, world_up: tuple[float, float, float], frames: int, depth: float | None = None) -> Cameras:
    """Circle around the focus point, at the median height and distance of the capture's cameras.

    A capture from one side only is not left: there the camera swings to and fro over the arc that the photos cover.

    Args:
        cameras: of the capture.
        world_up: unit vector that points up; the axis of the circle.
        frames: cameras on the path, which closes: the last is one step before the first.
        depth: see ``focus_point``.
    """
    focus = focus_point(cameras, world_up, depth)
    # Cylindrical coordinates of the cameras around the focus, about the world's up.
    frame = _upright_frame(world_up)
    offsets = (cameras.camera_to_world[:, :3, 3] - focus) @ frame
    azimuths = np.arctan2(offsets[:, 1], offsets[:, 0])
    radius, height = np.median(np.hypot(offsets[:, 0], offsets[:, 1])), np.median(offsets[:, 2])
    middle, half = covered_arc(azimuths)
    # All the way round at an even speed, or to and fro as a sine, slow at the turning points.
    phase = np.arange(frames) / frames * 2.0 * np.pi
    angles = middle + (phase if half >= np.pi else half * np.sin(phase))
    around = np.stack([radius * np.cos(angles), radius * np.sin(angles), np.full(frames, height)], axis=-1)
    poses = [look_at(focus + frame @ offset, focus, world_up) for offset in around]
    return _path(cameras, np.array(poses))


def covered_arc(azimuths: Float[np.ndarray, " cameras"]) -> tuple[float, float]:
    """Return the middle and the half width (radians) of the smallest arc with all azimuths in it.

    The half width is pi where no gap is wider than ``WIDEST_GAP_DEG``, i.e. the cameras go all the way round; a lone
    stray camera does not widen the arc (the outermost 2 % to each side are left out).
    """
    # Gaps between neighbours on the circle, the last one back to the first. The arc is all but the widest.
    ordered = np.sort(np.mod(azimuths, 2.0 * np.pi))
    gaps = np.diff(ordered, append=ordered[0] + 2.0 * np.pi)
    widest = int(np.argmax(gaps))
    if gaps[widest] <= np.radians(WIDEST_GAP_DEG):
        return float(azimuths[0]), np.pi
    stray = _SETTINGS.stray_share
    # Angles from the arc's start on, where they do not wrap.
    start = ordered[(widest + 1) % len(ordered)]
    low, high = np.quantile(np.mod(ordered - start, 2.0 * np.pi), [stray, 1.0 - stray])
    return float(start + (low + high) / 2.0), float((high - low) / 2.0)


def spiral(cameras: Cameras, world_up: tuple[float, float, float], frames: int, depth: float | None = None) -> Cameras:
    """Move in small circles about the capture's central view, in and out, always looking at what it looks at.

    Args:
        cameras: of the capture.
        world_up: unit vector that points up.
        frames: cameras on the path, which closes: the last is one step before the first.
        depth: see ``focus_point``.
    """
    centre = central_view(cameras, world_up)
    # OpenGL: the z axis points backwards. The distance to the focus is taken along it.
    away = centre.camera_to_world[:3, 2]
    distance = max(float((centre.position - focus_point(cameras, world_up, depth)) @ away), _NO_LENGTH)
    spread = np.median(np.linalg.norm(cameras.camera_to_world[:, :3, 3] - centre.position, axis=-1))
    radius = (
        min(_SETTINGS.spiral_spread * spread, _SETTINGS.spiral_share * distance) or _SETTINGS.spiral_lone * distance
    )
    phase = np.arange(frames) / frames * 2.0 * np.pi
    # Right, up and backwards, in the central camera's frame. At phase 0 all are 0: the path starts at the central view.
    turn = _SETTINGS.spiral_turns * phase
    steps = np.stack([np.sin(turn), _SETTINGS.spiral_rise * (np.cos(turn) - 1.0), np.sin(phase)], axis=-1) * radius
    target = centre.position - distance * away
    places = centre.position + steps @ centre.camera_to_world[:3, :3].T
    return _path(cameras, np.array([look_at(place, target, tuple(centre.camera_to_world[:3, 1])) for place in places]))


def standing(cameras: Cameras, world_up: tuple[float, float, float], frames: int) -> Cameras:
    """Stay at the capture's central view."""
    return standing_at(central_view(cameras, world_up), frames)


def standing_at(camera: Camera, frames: int) -> Cameras:
    """Stay at one camera."""
    return replace(Cameras.stack([camera])[[0] * frames], names=_names(frames))


def through(keyframes: Cameras, frames: int) -> Cameras:
    """Pass keyframes evenly in time, smoothly, slower at the first and the last; it stands between two equal ones.

    Places are on a Catmull-Rom spline, rotations on its like for quaternions (Shoemake, "Animating rotation with
    quaternion curves", 1985); both have no speed next to a stretch where the camera stands. Intrinsics change linearly.
    """
    from splines import KochanekBartels
    from splines.quaternion import KochanekBartels as RotationKochanekBartels
    from splines.quaternion import UnitQuaternion

    ends = np.r_[0, np.arange(len(keyframes)), len(keyframes) - 1]  # standing before the first and after the last
    poses, grid = keyframes.camera_to_world[ends], np.arange(-1, len(keyframes) + 1)
    # A tension of 1 next to a stretch where the camera stands takes the spline's speed there.
    stands = np.isclose(poses[1:], poses[:-1]).all(axis=(1, 2))
    tension = [(float(before or after), 0.0, 0.0) for before, after in zip(stands[:-1], stands[1:], strict=True)]
    times = np.linspace(0.0, len(keyframes) - 1.0, frames)
    quaternions = [UnitQuaternion.from_unit_xyzw(q) for q in Rotation.from_matrix(poses[:, :3, :3]).as_quat()]
    turned = RotationKochanekBartels(quaternions, grid, tcb=tension).evaluate(times)
    between = np.tile(np.eye(4), (frames, 1, 1))
    between[:, :3, :3] = Rotation.from_quat([q.xyzw for q in turned]).as_matrix()
    between[:, :3, 3] = KochanekBartels(poses[:, :3, 3], grid, tcb=tension).evaluate(times)
    segments = times.astype(int)
    exact = stands[segments + 1] | (times == segments)
    between[exact] = keyframes.camera_to_world[segments[exact]]  # to the last bit: equal poses are rendered once
    columns = [np.interp(times, np.arange(len(keyframes)), column) for column in keyframes.intrinsics.T]
    intrinsics = np.stack(columns, axis=-1)
    return replace(keyframes, names=_names(frames), camera_to_world=between, intrinsics=intrinsics)


def along_capture(cameras: Cameras, frames: int) -> Cameras:
    """Pass the photos' own poses in the order of the capture, evenly in number, interpolated between them."""
    poses = cameras.camera_to_world
    if len(cameras) == 1:
        return _path(cameras, np.repeat(poses, frames, axis=0))
    times = np.linspace(0.0, len(cameras) - 1.0, frames)
    # Great-circle interpolation of rotations (slerp), straight lines between places.
    turned = Slerp(np.arange(len(cameras)), Rotation.from_matrix(poses[:, :3, :3]))(times).as_matrix()
    between = np.tile(np.eye(4), (frames, 1, 1))
    between[:, :3, :3] = turned
    for axis in range(3):
        between[:, axis, 3] = np.interp(times, np.arange(len(cameras)), poses[:, axis, 3])
    return _path(cameras, between)


def look_at(
    position: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], up: tuple[float, float, float]
) -> Float[np.ndarray, "4 4"]:
    """Return the camera-to-world (OpenGL) of a camera at ``position`` that looks at ``target``, upright."""
    backward = position - target
    backward = backward / np.linalg.norm(backward)
    # A right-handed frame: right is up cross backward, and the camera's own up is backward cross right.
    right = np.cross(np.array(up), backward)
    if np.linalg.norm(right) < _NO_LENGTH:  # straight up or down: any horizontal direction will do
        right = np.cross(np.eye(3)[np.argmin(np.abs(backward))], backward)
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    # Columns: the camera's axes and its place in the world.
    pose[:3] = np.stack([right, np.cross(backward, right), backward, position], axis=-1)
    return pose


def _path(cameras: Cameras, poses: Float[np.ndarray, "frames 4 4"]) -> Cameras:
    # Principal points of photos may be off the middle; a video's is in it. Medians ignore a stray lens.
    fx, fy = np.median(cameras.intrinsics[:, :2], axis=0)
    intrinsics = np.tile([fx, fy, cameras.width / 2, cameras.height / 2], (len(poses), 1))
    return replace(cameras, names=_names(len(poses)), camera_to_world=poses, intrinsics=intrinsics)


def _names(frames: int) -> tuple[str, ...]:
    return tuple(f"{i:05d}" for i in range(frames))


def _upright_frame(world_up: tuple[float, float, float]) -> Float[np.ndarray, "3 3"]:
    # Columns: two horizontal axes and up, so that frame @ v is in the world and v @ frame the inverse.
    up = np.array(world_up) / np.linalg.norm(world_up)
    right = np.cross(np.eye(3)[np.argmin(np.abs(up))], up)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(up, right), up], axis=-1)


def _spacing(origins: Float[np.ndarray, "cameras 3"]) -> Float[np.ndarray, " cameras"]:
    return np.linalg.norm(origins - origins.mean(0), axis=-1)
