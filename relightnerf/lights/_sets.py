"""Named sets of light directions: files (lights.json) and the reference's 18."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json
from relightnerf.lights._directions import LightFrame, normalized_direction

CAPTURE_LIGHT = "capture"
"""Name of the light under which the photos were taken."""

_REFERENCE_PROBE_DIRECTIONS = {
    0: (-0.309, -0.912, 0.268),
    1: (0.460, -0.857, 0.231),
    4: (0.072, -0.722, 0.689),
    5: (0.052, 0.002, 0.999),
    6: (0.735, -0.381, 0.561),
    7: (-0.515, -0.540, 0.665),
    8: (-0.100, -0.867, 0.488),
    9: (0.253, -0.838, 0.483),
    10: (0.086, -0.949, 0.304),
    11: (-0.462, -0.766, 0.448),
    12: (-0.181, -0.672, 0.718),
    13: (-0.398, -0.295, 0.869),
    14: (0.158, -0.533, 0.831),
    15: (0.475, -0.240, 0.847),
    16: (0.320, -0.627, 0.710),
    17: (0.585, -0.680, 0.443),
    18: (0.971, -0.155, 0.184),
    23: (-0.785, -0.491, 0.378),
}
"""Flash directions of the Multi-Illumination dataset in its probe frame: x right, y into the scene, z up."""


@dataclass(frozen=True)
class LightSet:
    """Named directions towards lights, all in one frame.

    A camera frame is each view's own (OpenGL: x right, y up, z towards the viewer), so the same entry is another world
    direction in every view.
    """

    frame: LightFrame
    names: tuple[str, ...]
    directions: Float[np.ndarray, "lights 3"]

    def directions_camera(self, camera_to_world: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "lights 3"]:
        """Return the unit directions in the frame of the camera with this pose."""
        # Camera-to-world R has the camera's axes as columns: row by row, d R = (R^T d)^T is from world to camera.
        return self.directions if self.frame == "camera" else self.directions @ camera_to_world[:3, :3]

    def directions_world(self, camera_to_world: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "lights 3"]:
        """Return the unit directions in the capture's world frame for the view with this pose."""
        return self.directions if self.frame == "world" else self.directions @ camera_to_world[:3, :3].T  # R d.


def reference_lights() -> LightSet:
    """Return the 18 usable flash directions of the Multi-Illumination dataset (Murmann 2019), in the camera frame.

    Names are ``dir_<id>`` with the dataset's ids. A probe direction (x, y, z) is (x, z, -y) in the camera frame.
    """
    # From (right, into the scene, up) to (right, up, towards the viewer). The table has three digits, so lengths are 1
    # only nearly.
    directions = np.array([(x, z, -y) for x, y, z in _REFERENCE_PROBE_DIRECTIONS.values()])
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    return LightSet("camera", tuple(f"dir_{i}" for i in _REFERENCE_PROBE_DIRECTIONS), directions)


def load_lights(path: Path) -> LightSet:
    """Read a ``lights.json``.

    Raises:
        InputError: a key is missing, a name is used twice or unfit for a file name, or a direction has no length.
    """
    content = read_json(path)
    frame = content.get("frame")
    if frame not in ("world", "camera"):
        raise InputError(f'{path}: "frame" is {frame!r}', 'set it to "world" or "camera"')
    return parsed_lights(path, content.get("lights"), frame)


def parsed_lights(path: Path, entries: Any, frame: LightFrame) -> LightSet:
    """Return the lights of a JSON file's list of names and directions.

    Args:
        path: of the file, for messages.
        entries: what should be a list of ``{"name": ..., "direction": [x, y, z]}``.
        frame: of the directions.

    Raises:
        InputError: a key is missing, a name is used twice or unfit for a file name, or a direction has no length.
    """
    if not isinstance(entries, list) or not entries:
        raise InputError(f'{path}: no "lights"', 'list at least one {"name": ..., "direction": [x, y, z]}')
    names, directions = [], []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not {"name", "direction"} <= entry.keys():
            raise InputError(f'{path}: light {index} lacks "name" or "direction"', "add them")
        name = str(entry["name"])
        if name in names or not name or "/" in name or "__" in name or name == CAPTURE_LIGHT:
            raise InputError(
                f"{path}: light name {name!r} is used twice or not allowed",
                'use unique names without "/" and "__", other than "capture"',
            )
        names.append(name)
        directions.append(normalized_direction(entry["direction"], f"{path}: light {name!r}"))
    return LightSet(frame, tuple(names), np.array(directions))


def save_lights(path: Path, lights: LightSet) -> None:
    """Write a ``lights.json``, atomically."""
    write_json(path, {"frame": lights.frame, "lights": light_entries(lights)})


def light_entries(lights: LightSet) -> list[dict[str, Any]]:
    """Return the list that ``parsed_lights`` reads."""
    named = zip(lights.names, lights.directions, strict=True)
    return [{"name": name, "direction": [float(v) for v in direction]} for name, direction in named]
