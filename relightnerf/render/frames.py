"""Frames: one camera, and one or more panels, each with a light or a photo."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from relightnerf.cameras import Camera, Cameras
from relightnerf.lights import Lighting
from relightnerf.lights.paths import Blend

Light = Lighting | Blend | Float[np.ndarray, "3"] | None
"""Any lighting, also together with the capture's own; or a unit vector towards one canonical light in the capture's
world; or None, the capture's own."""


@dataclass(frozen=True)
class Panel:
    """One picture of a frame.

    Attributes:
        label: what to write on it.
        light: of the rendered picture.
        photo: shown in place of a rendered picture; of the camera's size.
    """

    label: str
    light: Light = None
    photo: Path | None = None


@dataclass(frozen=True)
class Frame:
    """One file, or one frame of a video.

    Attributes:
        camera: of all panels, in the capture's world frame.
        panels: at least one.
    """

    camera: Camera
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Look:
    """How the panels of a frame come together.

    Attributes:
        columns: panels in a row; None: about as many as rows.
        labels: write each panel's label on it.
        gray_ball: draw a gray ball under each panel's light; not for the capture's own, which is not known.
    """

    columns: int | None = None
    labels: bool = False
    gray_ball: bool = False


def lit_frames(cameras: Cameras, lights: Sequence[Light]) -> list[Frame]:
    """Return one frame a camera, under one light each, for videos."""
    return [Frame(camera, (Panel("", light),)) for camera, light in zip(cameras, lights, strict=True)]


def described(frames: Sequence[Frame], look: Look) -> dict[str, Any]:
    """Return what the files depend on, for a manifest."""
    labels = {"labels": [[panel.label for panel in frame.panels] for frame in frames]} if look.labels else {}
    return {
        "names": [frame.camera.name for frame in frames],
        "camera_to_world": [frame.camera.camera_to_world.tolist() for frame in frames],
        "intrinsics": [frame.camera.intrinsics.tolist() for frame in frames],
        "sizes": sorted({(frame.camera.width, frame.camera.height) for frame in frames}),
        "lights": [list(map(_described_panel, frame.panels)) for frame in frames],
        "look": vars(look),
        **labels,
    }


def photos(frames: Iterable[Frame]) -> list[Path]:
    """Return the photos that frames show, each once."""
    return list(dict.fromkeys(panel.photo for frame in frames for panel in frame.panels if panel.photo))


def _described_panel(panel: Panel) -> object:
    light = panel.light
    if panel.photo is not None:
        return str(panel.photo)
    if isinstance(light, Blend):
        return {"capture": light.capture, **light.others.described()}
    if isinstance(light, Lighting):
        return light.described()
    return None if light is None else light.tolist()
