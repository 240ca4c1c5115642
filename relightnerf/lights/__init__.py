"""Light directions, light sets, lightings and spherical harmonics; ``paths`` has moving lights."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from relightnerf.lights._balls import gray_ball, lit_ball
from relightnerf.lights._canonical import AMBIENT_RADIANCE, DISC_RADIUS_DEG, IRRADIANCE
from relightnerf.lights._directional import DirectionalLight
from relightnerf.lights._directions import (
    LightFrame,
    angles_from_direction,
    direction_from_angles,
    directions_around,
    normalized_direction,
    rotation_between,
    spread_directions,
)
from relightnerf.lights._lighting import Lighting, environment_lighting, turn_about
from relightnerf.lights._sets import (
    CAPTURE_LIGHT,
    LightSet,
    light_entries,
    load_lights,
    parsed_lights,
    reference_lights,
    save_lights,
)
from relightnerf.lights._shading import (
    SHADINGS,
    TYPICAL_SHADING,
    ambient_terms,
    canonical_shading,
    shading_ratio,
    shading_terms,
)

if TYPE_CHECKING:
    from relightnerf.lights._ball_fit import fit_ball_direction
    from relightnerf.lights._spherical_harmonics import (
        SH_COEFFICIENTS,
        instant_ngp_signs,
        sh_rotation,
        spherical_harmonics,
    )

__all__ = [
    "AMBIENT_RADIANCE",
    "CAPTURE_LIGHT",
    "DISC_RADIUS_DEG",
    "IRRADIANCE",
    "SHADINGS",
    "SH_COEFFICIENTS",
    "TYPICAL_SHADING",
    "DirectionalLight",
    "LightFrame",
    "LightSet",
    "Lighting",
    "ambient_terms",
    "angles_from_direction",
    "canonical_shading",
    "direction_from_angles",
    "directions_around",
    "environment_lighting",
    "fit_ball_direction",
    "gray_ball",
    "instant_ngp_signs",
    "light_entries",
    "lit_ball",
    "load_lights",
    "normalized_direction",
    "parsed_lights",
    "reference_lights",
    "rotation_between",
    "save_lights",
    "sh_rotation",
    "shading_ratio",
    "shading_terms",
    "spherical_harmonics",
    "spread_directions",
    "turn_about",
]


# torch takes seconds to import, and scene folders, light files and angles do without
_WITH_TORCH = {
    "SH_COEFFICIENTS": "_spherical_harmonics",
    "fit_ball_direction": "_ball_fit",
    "instant_ngp_signs": "_spherical_harmonics",
    "sh_rotation": "_spherical_harmonics",
    "spherical_harmonics": "_spherical_harmonics",
}


def __getattr__(name: str) -> Any:
    if name not in _WITH_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WITH_TORCH[name]}"), name)
