import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relightnerf.cameras import save_cameras
from relightnerf.errors import InputError
from relightnerf.io.files import read_json, write_json
from relightnerf.io.images import read_image, write_image
from relightnerf.lights import LightSet, save_lights
from relightnerf.pipeline.evaluate import Evaluate
from relightnerf.render.scene_renderer import SceneRenderer
from relightnerf.scene import Scene


@pytest.fixture
def scene(tiny_scene: Scene, copy_scene: Callable[[Scene], Scene]) -> Scene:
    """A copy to write reports into."""
    return copy_scene(tiny_scene)


@pytest.fixture(scope="module")
def rendered_truth(tiny_scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """True pictures of two cameras under two lights: the field's own, the first light's darkened to three quarters."""
    folder = tmp_path_factory.mktemp("rendered") / "truth"
    cameras = tiny_scene.cameras().subset(tiny_scene.cameras().names[:2])
    lights = LightSet("world", ("x", "z"), np.eye(3)[[0, 2]])
    for path in SceneRenderer(tiny_scene).pictures(cameras, lights, folder, with_capture=True):
        if path.stem.endswith("__x"):
            write_image(path, (read_image(path) * 0.75).astype(np.uint8))
    save_cameras(folder / "transforms.json", cameras)
    save_lights(folder / "lights.json", lights)
    return folder


@pytest.fixture
def truth(rendered_truth: Path, tmp_path: Path) -> Path:
    """A copy of the true pictures that a test may change."""
    return shutil.copytree(rendered_truth, tmp_path / "truth")


def test_held_out_photos_are_compared_with_the_field_under_the_capture_s_light(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    Evaluate(scene.root).run()
    report = read_json(scene.report / "metrics.json")
    assert report["cameras"] == sorted(scene.held_out())
    assert report["lights"] == ["capture"]
    assert list(report["rows"]) == ["this run"]
    assert report["rows"]["this run"]["mean"]["psnr_raw"] > 10
    printed = capsys.readouterr().out
    assert "PSNR" in printed and "this run" in printed and "LPIPS left out" in printed
    assert read_image(scene.report / "comparison.png").shape[1] > 2 * scene.width


def test_truth_gives_a_row_for_the_field_and_one_for_the_photo_as_it_is(scene: Scene, truth: Path) -> None:
    Evaluate(scene.root, truth).run()
    rows = read_json(scene.report / "metrics.json")["rows"]
    assert list(rows) == ["this run", "identity", "compact"]
    ours = rows["this run"]["lights"]
    assert ours["z"]["psnr_raw"] > 90
    assert ours["x"]["psnr_raw"] < 50
    assert ours["x"]["psnr_scaled"] > ours["x"]["psnr_raw"] + 3
    mean = (ours["x"]["psnr_raw"] + ours["z"]["psnr_raw"]) / 2
    assert rows["this run"]["mean"]["psnr_raw"] == pytest.approx(mean)


def test_other_folders_get_rows_by_name(scene: Scene, truth: Path, tmp_path: Path) -> None:
    shutil.copytree(truth, tmp_path / "perfect")
    for path in truth.glob("*__capture.png"):
        path.unlink()
    Evaluate(scene.root, truth, compare=(f"perfect={tmp_path / 'perfect'}",)).run()
    rows = read_json(scene.report / "metrics.json")["rows"]
    assert list(rows) == ["this run", "perfect"]
    assert rows["perfect"]["mean"]["psnr_raw"] == 100


def test_an_evaluation_that_is_done_is_shown_again(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    Evaluate(scene.root).run()
    capsys.readouterr()
    Evaluate(scene.root).run()
    printed = capsys.readouterr().out
    assert "evaluate: up to date, skipped" in printed
    assert "PSNR" in printed


def test_masks_limit_what_counts(scene: Scene) -> None:
    Evaluate(scene.root).run()
    before = read_json(scene.report / "metrics.json")["rows"]["this run"]["mean"]
    for view in scene.held_out():
        photo = read_image(scene.image_path(view)).copy()
        mask = np.full(photo.shape, 255, np.uint8)
        mask[:10] = photo[:10] = 0
        write_image(scene.capture / "masks" / f"{view}.png", mask)
        write_image(scene.image_path(view), photo)
    Evaluate(scene.root).run()
    after = read_json(scene.report / "metrics.json")["rows"]["this run"]["mean"]
    assert abs(after["psnr_raw"] - before["psnr_raw"]) < 3


def test_a_scene_without_held_out_views_says_what_to_do(scene: Scene) -> None:
    write_json(scene.field / "heldout.json", {"views": []})
    with pytest.raises(InputError, match="--eval-every"):
        Evaluate(scene.root).run()


@pytest.mark.parametrize("missing", ["transforms.json", "lights.json", "{0}__x.png"])
def test_what_is_missing_from_the_truth_is_named(scene: Scene, truth: Path, missing: str) -> None:
    name = missing.format(scene.cameras().names[0])
    (truth / name).unlink()
    with pytest.raises(InputError, match=name):
        Evaluate(scene.root, truth).run()
    assert not scene.report.exists()


def test_pictures_of_another_size_are_named(scene: Scene, truth: Path) -> None:
    path = truth / f"{scene.cameras().names[0]}__capture.png"
    write_image(path, read_image(path)[:-4])
    with pytest.raises(InputError, match="another size"):
        Evaluate(scene.root, truth).run()


@pytest.mark.parametrize("entry", ["folder", "=folder", "name=", "this run=folder", "other=absent"])
def test_what_is_no_row_is_named(scene: Scene, truth: Path, entry: str) -> None:
    with pytest.raises(InputError, match=r"--compare|absent"):
        Evaluate(scene.root, truth, compare=(entry,)).run()
