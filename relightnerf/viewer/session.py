"""One viewer with its light: the panel, the suns in each browser, and pictures that follow at once."""

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import viser
from jaxtyping import Float
from nerfstudio.cameras.cameras import Cameras as NerfstudioCameras
from nerfstudio.cameras.cameras import CameraType
from nerfstudio.viewer.render_state_machine import RenderStateMachine
from nerfstudio.viewer.utils import get_camera
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO as VIEWER_UNITS
from nerfstudio.viewer.viewer import Viewer
from torch import Tensor

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.field.frame import FieldFrame
from relightnerf.field.loading import field_renderer
from relightnerf.io.hdr import read_hdr
from relightnerf.lights import environment_lighting
from relightnerf.render.overlays import split, with_ball
from relightnerf.render.saved_views import SavedView
from relightnerf.viewer.buffers import SeenView, SeenViews
from relightnerf.viewer.panel import LightAction, LightPanel, with_environment_alone
from relightnerf.viewer.saving import add_keyframe, keep_view
from relightnerf.viewer.settings import LightSettings, preset_direction
from relightnerf.viewer.shape import ShapeWatch
from relightnerf.viewer.sun import Sun, add_dome

_BALL_SHARE = 0.16
"""Diameter of the gray ball over the picture's shorter side: less than in files, as pictures are looked at for long."""
_BRAND = (255, 211, 105)
"""Colour of buttons, 8-bit sRGB."""
_SUN_COLORS = ((255, 200, 60), (120, 170, 255))
"""Of the first and the second light's handle, 8-bit sRGB."""


@dataclass(frozen=True)
class ResponseSettings:
    """How the viewer's pictures follow its light."""

    settle_seconds: float = 0.3
    """Time without a change after which the whole picture is made: shorter, and it starts in every pause of a hand and
    is thrown away; longer, and the coarse picture stays longer."""
    composite_pixels: int = 256
    """Longer side of the depth that hides lines and suns behind the scene: encoding more takes longer than relighting,
    and their edges need no more."""
    sweep_seconds: float = 8.0
    """Time of one turn of the light: 45 degrees a second, slow enough to watch a shadow."""
    sweep_step_seconds: float = 0.05
    """Time between two of its lights, at least; the pictures of slower machines leave some out."""


_RESPONSE = ResponseSettings()


