"""A sun on a dome around the scene, to drag with the mouse; each browser has its own."""

import threading
import time
from collections.abc import Callable

import numpy as np
import viser
import viser.transforms
from jaxtyping import Float
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO as VIEWER_UNITS

from relightnerf.viewer.dome import DomeDrag

DOME_RADIUS = 0.6
"""In the field's units: the photos were taken from about 2."""

_BALL_RADIUS = 0.04
"""Of the sun, in the field's units."""
_PLATE_SIDE = 0.08
"""Of the square that the mouse takes hold of, in the field's units: as large as the ball behind it."""
_DRAG_SECONDS = 0.25
"""Time since the mouse last moved the plate within which it counts as held: put back sooner, the plate would be torn
out of a hand that pauses; later, it stays behind a light that the panel has moved."""
_LINE_COLOR, _SEGMENTS = (170, 170, 170), 128
"""Of the dome's lines: 8-bit sRGB, and straight pieces that each is drawn with."""
# viser's handle for moving in a plane is a square beside the handle's origin (three-js PivotControls)
_SQUARE_SIDE, _SQUARE_MIDDLE = 0.225, 1.7 / 7.0
"""Side of that square and distance of its middle from the origin, along both axes, of a handle of scale 1."""
_PLATE_SCALE = VIEWER_UNITS * _PLATE_SIDE / _SQUARE_SIDE


class Sun:
    """A ball on the dome, with a plate that faces the camera and is what the mouse takes hold of.

    Directions are in the field's frame.

    Args:
        client: the browser.
        name: of the scene node.
        color: 8-bit sRGB.
        on_drag: called in a thread with the direction that it is dragged to.
    """

    def __init__(
        self,
        client: viser.ClientHandle,
        name: str,
        color: tuple[int, int, int],
        on_drag: Callable[[Float[np.ndarray, "3"]], None],
    ) -> None:
        self._client, self._on_drag = client, on_drag
        self._dome = DomeDrag(DOME_RADIUS, np.array([0.0, 0.0, 1.0]))
        self._dragged_at, self._dragging = 0.0, threading.Lock()
        self._ball = client.scene.add_icosphere(f"{name}/ball", VIEWER_UNITS * _BALL_RADIUS, color, visible=False)
        self._plate = client.scene.add_transform_controls(
            f"{name}/plate",
            scale=_PLATE_SCALE,
            active_axes=(True, True, False),
            disable_axes=True,
            disable_rotations=True,
            visible=False,
        )
        self._heard = self._plate.update_timestamp
        self._plate.on_update(self._drag)

    def show(self, direction: Float[np.ndarray, "3"] | None) -> None:
        """Put the sun in a direction, or hide it; the plate stays in the hand while it is dragged."""
        self._ball.visible = self._plate.visible = direction is not None
        if direction is None:
            return
        place = VIEWER_UNITS * DOME_RADIUS * direction
        self._ball.position = place
        with self._client.atomic():  # viser writes down under the same lock where the mouse has taken the plate
            if self._is_in_hand():
                return
            self._dome.place(direction)
            self._plate.wxyz = self._client.camera.wxyz
            self._plate.position = place - self._plate_offset()

    def _is_in_hand(self) -> bool:
        """Say whether the plate is dragged, be it that ``_drag`` has yet to hear of it: it would find it put back."""
        is_unheard = self._plate.update_timestamp != self._heard
        return is_unheard or self._dragging.locked() or time.monotonic() - self._dragged_at < _DRAG_SECONDS

    def _plate_offset(self) -> Float[np.ndarray, "3"]:
        """Return the way from the handle's origin to the middle of its square, along the camera's x and y."""
        turn = viser.transforms.SO3(np.asarray(self._plate.wxyz)).as_matrix()
        return _PLATE_SCALE * _SQUARE_MIDDLE * (turn[:, 0] + turn[:, 1])

    def _drag(self, plate: viser.TransformControlsHandle) -> None:
        with self._dragging:
            self._heard = plate.update_timestamp
            eye = np.asarray(self._client.camera.position) / VIEWER_UNITS
            direction = self._dome.drag(eye, (np.asarray(plate.position) + self._plate_offset()) / VIEWER_UNITS)
            self._ball.position = VIEWER_UNITS * DOME_RADIUS * direction
            self._on_drag(direction)
            self._dragged_at = time.monotonic()


def add_dome(scene: viser.SceneApi, name: str) -> viser.FrameHandle:
    """Draw the dome's lines: its foot, two circles of equal elevation, and four arcs to its top."""
    dome = scene.add_frame(name, show_axes=False)
    angle = np.radians(np.arange(0.0, 360.0, 7.5))
    for elevation_deg in (0.0, 30.0, 60.0):
        rise = np.radians(elevation_deg)
        flat = np.cos(rise) * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        _add_line(scene, f"{name}/circle_{elevation_deg:.0f}", np.insert(flat, 2, np.sin(rise), axis=-1), True)
    half = angle[angle <= np.pi]
    for side, axis in enumerate(np.eye(3)[:2]):
        arc = np.cos(half)[:, None] * axis + np.sin(half)[:, None] * [0.0, 0.0, 1.0]
        _add_line(scene, f"{name}/arc_{side}", arc, False)
    return dome


def _add_line(scene: viser.SceneApi, name: str, points: Float[np.ndarray, "points 3"], closed: bool) -> None:
    places = VIEWER_UNITS * DOME_RADIUS * points
    scene.add_spline_catmull_rom(name, places, closed=closed, line_width=1.0, color=_LINE_COLOR, segments=_SEGMENTS)
