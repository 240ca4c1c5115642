"""A page about a gray ball: what the explorer blends can be compared with the ball under the light itself."""

import numpy as np
import pytest

from relightnerf.cameras import Cameras
from relightnerf.io.files import write_json
from relightnerf.io.images import write_image
from relightnerf.io.video import write_video
from relightnerf.lights import gray_ball
from relightnerf.pipeline.prepare import Prepare
from relightnerf.report_page import Dome, Explorer, page
from relightnerf.scene import Scene

SIZE = 48


@pytest.fixture(scope="session")
def ball_scene(tiny_capture, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A prepared capture with a video and scores, whose name would be trouble if it were not escaped."""
    root = tmp_path_factory.mktemp("ball") / "scene"
    Prepare(tiny_capture, root).run()
    scene = Scene.load(root)
    frames = [gray_ball(np.array([np.sin(a), 0.0, np.cos(a)]), SIZE) for a in np.linspace(-1.0, 1.0, 8)]
    write_video(scene.renders / "light_sweep.mp4", iter(frames), 8)
    scores = {f"{m}_{way}": 21.5 for m in ("psnr", "ssim") for way in ("raw", "scaled", "lab")}
    rows = {name: {"mean": scores, "pairs": {"v0__l": scores}} for name in ("this run", "<script>boom()</script>")}
    write_json(scene.report / "metrics.json", {"cameras": ["v0"], "lights": ["l"], "rows": rows})
    Scene(root, '</script><img src="http://x.invalid/i.png" onerror="boom()">', "", (0.0, 0.0, 1.0), 32, 24).save()
    return Scene.load(root)


@pytest.fixture(scope="session")
def ball_explorer(ball_scene: Scene) -> Explorer:
    """Three views of the ball under every light of the dome."""
    cameras = ball_scene.cameras()
    chosen = cameras.subset(cameras.names[::3])
    square = Cameras(chosen.names, chosen.camera_to_world, chosen.intrinsics, SIZE, SIZE)
    explorer = Explorer(ball_scene, square, Dome.of(ball_scene.world_up), chosen.names[:1])
    files = iter(explorer.files)
    for pose in square.camera_to_world:
        for direction in explorer.dome.lights().directions_camera(pose):
            write_image(next(files), gray_ball(direction, SIZE))
        write_image(next(files), gray_ball(np.array([0.0, 0.0, 1.0]), SIZE))
    return explorer


@pytest.fixture(scope="session")
def ball_page(ball_scene: Scene, ball_explorer: Explorer) -> str:
    """Address of the page, on disk."""
    path = ball_scene.report / "index.html"
    path.write_text(page(ball_scene, ball_explorer), encoding="utf-8")
    return path.as_uri()
