"""A browser is asked for its camera again when the last that it sent is from before a change of shape."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

from relightnerf.viewer.shape import ShapeWatch

TALL, WIDE = 1.04, 1.14


class Camera:
    """A page's, as viser keeps it: sending it cameras is up to the test, and being asked answers with the true one."""

    def __init__(self) -> None:
        self.aspect, self.fov, self.asked = WIDE, 0.8, 0
        self._told: list[Callable[[Camera], None]] = []

    def on_update(self, tell: Callable[["Camera"], None]) -> None:
        self._told.append(tell)

    def send(self, aspect: float) -> None:
        self.aspect = aspect
        for tell in self._told:
            tell(self)

    @property
    def up_direction(self) -> np.ndarray:
        return np.array([0.0, 0.0, 1.0])

    @up_direction.setter
    def up_direction(self, value: np.ndarray) -> None:
        np.testing.assert_array_equal(value, self.up_direction)
        self.asked += 1
        self.send(TALL)


@pytest.fixture
def camera() -> Camera:
    made = Camera()
    ShapeWatch(SimpleNamespace(camera=made), rest_seconds=0.05)  # type: ignore[arg-type]
    return made


def _rest() -> None:
    time.sleep(0.1)
    while any(isinstance(thread, threading.Timer) for thread in threading.enumerate()):
        time.sleep(0.05)


def test_a_camera_from_before_the_change_that_comes_last_is_not_believed(camera: Camera) -> None:
    camera.send(TALL)
    camera.send(WIDE)
    _rest()
    assert camera.aspect == TALL


def test_nothing_is_asked_while_the_shape_stays(camera: Camera) -> None:
    camera.send(WIDE)
    camera.send(WIDE)
    _rest()
    assert camera.asked == 0
