from pathlib import Path

import numpy as np

from relightnerf.cameras import Camera
from relightnerf.images import read_image
from relightnerf.lights import Lighting
from relightnerf.saved_views import SavedView, load_view
from relightnerf.viewing.saving import keep_view


def test_what_is_kept_is_never_overwritten_and_has_a_name_for_files(tmp_path: Path) -> None:
    camera = Camera("view", np.eye(4), np.array([8.0, 8.0, 4.0, 3.0]), 8, 6)
    lights = [None, Lighting.far(np.array([0.0, 0.6, 0.8]), 0.5)]
    paths = [
        keep_view(tmp_path, "../my view", np.full((6, 8, 3), i / 2, np.float32), SavedView(camera, light))
        for i, light in enumerate(lights)
    ]
    assert [path.name for path in paths] == ["my-view.json", "my-view_2.json"]
    for i, (path, light) in enumerate(zip(paths, lights, strict=True)):
        assert read_image(path.with_suffix(".png")).mean() == round(255 * i / 2)
        kept = load_view(path).light
        assert (kept and kept.described()) == (light and light.described())
