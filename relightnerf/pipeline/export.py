"""The scene under one light as a file that other programs open."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from relightnerf.errors import InputError
from relightnerf.pipeline.light_flags import LightFlags

_SUFFIX = ".ply"
"""Of both kinds of export."""


@dataclass
class Export(LightFlags):
    """Write the scene under one light as 3D Gaussians or as a mesh with vertex colours, in the capture's world.

    Without a light, the light is the capture's own.
    """

    output: Path | None = None
    """The .ply file; by default <scene>/renders/<format>.ply."""
    format: Literal["splat", "mesh"] = "splat"
    """splat: 3D Gaussians for splat viewers, the background included; mesh: the fused mesh with 8-bit colours."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device to compute on; auto uses CUDA if it is available."""
    force: bool = False
    """Run again even if the result is complete."""

    def run(self) -> None:
        """Write the file.

        Raises:
            InputError: a flag cannot be used, or the scene has no fitted field or no mesh.
        """
        from relightnerf.devices import resolve_device
        from relightnerf.export.scene import write_gaussians, write_mesh
        from relightnerf.field.checkpoints import field_files
        from relightnerf.field.loading import load_renderer
        from relightnerf.render.light_specs import light_spec
        from relightnerf.scene import Scene
        from relightnerf.scene.stage import Stage

        self.check()
        scene = Scene.load(self.scene)
        device = resolve_device(self.device)
        inputs = [*field_files(scene), scene.mesh_path]
        if not scene.mesh_path.is_file():
            raise InputError(
                f"{scene.mesh_path}: no such file", f"run `relightnerf geometry --scene {scene.root}` first"
            )
        output, request = self.output or scene.renders / f"{self.format}{_SUFFIX}", self.light_request()
        light = light_spec(request, scene.world_up).at(scene.cameras()[0]) if request else None
        parameters = {"format": self.format, "light": light.described() if light else None}
        write = write_mesh if self.format == "mesh" else write_gaussians
        stage = Stage("export", output.parent, parameters, inputs, [output.name], f".{output.name}.json")
        stage.run(lambda: write(output, scene, load_renderer(scene, device), light), self.force)

    def check(self) -> None:
        """Raise ``InputError`` for flags that are wrong or do not go together."""
        self.light_request().check()
        if self.light_frame == "camera":
            raise InputError("--light-frame camera: an export has no camera", "give --light in the world's frame")
        if self.output is not None and self.output.suffix != _SUFFIX:
            raise InputError(f"--output {self.output}: not a .ply file", "end the name with .ply")
