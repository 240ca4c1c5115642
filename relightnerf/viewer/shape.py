"""The shape of a browser's picture; after a change, a new picture is requested."""

import threading

import viser

REST_SECONDS = 0.5
"""Time without a change of shape after which a browser is asked: while a window is drawn larger, sizes come faster than
that, and a camera that viser has kept back comes sooner. Longer, and a wrong picture is seen for longer."""


class ShapeWatch:
    """Asks a browser for its camera once more when the shape or angle of its picture has changed and then rested.

    viser's page sends cameras through more than one queue, and each sends the last that it was given a little later: a
    camera from before a change can come after the one from behind it. Pictures would be stretched, and views saved so,
    until somebody moves the camera.

    Args:
        client: the browser, connected.
        rest_seconds: how long the shape has to rest.
    """

    def __init__(self, client: viser.ClientHandle, rest_seconds: float = REST_SECONDS) -> None:
        self._client, self._rest_seconds = client, rest_seconds
        self._timer = threading.Timer(0.0, self._ask)
        self._shape = self._now()
        client.camera.on_update(lambda _: self._hear())

    def _now(self) -> tuple[float, float]:
        return self._client.camera.aspect, self._client.camera.fov

    def _hear(self) -> None:
        before, self._shape = self._shape, self._now()
        if self._shape != before:
            self._timer.cancel()
            self._timer = threading.Timer(self._rest_seconds, self._ask)
            self._timer.daemon = True
            self._timer.start()

    def _ask(self) -> None:
        # given the direction that it has anyway, a page moves nothing, and answers with its camera
        self._client.camera.up_direction = self._client.camera.up_direction
