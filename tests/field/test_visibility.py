"""Light that arrives at a place, in a density grid with one opaque slab."""

import torch

from relightnerf.field.sampling import CONTRACTED_RADIUS
from relightnerf.field.visibility import visibility

SIDE = 80
UP, ASIDE = (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)


def _slab(opacity: float) -> torch.Tensor:
    """Return a density that stops light between z = 0.4 and z = 0.6 over the half of space with x below 0."""
    centre = (torch.arange(SIDE) + 0.5) / SIDE * 2.0 * CONTRACTED_RADIUS - CONTRACTED_RADIUS
    z, _, x = torch.meshgrid(centre, centre, centre, indexing="ij")
    return torch.where((z > 0.4) & (z < 0.6) & (x < 0.0), opacity, 0.0)


def _arriving(x: float, light: tuple[float, float, float], reach: float = torch.inf, opacity: float = 1e4) -> float:
    lights = torch.tensor(light)[None, None]
    found = visibility(torch.tensor([[x, 0.0, 0.0]]), lights, torch.tensor([[reach]]), _slab(opacity))
    assert found.shape == (1, 1)
    return float(found)


def test_what_stands_between_a_place_and_a_light_casts_a_shadow() -> None:
    assert _arriving(-0.5, UP) < 1e-4
    assert _arriving(0.5, UP) == 1.0
    assert _arriving(-0.5, ASIDE) == 1.0


def test_what_is_behind_a_near_light_casts_none() -> None:
    assert _arriving(-0.5, UP, reach=0.3) == 1.0
    assert _arriving(-0.5, UP, reach=1.0) < 1e-4


def test_a_thin_medium_lets_through_what_beer_and_lambert_say() -> None:
    # density is per length of space scaled to [-1, 1]: the slab is 0.2 / 2 thick there
    arriving = _arriving(-0.5, UP, opacity=10.0)
    assert 0.2 < arriving < 0.55  # exp(-1) for steps that are fine; these see it as between 0.6 and 1.6 times as thick
