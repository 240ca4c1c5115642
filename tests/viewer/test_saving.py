from pathlib import Path

import numpy as np
import pytest

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.io.images import read_image
from relightnerf.lights import Lighting
from relightnerf.render.saved_views import SavedView, load_view, load_views, save_keyframes
from relightnerf.viewer.saving import add_keyframe, keep_view


def test_what_is_kept_is_never_overwritten_and_has_a_name_for_files(tmp_path: Path) -> None:
    camera = Camera("view", np.eye(4), np.array([8.0, 8.0, 4.0, 3.0]), 8, 6)
    lights = [None, Lighting.directional(np.array([0.0, 0.6, 0.8]), 0.5)]
    paths = [
        keep_view(tmp_path, "../my view", np.full((6, 8, 3), i / 2, np.float32), SavedView(camera, light))
        for i, light in enumerate(lights)
    ]
    assert [path.name for path in paths] == ["my-view.json", "my-view_2.json"]
    for i, (path, light) in enumerate(zip(paths, lights, strict=True)):
        assert read_image(path.with_suffix(".png")).mean() == round(255 * i / 2)
        kept = load_view(path).light
        assert (kept and kept.described()) == (light and light.described())


def test_keyframes_are_added_in_order_to_what_is_there(tmp_path: Path) -> None:
    camera = Camera("view", np.eye(4), np.array([8.0, 8.0, 4.0, 3.0]), 8, 6)
    views = [SavedView(camera, Lighting.directional(np.array([0.0, 0.6, 0.8]), power)) for power in (0.5, 1.0, 2.0)]
    for count, view in enumerate(views, 1):
        path, now = add_keyframe(tmp_path, "a walk", view)
        assert (path.name, now) == ("a-walk_keyframes.json", count)
        if count == 1:
            save_keyframes(path, [view], seconds=3.0)  # by hand
    kept = load_views(path)
    assert kept.seconds == 3.0
    assert [view.light and view.light.described() for view in kept.views] == [
        view.light and view.light.described() for view in views
    ]
    path.write_text("{}")
    with pytest.raises(InputError, match="keyframes"):
        add_keyframe(tmp_path, "a walk", views[0])
    assert path.read_text() == "{}"