class LightSession:
    """Connects a viewer with a light.

    nerfstudio renders when a camera moves: few pixels at first, more when it stands. When only the light changes, what
    the camera has seen is relit here, at its full size.

    Args:
        viewer: nerfstudio's, just made.
        frame: the field's.
    """

    def __init__(self, viewer: Viewer, frame: FieldFrame) -> None:
        self._viewer, self._frame = viewer, frame
        self._set_theme()
        self._has_lights = viewer.get_model().has_lights
        self._views = SeenViews(field_renderer(viewer.get_model(), frame), frame)
        self._settings = LightSettings(uses_capture_light=not self._has_lights)
        self._warm_up()
        self._panel = LightPanel(viewer.viser_server.gui, self._has_lights, self._settings, self._act)
        self._dome = add_dome(viewer.viser_server.scene, "/light_dome")
        self._dome.visible = self._has_lights
        self._suns: dict[int, tuple[Sun, ...]] = {}
        self._changed, self._sweep, self._lock = threading.Event(), threading.Event(), threading.RLock()
        for work in (self._follow, self._tidy):
            threading.Thread(target=work, daemon=True).start()
        viewer.viser_server.on_client_connect(self._greet)
        viewer.viser_server.on_client_disconnect(lambda client: self._suns.pop(client.client_id, None))

    def _set_theme(self) -> None:
        """Take away the title bar, whose parts are fetched from elsewhere, before there is anything to see below it."""
        gui = self._viewer.viser_server.gui
        gui.configure_theme(control_layout="collapsible", dark_mode=True, brand_color=_BRAND)

    def _tidy(self) -> None:
        """Take away what hides the scene or does nothing here."""
        viewer = self._viewer
        if viewer.trainer is None:
            viewer.pause_train.visible = viewer.resume_train.visible = False
        while not hasattr(viewer, "train_state"):  # the last that is set when the photos have been drawn
            time.sleep(_RESPONSE.settle_seconds)
        viewer.set_camera_visibility(False)
        viewer.toggle_cameravis_button()

    def _warm_up(self) -> None:
        """Make a tiny picture: nerfstudio stops pictures half way, and must not stop imports and compilations so."""
        camera = Camera("", np.eye(4), np.array([8.0, 8.0, 4.0, 4.0]), 8, 8)
        seen = self._views.see(camera, -1)
        if self._has_lights:
            self._views.relight(seen, self._settings.lighting(camera.camera_to_world, self._frame.world_up))

    def outputs(self, camera: NerfstudioCameras) -> dict[str, Tensor] | None:
        """Return what is shown of a camera in the field's frame.

        None where it is not a perspective camera, or where it is not the viewer that asks: training evaluates too.
        """
        is_viewer = isinstance(threading.current_thread(), RenderStateMachine)
        if not is_viewer or int(camera.camera_type[0, 0]) != CameraType.PERSPECTIVE.value:
            return None
        return self._pictures(self._views.see(self._world_camera(camera), self._viewer.step))

    def _pictures(
        self, seen: SeenView, stride: int = 1, is_stale: Callable[[], bool] = lambda: False
    ) -> dict[str, Tensor] | None:
        pose = seen.camera.camera_to_world
        light = self._settings.lighting(pose, self._frame.world_up)
        capture = self._views.relight(seen, None, stride)
        picture = capture if light is None else self._views.relight(seen, light, stride, is_stale)
        if capture is None or picture is None:
            return None
        if self._panel.compares.value:
            picture = split(capture, picture, self._panel.split.value)
        if self._panel.shows_ball.value and light is not None:
            picture = with_ball(picture, light, pose, share=_BALL_SHARE)
        depth = seen.depth[::stride, ::stride, None]
        device, shown = self._viewer.get_model().device, {"rgb": picture, "capture": capture, "depth": depth}
        return {name: torch.from_numpy(values).to(device) for name, values in shown.items()}

    def _composite_depth(self, seen: SeenView) -> Tensor:
        """Return the depth that hides lines and suns behind the scene: small, as it is slow to encode."""
        stride = -(-max(seen.depth_z.shape) // _RESPONSE.composite_pixels)
        return torch.from_numpy(seen.depth_z[::stride, ::stride, None])

    def _world_camera(self, camera: NerfstudioCameras) -> Camera:
        pose = np.eye(4)
        pose[:3] = camera.camera_to_worlds[0].cpu().numpy()
        intrinsics = torch.stack([camera.fx, camera.fy, camera.cx, camera.cy]).flatten().double().cpu().numpy()
        world_pose = self._frame.world_poses(pose)
        return Camera("view", world_pose, intrinsics, int(camera.width.item()), int(camera.height.item()))

    def _client_camera(self, client: viser.ClientHandle) -> Camera:
        """Return a browser's camera with the largest picture that the viewer would make."""
        state, longest = self._viewer.get_camera_state(client), int(self._viewer.control_panel.max_res)
        height = int(longest / max(state.aspect, 1.0))
        width = int(longest * min(state.aspect, 1.0)) if state.aspect < 1.0 else longest
        return self._world_camera(get_camera(state, height, width))

    def _pose(self, client: viser.ClientHandle) -> Float[np.ndarray, "4 4"]:
        return self._client_camera(client).camera_to_world

    def _greet(self, client: viser.ClientHandle) -> None:
        ShapeWatch(client)
        self._look_at_scene(client)
        if self._has_lights:
            self._suns[client.client_id] = tuple(
                Sun(client, f"/light_{i}", color, lambda towards, i=i: self._drag(client, i, towards))  # type: ignore[misc]
                for i, color in enumerate(_SUN_COLORS)
            )
            self._place_suns(client)
            client.camera.on_update(lambda _: self._place_suns(client))

    def _look_at_scene(self, client: viser.ClientHandle) -> None:
        """Put a browser's camera where the first photo was taken, and let it turn around what the photos show."""
        camera = self._viewer.pipeline.datamanager.train_dataset.cameras[0]
        place = camera.camera_to_worlds[:, 3].cpu().numpy().astype(np.float64)
        client.camera.up_direction = np.array([0.0, 0.0, 1.0])
        client.camera.position = VIEWER_UNITS * place
        client.camera.look_at = np.zeros(3)
        client.camera.fov = 2.0 * float(torch.atan(camera.height / 2.0 / camera.fy))

    def _place_suns(self, client: viser.ClientHandle) -> None:
        settings, pose, up = self._settings, self._pose(client), self._frame.world_up
        for i, sun in enumerate(self._suns.get(client.client_id, ())):
            is_shown = (
                self._panel.shows_dome.value
                and i < len(settings.directional)
                and settings.directional[i].intensity > 0.0
            )
            sun.show(self._frame.directions(settings.light_direction(i, pose, up)) if is_shown else None)

    def _drag(self, client: viser.ClientHandle, index: int, towards: Float[np.ndarray, "3"]) -> None:
        towards_world = towards @ self._frame.rotation
        with self._lock:
            self._sweep.clear()
            moved = self._settings.with_light_towards(index, towards_world, self._pose(client), self._frame.world_up)
            self._set(replace(moved, uses_capture_light=False))

    def _set(self, settings: LightSettings) -> None:
        self._settings = settings
        self._panel.write(settings)
        self._refresh()

    def _refresh(self) -> None:
        for client in self._viewer.viser_server.get_clients().values():
            self._place_suns(client)
        self._changed.set()

    def _act(self, action: LightAction, event: viser.GuiEvent) -> None:
        client = event.client
        assert client is not None
        if action == "save":
            self._keep(client, self._save)
        elif action == "keyframe":
            self._keep(client, self._add_keyframe)
        elif action == "sweep":
            self._toggle_sweep()
        elif action == "look":
            self._dome.visible = self._panel.shows_dome.value
            self._refresh()
        else:
            with self._lock:
                self._sweep.clear()
                self._change(action, event, client)

    def _change(self, action: LightAction, event: viser.GuiEvent, client: viser.ClientHandle) -> None:
        settings, up = self._settings, self._frame.world_up
        if action == "frame":
            self._set(settings.in_frame(event.target.value, self._pose(client), up))
        elif action == "preset":
            direction = preset_direction(event.target.value, self._pose(client), up)
            moved = settings.with_light_towards(0, direction, self._pose(client), up)
            self._set(replace(moved, uses_capture_light=False))
        elif action == "environment":
            self._open_environment(event.target.value.name, event.target.value.content, client)
        else:
            self._settings = self._panel.read()
            self._refresh()

    def _open_environment(self, name: str, content: bytes, client: viser.ClientHandle) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"map{Path(name).suffix.lower()}"
            path.write_bytes(content)
            try:
                environment = environment_lighting(read_hdr(path), world_up=self._frame.world_up)
            except InputError as error:
                what = str(error).replace(str(path), name)
                client.add_notification("Not an environment map", what, color="red")
                return
        self._set(with_environment_alone(self._settings, environment))

    def _toggle_sweep(self) -> None:
        """Turn the light once around; a second press, or any other light, stops it."""
        if self._sweep.is_set():
            self._sweep.clear()
            return
        self._sweep.set()
        start, begun, done = replace(self._settings, uses_capture_light=False), time.monotonic(), 0.0
        while done < 1.0:
            time.sleep(_RESPONSE.sweep_step_seconds)
            done = min((time.monotonic() - begun) / _RESPONSE.sweep_seconds, 1.0)
            with self._lock:
                if not self._sweep.is_set():
                    return
                self._set(start.turned(360.0 * done))
        self._sweep.clear()

    def _keep(self, client: viser.ClientHandle, keep: Callable[[Path, SavedView], str]) -> None:
        """Write what a browser sees into the scene's folder of views, and tell its user."""
        camera = self._client_camera(client)
        light = self._settings.lighting(camera.camera_to_world, self._frame.world_up)
        folder = Path(self._viewer.datapath) / "renders" / "views"
        try:
            done = keep(folder, SavedView(camera, light))
        except OSError as error:
            client.add_notification("Not saved", f"{folder}: {error.strerror or error}", color="red")
        except InputError as error:
            client.add_notification("Not saved", str(error), color="red")
        else:
            client.add_notification("Saved", done, auto_close=8000)

    def _save(self, folder: Path, view: SavedView) -> str:
        with self._viewer.train_lock or contextlib.nullcontext():
            seen = self._views.see(view.camera, self._viewer.step)
        picture = self._views.relight(seen, view.light)
        assert picture is not None
        path = keep_view(folder, self._panel.name.value, picture, view)
        return f"{path} and its picture {path.stem}.png"

    def _add_keyframe(self, folder: Path, view: SavedView) -> str:
        with self._lock:
            path, count = add_keyframe(folder, self._panel.name.value, view)
        return f"keyframe {count} of {path}; `relightnerf render --view {path}` makes the video"

    def _follow(self) -> None:
        """Show every change of the light: coarse at once where it is dear, and whole when it rests."""
        while True:
            self._changed.wait()
            self._changed.clear()
            self._show(is_moving=True)
            if not self._changed.wait(_RESPONSE.settle_seconds):
                self._show(is_moving=False)

    def _show(self, is_moving: bool) -> None:
        for machine in list(self._viewer.render_statemachines.values()):
            seen = self._views.largest(self._client_camera(machine.client))
            if seen is not None:
                light = self._settings.lighting(seen.camera.camera_to_world, self._frame.world_up)
                stride = self._views.stride(seen, light) if is_moving else 1
                outputs = self._pictures(seen, stride, (lambda: False) if is_moving else self._changed.is_set)
                if outputs is None:
                    return
                if self._viewer.control_panel.layer_depth:
                    outputs["gl_z_buf_depth"] = self._composite_depth(seen)
                machine._send_output_to_viewer(outputs)
            if not is_moving:
                self._place_suns(machine.client)
