import shlex
from pathlib import Path
from typing import Any

import pytest

from relightnerf.cli._main import _parsed
from relightnerf.cli.command_line import command_line
from relightnerf.diffusion.options import DiffusionOptions
from relightnerf.pipeline.fit import Fit
from relightnerf.pipeline.geometry import Geometry
from relightnerf.pipeline.match import Match
from relightnerf.pipeline.prepare import Prepare
from relightnerf.pipeline.synthesize import Synthesize

SCENE = Path("my scenes/desk")


@pytest.mark.parametrize(
    "command",
    [
        Prepare(Path("a b/photos"), SCENE, preset="quick", max_views=12),
        Geometry(SCENE, steps=700, eval_every=0, depth_source="folder:d"),
        Synthesize(SCENE, "models/x", diffusion=DiffusionOptions(steps=3, size=(96, 64), without=("cue", "shading"))),
        Match(SCENE, mode="image", consistency=False),
        Fit(SCENE, preset="quick", force=True),
    ],
    ids=lambda command: type(command).__name__,
)
def test_what_is_to_be_typed_gives_the_same_flags(command: Any) -> None:
    words = shlex.split(command_line(command))
    assert words[0] == "relightnerf"
    assert _parsed(words[1:]) == command


def test_flags_at_their_default_are_left_out() -> None:
    assert command_line(Fit(Path("desk"))) == "relightnerf fit --scene desk"
