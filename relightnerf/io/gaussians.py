"""3D Gaussians as files in the layout of "3D Gaussian Splatting" (Kerbl et al. 2023), which splat viewers open."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from relightnerf.errors import InputError
from relightnerf.io.ply import read_vertices, write_vertices

_C0 = 0.28209479177387814  # the spherical harmonic of degree 0
_REST = 45  # coefficients of degrees 1 to 3; some viewers read no file without them
_MOST_OPAQUE = 1.0 - 1e-6  # its logit is finite
_FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"),
    *(f"f_rest_{i}" for i in range(_REST)),
    *("opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"),
)


@dataclass(frozen=True)
class Gaussians:
    """Gaussians whose colour is the same from all sides.

    Attributes:
        means: in the capture's world.
        scales: standard deviations along their own axes, world units.
        rotations: unit quaternions (w, x, y, z) from their own axes to the world's.
        opacities: in [0, 1], at the mean.
        colors: sRGB in [0, 1].
    """

    means: Float[np.ndarray, "gaussians 3"]
    scales: Float[np.ndarray, "gaussians 3"]
    rotations: Float[np.ndarray, "gaussians 4"]
    opacities: Float[np.ndarray, " gaussians"]
    colors: Float[np.ndarray, "gaussians 3"]


def joined(parts: Sequence[Gaussians]) -> Gaussians:
    """Return all Gaussians of several sets."""
    return Gaussians(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Gaussians)))


def save_gaussians(path: Path, gaussians: Gaussians) -> None:
    """Write a binary PLY file, atomically: sRGB is 0.5 + C0 * f_dc, opacities are logits, and scales logarithms."""
    opacity = np.clip(gaussians.opacities, 1.0 - _MOST_OPAQUE, _MOST_OPAQUE)
    table = np.zeros(len(opacity), [(name, "<f4") for name in _FIELDS])
    columns = {
        ("x", "y", "z"): gaussians.means,
        ("f_dc_0", "f_dc_1", "f_dc_2"): (gaussians.colors - 0.5) / _C0,
        ("opacity",): np.log(opacity / (1.0 - opacity))[:, None],
        ("scale_0", "scale_1", "scale_2"): np.log(gaussians.scales),
        ("rot_0", "rot_1", "rot_2", "rot_3"): gaussians.rotations,
    }
    for names, values in columns.items():
        for name, column in zip(names, values.T, strict=True):
            table[name] = column
    write_vertices(path, table)


def load_gaussians(path: Path) -> Gaussians:
    """Read a file of this layout; coefficients beyond degree 0 are left out.

    Raises:
        InputError: the file is absent, damaged, or of another layout.
    """
    table = read_vertices(path)
    needed = [name for name in _FIELDS if not name.startswith(("n", "f_rest"))]
    if missing := [name for name in needed if name not in (table.dtype.names or ())]:
        raise InputError(f"{path}: not a file of 3D Gaussians (it has no {missing[0]})", "give another file")
    columns = {name: table[name].astype(np.float64) for name in needed}

    def stacked(*names: str) -> np.ndarray:
        return np.stack([columns[name] for name in names], axis=-1)

    return Gaussians(
        stacked("x", "y", "z"),
        np.exp(stacked("scale_0", "scale_1", "scale_2")),
        stacked("rot_0", "rot_1", "rot_2", "rot_3"),
        1.0 / (1.0 + np.exp(-columns["opacity"])),
        0.5 + _C0 * stacked("f_dc_0", "f_dc_1", "f_dc_2"),
    )
