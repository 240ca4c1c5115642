"""nerfstudio's view of a scene folder: cameras in the field's frame, relit images and their lights per view."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras
from nerfstudio.cameras.cameras import CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from relightnerf.cameras import Camera, Cameras
from relightnerf.field.frame import FieldFrame
from relightnerf.field.split import held_out
from relightnerf.lights import load_lights
from relightnerf.scene import Scene


@dataclass
class RelightDataParserConfig(DataParserConfig):
    """A prepared scene folder."""

    _target: type = field(default_factory=lambda: RelightDataParser)
    data: Path = Path()
    """The scene folder (made by `relightnerf prepare`)."""
    eval_every: int = 8
    """Every so many views, one is held out; 0 holds out none."""
    lights_from: str = "matched"
    """Folder in the scene with the relit images and lights.json; without it, only the capture's light is learned."""
    depth_from: str = "geometry/stereo"
    """Folder in the scene with depth that the density is to have; without it, only photos count."""


@dataclass
class RelightDataParser(DataParser):
    """Splits by view, so that a held-out view is not seen under any light."""

    config: RelightDataParserConfig

    def _generate_dataparser_outputs(self, split: str = "train") -> DataparserOutputs:
        scene = Scene.load(Path(self.config.data))
        cameras = scene.cameras()
        frame = scene_frame(scene, cameras)
        eval_names = held_out(cameras.names, self.config.eval_every)
        wanted = [i for i, n in enumerate(cameras.names) if (n in eval_names) == (split != "train")]
        if not wanted:
            wanted = list(range(len(cameras)))
        chosen = cameras[wanted]
        masks = [scene.mask_path(name) for name in chosen.names]
        return DataparserOutputs(
            image_filenames=[scene.image_path(name) for name in chosen.names],
            cameras=nerfstudio_cameras(chosen, frame),
            scene_box=SceneBox(aabb=torch.tensor([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])),
            mask_filenames=masks if all(masks) else None,  # nerfstudio's own loader knows no view without one
            metadata={
                "view_names": chosen.names,
                "frame": frame,
                "depth_filenames": [_if_file(scene.root / self.config.depth_from / f"{n}.npy") for n in chosen.names],
                **self._lights(scene, chosen, frame),
            },
            dataparser_transform=torch.as_tensor(frame.transform(), dtype=torch.float32),
            dataparser_scale=frame.scale,
        )

    def _lights(self, scene: Scene, cameras: Cameras, frame: FieldFrame) -> dict[str, object]:
        folder = scene.root / self.config.lights_from
        if not self.config.lights_from or not (folder / "lights.json").is_file():
            return {}
        lights = load_lights(folder / "lights.json")
        directions = np.stack([frame.directions(lights.directions_world(pose)) for pose in cameras.camera_to_world])
        files = [[folder / f"{view}__{light}.png" for light in lights.names] for view in cameras.names]
        return {"light_directions": torch.as_tensor(directions, dtype=torch.float32), "relit_filenames": files}


def _if_file(path: Path) -> Path | None:
    return path if path.is_file() else None


def scene_frame(scene: Scene, cameras: Cameras) -> FieldFrame:
    """Return the field's frame of a scene; it depends on the capture alone."""
    path = scene.capture / "sparse_pc.ply"
    points = None
    if path.is_file():
        import open3d

        points = np.asarray(open3d.io.read_point_cloud(str(path)).points)
    return FieldFrame.from_capture(cameras, scene.world_up, points)


def nerfstudio_cameras(cameras: Cameras | Camera, frame: FieldFrame) -> NerfstudioCameras:
    """Bring cameras into the field's frame, as nerfstudio holds them."""
    poses = np.reshape(frame.poses(cameras.camera_to_world), (-1, 4, 4))
    fx, fy, cx, cy = torch.as_tensor(np.reshape(cameras.intrinsics, (-1, 4)).T, dtype=torch.float32)
    return NerfstudioCameras(
        camera_to_worlds=torch.as_tensor(poses[:, :3], dtype=torch.float32),
        fx=fx,
        fy=fy,
        cx=cx,
        cy=cy,
        width=cameras.width,
        height=cameras.height,
        camera_type=CameraType.PERSPECTIVE,
    )


relightnerf_dataparser = DataParserSpecification(
    config=RelightDataParserConfig(), description="A scene folder of relightnerf."
)
"""Found by nerfstudio by entry point: the dataparser `relightnerf` for any method."""
