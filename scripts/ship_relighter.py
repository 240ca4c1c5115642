"""Put a trained relighting model into the package: half precision, without optimizer or checkpoints.

    python scripts/ship_relighter.py --model RUN/model --normals NORMALS/model

Writes relightnerf/weights/compact; its README.md, the model card, is left as it is.
"""

import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from relightnerf.cli import run_command
from relightnerf.errors import InputError

PACKAGE = Path(__file__).parents[1] / "relightnerf" / "weights"
MOST_MB = 40.0


@dataclass
class ShipRelighter:
    """Parsed flags."""

    model: Path
    """What a training has written as RUN/model; its networks must all be in the folder."""
    normals: Path | None = None
    """Network that corrects normals, as scripts/train_normals.py writes it, instead of the model's own."""
    size: tuple[int, int] = (176, 176)
    """Width and height whose area the model is to work at."""
    radius: int = 1
    """Neighbours to each side in the ratio codec's upsampling."""
    output: Path = PACKAGE / "compact"
    """Folder to write to."""

    def run(self) -> None:
        import torch

        from relightnerf.diffusion.codecs import RatioCodec
        from relightnerf.diffusion.denoisers import ControlledUNet
        from relightnerf.diffusion.model import RelightingModel
        from relightnerf.diffusion.normals import load_normals

        model = RelightingModel.load(str(self.model), dtype=torch.float16)
        if isinstance(model.denoiser, ControlledUNet) or not isinstance(model.codec, RatioCodec):
            raise InputError(
                f"{self.model}: needs a base, or another codec than `ratio`", "give a self-contained model"
            )
        if self.normals:
            model.normals = load_normals(self.normals)
        if model.normals:
            model.normals.half()
        model.settings = replace(model.settings, size=self.size)
        model.codec = RatioCodec(replace(model.codec.settings, radius=self.radius))
        ship(model.save, self.model, self.output, MOST_MB)


def ship(save: Callable[[Path], None], source: Path, output: Path, most_mb: float) -> None:
    """Write what is saved into a folder of the package, without the place that it came from.

    Args:
        save: writes a model into a folder.
        source: of the model, for messages.
        output: folder to write to; other files in it are left as they are.
        most_mb: size that fits into the package.

    Raises:
        InputError: it is larger.
    """
    from relightnerf.io.files import atomic_path, list_files, read_json, write_json
    from relightnerf.progress import say

    with tempfile.TemporaryDirectory() as temporary:
        saved = Path(temporary) / "model"
        save(saved)
        for config in saved.rglob("config.json"):
            write_json(config, {key: value for key, value in read_json(config).items() if key != "_name_or_path"})
        files = [path for path in list_files([saved]) if path.is_file()]
        megabytes = sum(path.stat().st_size for path in files) / 1e6
        if megabytes > most_mb:
            raise InputError(f"{source}: {megabytes:.0f} MB in half precision", f"at most {most_mb:.0f} fit in")
        for path in files:
            with atomic_path(output / path.relative_to(saved)) as target:
                shutil.copyfile(path, target)
    say(f"{output}: {megabytes:.1f} MB")


if __name__ == "__main__":
    sys.exit(run_command(lambda: tyro.cli(ShipRelighter, description=__doc__)))
