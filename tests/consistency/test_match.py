"""The stage `match` with consistency, from files to files."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from agreeing_views import LIGHTS, blotches, folder_bytes, relit_pictures, true_log_ratio, unperturbed
from stopping import stop_after

from relightnerf import consistency
from relightnerf.errors import InputError
from relightnerf.geometry.views import SceneViews
from relightnerf.io import images
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_array, read_image, write_array, write_image
from relightnerf.lights import LightSet
from relightnerf.pipeline.match import Match
from relightnerf.scene import Scene

Relight = Callable[..., Scene]


def _match(scene: Scene, **flags) -> Match:
    return Match(scene.root, **{"relighter": "shading", "mode": "off", **flags})


def _pictures(scene: Scene, lights: LightSet) -> np.ndarray:
    names = scene.cameras().names
    return (
        np.array([[read_image(scene.matched / f"{n}__{light}.png") for light in lights.names] for n in names]) / 255.0
    )


def _relit(scene: Scene, lights: LightSet) -> np.ndarray:
    names = scene.cameras().names
    paths = [[scene.relit("shading") / f"{n}__{light}.png" for light in lights.names] for n in names]
    return np.array([[read_image(path) for path in row] for row in paths]) / 255.0


def test_views_that_agree_stay_as_they_are(relight: Relight) -> None:
    scene = relight(LIGHTS, unperturbed)
    _match(scene).run()
    change = np.abs(_pictures(scene, LIGHTS) - _relit(scene, LIGHTS)) * 255.0
    assert change.mean() < 0.4 and np.quantile(change, 0.99) < 5.0


def test_views_that_disagree_come_together_and_closer_to_the_truth(
    relight: Relight, views: SceneViews, capsys: pytest.CaptureFixture[str]
) -> None:
    scene = relight(LIGHTS, blotches)
    _match(scene).run()
    measured = read_json(scene.matched / "consistency.json")
    for error in (measured["log_ratio"], measured["srgb_rms"]):
        assert error["after"] < 0.5 * error["before"]
    truth = np.array([relit_pictures(view, true_log_ratio(view, LIGHTS)) for view in views])
    known = np.array([view.known for view in views])[:, None]
    off = [
        np.square(p - truth).mean(-1)[np.broadcast_to(known, p.shape[:-1])].mean()
        for p in (_relit(scene, LIGHTS), _pictures(scene, LIGHTS))
    ]
    assert off[1] < 0.35 * off[0]
    assert f"{measured['log_ratio']['after']:.3f}" in capsys.readouterr().out
    assert {p.name for p in scene.matched.iterdir() if p.suffix != ".png"} == {
        "manifest.json",
        "lights.json",
        "consistency.json",
    }


@pytest.mark.parametrize("direction", [[0.3, 0.0, 0.9], [0.0, 1.0, 0.2]])
def test_lights_of_the_cameras_frame_mix_only_if_they_are_the_same_in_the_world(
    relight: Relight, direction: list[float]
) -> None:
    lights = LightSet("camera", ("one",), np.array([direction]) / np.linalg.norm(direction))
    scene = relight(lights, blotches)
    _match(scene).run()
    turned = np.array([lights.directions_world(pose)[0] for pose in scene.cameras().camera_to_world])
    nearest = np.degrees(np.arccos(turned[0] @ turned[1]))
    assert nearest > 15.0 or nearest < 5.0
    measured = read_json(scene.matched / "consistency.json")["log_ratio"]
    same = np.array_equal(_pictures(scene, lights), _relit(scene, lights))
    if nearest > 15.0:
        assert same and measured == {"before": None, "after": None}
    else:
        assert not same and measured["after"] < measured["before"]


def test_where_the_depth_is_unknown_nothing_changes(relight: Relight) -> None:
    scene = relight(LIGHTS, blotches)
    unknown = {}
    for name in scene.cameras().names:
        depth = read_array(scene.depth_path(name)).copy()
        depth[:, 30:40] = 0.0
        write_array(scene.depth_path(name), depth)
        unknown[name] = depth == 0
    _match(scene).run()
    outside = np.array(list(unknown.values()))[:, None]
    changed = np.abs(_pictures(scene, LIGHTS) - _relit(scene, LIGHTS)).max(-1)
    assert outside.mean() > 0.15
    assert not changed[np.broadcast_to(outside, changed.shape)].any()
    assert changed.max() > 0.1


def test_without_consistency_each_view_is_by_itself_and_needs_no_geometry(relight: Relight) -> None:
    scene = relight(LIGHTS, blotches)
    for name in scene.cameras().names:
        scene.depth_path(name).unlink()
    with pytest.raises(InputError, match=re.escape(f"{scene.depth_path('v0')}: no such file")) as error:
        _match(scene).run()
    assert "--no-consistency" in str(error.value)
    assert not scene.matched.exists()
    _match(scene, consistency=False).run()
    np.testing.assert_array_equal(_pictures(scene, LIGHTS), _relit(scene, LIGHTS))
    assert not (scene.matched / "consistency.json").exists()
    assert read_json(scene.matched / "manifest.json")["parameters"]["consistency"] is False


def test_other_geometry_is_another_result(relight: Relight, capsys: pytest.CaptureFixture[str]) -> None:
    scene = relight(LIGHTS, blotches)
    _match(scene).run()
    _match(scene).run()
    assert "up to date" in capsys.readouterr().out
    write_array(scene.depth_path("v1"), 1.01 * read_array(scene.depth_path("v1")))
    _match(scene).run()
    assert "up to date" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("relighter", "mode"), [("shading", "joint"), ("compact", "off"), ("ratio", "off"), ("kl", "joint")]
)
def test_only_the_colours_of_what_multiplies_the_photo_are_left_alone(
    relight: Relight, tmp_path: Path, relighter: str, mode: str
) -> None:
    scene = relight(LIGHTS, blotches)
    if relighter != "shading":
        shutil.copytree(scene.relit("shading"), scene.relit(relighter))
    if relighter in ("ratio", "kl"):
        model = tmp_path / "models" / relighter
        write_json(model / "codec" / "codec.json", {"kind": relighter})
        relighter = str(model)
    _match(scene, relighter=relighter, mode="auto", consistency=False).run()
    assert read_json(scene.matched / "manifest.json")["parameters"]["mode"] == mode
    pictures = _pictures(scene, LIGHTS)
    changed = np.abs(pictures - _relit(scene, LIGHTS)).max()
    assert changed > 0.01 if mode == "joint" else changed == 0
    _match(scene, relighter=relighter, mode=mode, consistency=False, force=True).run()
    np.testing.assert_array_equal(pictures, _pictures(scene, LIGHTS))


def test_a_run_stopped_anywhere_ends_as_one_that_was_not(relight: Relight, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = relight(LIGHTS, blotches)
    _match(scene, mode="joint").run()
    whole = folder_bytes(scene.matched)
    _match(scene, mode="joint", force=True).run()
    assert folder_bytes(scene.matched) == whole
    write_image(scene.relit("shading") / "v0__top.png", np.zeros((48, 64, 3), np.uint8))
    _match(scene, mode="joint").run()
    changed = folder_bytes(scene.matched)
    assert changed != whole

    force = True
    for stops in ({"pictures": 0}, {"pictures": 4}, {"maps": 2}, {"pictures": 5}, {"report": 0}):
        with monkeypatch.context() as patch:
            if "pictures" in stops:
                stop_after(patch, images, stops["pictures"])
            elif "maps" in stops:
                _stop(patch, consistency.SceneConsistency, "_surface")
            else:
                _stop(patch, consistency.SceneConsistency, "report")
            with pytest.raises(KeyboardInterrupt):
                _match(scene, mode="joint", force=force).run()
        force = False
    _match(scene, mode="joint").run()
    assert folder_bytes(scene.matched) == changed


def test_a_run_that_ended_before_its_manifest_was_written_does_nothing_again(
    relight: Relight, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = relight(LIGHTS, blotches)
    with monkeypatch.context() as patch:
        patch.setattr("relightnerf.lights.save_lights", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            _match(scene).run()
    before = folder_bytes(scene.matched)
    with monkeypatch.context() as patch:
        patch.setattr(consistency, "SceneConsistency", None)
        _match(scene).run()
    assert before.items() <= folder_bytes(scene.matched).items()


def _stop(patch: pytest.MonkeyPatch, owner: type, method: str) -> None:
    patch.setattr(owner, method, _interrupted)


def _interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt
