"""Light directions, sets of them, and their spherical harmonics."""

from typing import TYPE_CHECKING, Any

from relightnerf.lights._canonical import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE
from relightnerf.lights._directions import (
    angles_from_direction,
    direction_from_angles,
    normalized_direction,
    rotation_between,
)
from relightnerf.lights._sets import LightSet, load_lights, reference_lights, save_lights

if TYPE_CHECKING:
    from relightnerf.lights._spherical_harmonics import SH_COEFFICIENTS, spherical_harmonics

__all__ = [
    "AMBIENT_RADIANCE",
    "DISC_RADIUS_DEG",
    "IRRADIANCE",
    "SH_COEFFICIENTS",
    "LightSet",
    "angles_from_direction",
    "direction_from_angles",
    "load_lights",
    "normalized_direction",
    "reference_lights",
    "rotation_between",
    "save_lights",
    "spherical_harmonics",
]


def __getattr__(name: str) -> Any:
    if name not in ("SH_COEFFICIENTS", "spherical_harmonics"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # torch takes seconds to import, and scene folders, light files and angles do without
    from relightnerf.lights import _spherical_harmonics

    return getattr(_spherical_harmonics, name)
