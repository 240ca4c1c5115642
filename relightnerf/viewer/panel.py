"""The light panel: controls in the viewer's side bar for all ``LightSettings``, and more."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import viser

from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear
from relightnerf.lights import DirectionalLight, Lighting
from relightnerf.viewer.settings import PRESETS, LightSettings

LightAction = Literal["change", "frame", "preset", "environment", "sweep", "save", "keyframe", "look"]
"""What people did: moved a control of the light, chose a frame or a preset, gave a map, pressed a button, or changed
what is shown beside the light."""

_MOST_INTENSITY = 4.0
"""Right end of the sliders of strengths, in canonical lights: beyond it most pictures are white."""
_NO_BUTTON = ""  # a group of buttons reports a click only on another button than before
_SECOND = DirectionalLight(-135.0, 30.0, intensity=0.5)
"""The second light when it is first turned on: from behind on the left, at half the strength, as a rim light."""


@dataclass(frozen=True)
class _DirectionalControls:
    azimuth: viser.GuiInputHandle[float]
    elevation: viser.GuiInputHandle[float]
    intensity: viser.GuiInputHandle[float]
    color: viser.GuiInputHandle[tuple[int, int, int]]

    @classmethod
    def add(cls, gui: viser.GuiApi, light: DirectionalLight) -> "_DirectionalControls":
        return cls(
            gui.add_slider("Azimuth", -180.0, 180.0, 1.0, light.azimuth_deg, hint="Degrees, see Frame"),
            gui.add_slider("Elevation", -90.0, 90.0, 1.0, light.elevation_deg, hint="Degrees above the horizon"),
            gui.add_slider("Intensity", 0.0, _MOST_INTENSITY, 0.05, light.intensity),
            gui.add_rgb("Colour", _to_picker(light.color)),
        )

    def read(self) -> DirectionalLight:
        red, green, blue = srgb_to_linear(np.array(self.color.value) / 255.0).tolist()
        return DirectionalLight(self.azimuth.value, self.elevation.value, (red, green, blue), self.intensity.value)

    def write(self, light: DirectionalLight) -> None:
        for control, value in (
            (self.azimuth, round(light.azimuth_deg, 1)),
            (self.elevation, round(light.elevation_deg, 1)),
            (self.intensity, light.intensity),
            (self.color, _to_picker(light.color)),
        ):
            _write(control, value)


class LightPanel:
    """Controls of the light, and of what is shown with it.

    Args:
        gui: where to put it.
        has_lights: whether the field knows other lights than the capture's own.
        settings: what it says at first.
        act: called in a thread when people use it, with what they did and in which browser; programs that write to it
            call nothing.
    """

    def __init__(
        self,
        gui: viser.GuiApi,
        has_lights: bool,
        settings: LightSettings,
        act: Callable[[LightAction, viser.GuiEvent], None],
    ) -> None:
        self._act = act
        self._environment: Lighting | None = None
        with gui.add_folder("Light", order=0):
            if has_lights:
                self._add_light(gui, settings)
            else:
                gui.add_markdown("This field knows the capture's own light only. `relightnerf fit` teaches it others.")
            self._add_views(gui, has_lights)
        if has_lights:
            self._watch()

    def _add_light(self, gui: viser.GuiApi, settings: LightSettings) -> None:
        self.capture = gui.add_checkbox(
            "Capture's own light", settings.uses_capture_light, hint="The light of the photos; any control leaves it"
        )
        names = tuple(PRESETS)
        self.presets = (
            gui.add_button_group("From", names[:2], hint="As seen from here"),
            gui.add_button_group("", names[2:], hint="As seen from here"),
        )
        hint = "world: azimuth from +x, counter-clockwise from above; camera: from behind the camera to the right"
        self.frame = gui.add_dropdown("Frame", ("world", "camera"), settings.frame, hint=hint)
        self.first = _DirectionalControls.add(gui, settings.directional[0])
        self.ambient = gui.add_slider("Ambient", 0.0, _MOST_INTENSITY, 0.05, settings.ambient)
        self.sweep = gui.add_button("Sweep", icon=viser.Icon.ROTATE_360, hint="Turns the light once around")
        with gui.add_folder("Second light", expand_by_default=False):
            self.has_second = gui.add_checkbox("On", False)
            self.second = _DirectionalControls.add(gui, _SECOND)
        with gui.add_folder("Environment map", expand_by_default=False):
            self.environment = gui.add_upload_button("Open .exr or .hdr", icon=viser.Icon.UPLOAD)
            self.environment_rotation = gui.add_slider("Rotation", -180.0, 180.0, 1.0, 0.0, disabled=True)
            self.environment_intensity = gui.add_slider("Intensity", 0.0, _MOST_INTENSITY, 0.05, 1.0, disabled=True)

    def _add_views(self, gui: viser.GuiApi, has_lights: bool) -> None:
        self.compares = gui.add_checkbox("Compare", False, visible=has_lights, hint="The capture's own light, and this")
        self.split = gui.add_slider("Split", 0.0, 1.0, 0.01, 0.5, visible=False)
        self.shows_dome = gui.add_checkbox("Handle on a dome", has_lights, visible=has_lights)
        self.shows_ball = gui.add_checkbox("Gray ball", has_lights, visible=has_lights)
        self.name = gui.add_text("View's name", "view")
        self.save = gui.add_button("Save view", icon=viser.Icon.CAMERA, hint="A PNG, and a JSON for `render --view`")
        self.save.on_click(lambda event: self._act("save", event))
        hint = "Where a video passes, camera and light, after those added before: a JSON for `render --view`"
        self.keyframe = gui.add_button("Add keyframe", icon=viser.Icon.MOVIE, hint=hint)
        self.keyframe.on_click(lambda event: self._act("keyframe", event))

    def _watch(self) -> None:
        controls: list[Any] = [self.ambient, self.has_second, self.environment_rotation, self.environment_intensity]
        for light in (self.first, self.second):
            controls += [light.azimuth, light.elevation, light.intensity, light.color]
        for control in controls:
            control.on_update(self._reporter("change", leaves_capture=True))
        for control in (self.compares, self.split, self.shows_dome, self.shows_ball):
            control.on_update(self._reporter("look"))
        self.capture.on_update(self._reporter("change"))
        self.frame.on_update(self._reporter("frame"))
        for group in self.presets:
            group.value = _NO_BUTTON
            group.on_click(self._reporter("preset"))
        self.sweep.on_click(self._reporter("sweep"))
        self.environment.on_upload(self._reporter("environment"))

    def _reporter(self, action: LightAction, leaves_capture: bool = False) -> Callable[[viser.GuiEvent], None]:
        def report(event: viser.GuiEvent) -> None:
            if event.client is None:  # written by a program
                return
            if leaves_capture:
                _write(self.capture, False)
            self.split.visible = self.compares.value
            self._act(action, event)
            if action == "preset":
                event.target.value = _NO_BUTTON

        return report

    def read(self) -> LightSettings:
        """Return what the panel says."""
        second = (self.second.read(),) if self.has_second.value else ()
        return LightSettings(
            self.capture.value,
            self.frame.value,  # type: ignore[arg-type]
            (self.first.read(), *second),
            self.ambient.value,
            self._environment,
            self.environment_rotation.value,
            self.environment_intensity.value,
        )

    def write(self, settings: LightSettings) -> None:
        """Let the panel say something."""
        self._environment = settings.environment
        for light, controls in zip(settings.directional, (self.first, self.second), strict=False):
            controls.write(light)
        for control, value in (
            (self.capture, settings.uses_capture_light),
            (self.frame, settings.frame),
            (self.ambient, settings.ambient),
            (self.has_second, len(settings.directional) > 1),
            (self.environment_rotation, round(settings.environment_rotation_deg, 1)),
            (self.environment_intensity, settings.environment_intensity),
        ):
            _write(control, value)
        self.environment_rotation.disabled = self.environment_intensity.disabled = settings.environment is None


def with_environment_alone(settings: LightSettings, environment: Lighting) -> LightSettings:
    """Return settings with an environment map and nothing else: the other lights can be turned up again."""
    lights = tuple(replace(light, intensity=0.0) for light in settings.directional)
    return replace(settings, uses_capture_light=False, directional=lights, ambient=0.0, environment=environment)


def _write(control: viser.GuiInputHandle[Any], value: Any) -> None:
    if control.value != value:
        control.value = value


def _to_picker(color: tuple[float, float, float]) -> tuple[int, int, int]:
    red, green, blue = np.round(255.0 * linear_to_srgb(np.array(color))).astype(int).tolist()
    return red, green, blue
