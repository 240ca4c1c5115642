"""nerfstudio's viewer, for the field of a scene folder that may have been moved since it was fitted."""

from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.scripts.viewer.run_viewer import _start_viewer

from relightnerf.field.loading import load_pipeline
from relightnerf.progress import say
from relightnerf.scene import Scene
from relightnerf.viewer.control import install


def serve(scene: Scene, device: str, host: str, port: int) -> None:
    """Serve the viewer until it is interrupted.

    Args:
        scene: with a fitted field.
        device: ``cpu`` or ``cuda``.
        host: address to listen on.
        port: port to listen on; must be free, or the viewer silently takes the next one.
    """
    install()
    config, pipeline, step = load_pipeline(scene, device)
    rays = config.viewer.num_rays_per_chunk
    config.vis = "viewer"
    config.viewer = ViewerConfig(
        websocket_host=host, websocket_port=port, num_rays_per_chunk=rays, default_composite_depth=False
    )
    say(f"view: open http://{host}:{port} in a browser; Ctrl-C ends it")
    _start_viewer(config, pipeline, step)
