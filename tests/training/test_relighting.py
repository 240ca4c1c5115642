import copy
from dataclasses import replace

import numpy as np
import pytest
from lit_scenes import FOV_DEG, SIZE, write_lit_scene

from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import compare
from relightnerf.geometry.cue import ViewCues
from relightnerf.geometry.raycast import RayScene
from relightnerf.imaging.color import linear_to_srgb, srgb_to_linear, to_uint8
from relightnerf.training.benchmark.relighting import Identity, light_scores, picture_scores, relit_photo, shadow_iou
from relightnerf.training.benchmark.relit_cases import RelitCase, check_scene, set_case
from relightnerf.training.data.light_folders import LightFolder


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> LightFolder:
    return write_lit_scene(tmp_path_factory.mktemp("set") / "ball", seed=0)


@pytest.fixture(scope="module")
def case(scene: LightFolder) -> RelitCase:
    return set_case(scene, np.random.default_rng(0))


def _shadows() -> tuple[np.ndarray, ...]:
    """A textured surface without shadows, where it counts, and two places where it is dark."""
    rng = np.random.default_rng(0)
    unshadowed = rng.uniform(0.2, 0.5, (20, 20, 3))
    counted = np.ones((20, 20), bool)
    counted[:2] = False
    first, second = np.zeros_like(counted), np.zeros_like(counted)
    first[4:12, 5:15], second[4:12, 10:20] = True, True
    return unshadowed, counted, first, second


def _dark(unshadowed: np.ndarray, where: np.ndarray, exposure: np.ndarray | float = 1.0) -> np.ndarray:
    return linear_to_srgb(exposure * unshadowed * np.where(where, 0.3, 1.0)[..., None])


def test_shadows_overlap_wholly_with_themselves_and_not_at_all_where_there_are_none() -> None:
    unshadowed, counted, first, second = _shadows()
    truth = _dark(unshadowed, first)
    assert shadow_iou(truth, truth, unshadowed, counted, ~first) == 1.0
    assert shadow_iou(linear_to_srgb(unshadowed), truth, unshadowed, counted, ~first) == 0.0
    # 80 pixels each, 40 of them in both
    assert shadow_iou(_dark(unshadowed, second), truth, unshadowed, counted, ~(first | second)) == pytest.approx(1 / 3)


def test_exposure_and_tint_move_no_shadow() -> None:
    unshadowed, counted, first, second = _shadows()
    truth = _dark(unshadowed, first)
    for exposure in (0.4, 1.5, np.array([0.5, 1.0, 1.4])):
        pictures = _dark(unshadowed, second, exposure), _dark(unshadowed, first, exposure)
        lit = ~(first | second)
        assert shadow_iou(pictures[0], pictures[1], unshadowed, counted, lit) == pytest.approx(1 / 3)
        assert shadow_iou(pictures[1], truth, unshadowed, counted, lit) == 1.0


def test_lights_without_shadows_do_not_count() -> None:
    unshadowed, counted, first, _ = _shadows()
    picture = linear_to_srgb(unshadowed)
    assert shadow_iou(_dark(unshadowed, first), picture, unshadowed, counted, counted) is None
    assert shadow_iou(picture, picture, unshadowed, np.zeros_like(counted), counted) is None


def test_a_scene_becomes_a_case(scene: LightFolder, case: RelitCase) -> None:
    assert case.name == "ball" and case.lights.names == scene.lights.names
    assert case.view.camera.intrinsics[0] == pytest.approx(SIZE / 2 / np.tan(np.radians(FOV_DEG / 2)))
    hits = case.rays.camera_hits(case.view.camera)
    np.testing.assert_allclose(hits.depth[case.mask], case.view.depth[case.mask], rtol=1e-3)
    again = set_case(scene, np.random.default_rng(0))
    np.testing.assert_array_equal(again.view.image, case.view.image)
    assert np.abs(set_case(scene, np.random.default_rng(1)).view.image - case.view.image).max() > 0.02


def test_the_truth_has_the_best_scores(case: RelitCase) -> None:
    seen_shadows = 0
    for light, truth in enumerate(case.truths):
        scores = picture_scores(case, light, to_uint8(truth), None)
        assert scores["psnr_raw"] > 60 and scores["direction_error_deg"] < 2.0
        seen_shadows += "shadow_iou" in scores
        assert scores.get("shadow_iou", 1.0) == 1.0
        photo = picture_scores(case, light, to_uint8(case.view.image), None)
        assert photo["psnr_scaled"] < scores["psnr_scaled"] and photo.get("shadow_iou", 0.0) < 1.0
    assert seen_shadows


def test_brightness_does_not_change_scaled_scores_nor_what_light_is_found(case: RelitCase) -> None:
    darker = linear_to_srgb(srgb_to_linear(case.view.image) * [0.7, 0.8, 0.6])
    scores = [compare(image, case.truths[0], case.mask) for image in (case.view.image, darker)]
    assert scores[0]["psnr_scaled"] == pytest.approx(scores[1]["psnr_scaled"], abs=0.05)
    assert scores[0]["psnr_scaled"] >= scores[0]["psnr_raw"] - 1.0
    found = [light_scores(case, 0, to_uint8(image))["direction_error_deg"] for image in (case.view.image, darker)]
    assert found[0] == pytest.approx(found[1], abs=2.0)


def test_identity_gives_the_photo(case: RelitCase) -> None:
    relit = relit_photo(Identity(), case)
    np.testing.assert_array_equal(relit.pictures, to_uint8(np.repeat(case.view.image[None], len(case.truths), axis=0)))
    assert relit.fit_seconds >= 0.0 and relit.relight_seconds >= 0.0


def test_a_field_s_geometry_is_a_little_off_and_the_truth_stays(case: RelitCase) -> None:
    off, again = (case.with_field_geometry(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(off.view.depth, again.view.depth)
    both = case.view.known & off.view.known
    change = np.abs(np.log(off.view.depth[both] / case.view.depth[both]))
    assert 0.003 < np.median(change) < 0.03
    assert 0.9 < both.sum() / case.view.known.sum() < 1.0
    assert off.normal is case.normal and off.truths is case.truths


def test_what_is_out_of_sight_casts_its_shadow_in_a_field_s_geometry_and_hides_nothing(case: RelitCase) -> None:
    """A plate behind the camera keeps the light that comes from there off everything."""
    import open3d as o3d

    plate = o3d.geometry.TriangleMesh.create_box(40.0, 40.0, 0.1).translate((-20.0, -20.0, 2.0))
    shaded = replace(case, rays=RayScene(copy.deepcopy(case.rays.mesh) + plate))
    shares = []
    for true in (case, shaded):
        off = true.with_field_geometry(np.random.default_rng(3))
        hits = off.rays.camera_hits(off.view.camera)
        both = off.view.known & (hits.depth > 0)
        assert np.quantile(np.abs(np.log(hits.depth[both] / off.view.depth[both])), 0.9) < 0.003
        shares.append(ViewCues(off.view, off.rays).visibility(np.array([[0.0, 0.0, 1.0]]))[0][off.view.known].mean())
    assert shares[0] > 0.9 and shares[1] < 0.01


def test_scenes_that_lack_something_are_named(scene: LightFolder, tmp_path) -> None:
    bare = write_lit_scene(tmp_path / "bare", seed=0)
    (bare.folder / "mesh.ply").unlink()
    with pytest.raises(InputError, match=r"bare: lacks mesh.ply.*--meshes"):
        check_scene(bare)
    check_scene(scene)
