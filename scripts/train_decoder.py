"""Train the edge-preserving decoder: a target's latent and the photo under another light give the target.

    python scripts/train_decoder.py reference-768 --data SETS/train --validation SETS/test --output RUN
    accelerate launch --multi_gpu scripts/train_decoder.py reference-1536 ...

SETS are folders of scenes under several lights (see datasets/README.md). The finished codec is RUN/model, for
`scripts/train_controlnet.py --codec edge --codec-folder RUN/model`, or as the folder `codec` of a relighter. After
a stop, the same command continues from the last checkpoint. A flag changes each setting of a recipe.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.diffusion.options import DEFAULT_BASE
from relightnerf.training.config import DecoderRun

_REFERENCE = DecoderRun(
    data=Path("data/multi_illumination/train"),
    output=Path("runs/decoder"),
    validation=Path("data/multi_illumination/test"),
    steps=50_000,
    batch=2,
    precision="bf16",
    gradient_checkpointing=True,
    workers=8,
    decoder="cross-attention/asymmetric-autoencoder-kl-x-1-5",
)
RECIPES = {
    "reference-768": ("the reference recipe at 768x512", _REFERENCE),
    "reference-1536": ("the reference recipe at 1536x1024", replace(_REFERENCE, size=(1536, 1024), steps=20_000)),
    "new": (
        "a new decoder for the latents of a Stable Diffusion base",
        replace(_REFERENCE, decoder=None, base=DEFAULT_BASE, size=(256, 256), batch=8),
    ),
}
"""What each recipe is good for, and its settings."""


@dataclass
class TrainDecoder:
    """Parsed flags."""

    settings: DecoderRun

    def run(self) -> None:
        from relightnerf.training.decoder import train_decoder

        train_decoder(self.settings)


def _parsed() -> TrainDecoder:
    return TrainDecoder(tyro.extras.overridable_config_cli(RECIPES, description=__doc__))


if __name__ == "__main__":
    sys.exit(run_command(_parsed))
