"""Geometry is sure where the photos found it, and unsure where none did or the surface lies elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from posed_ball import ball_views, waves

from relightnerf.depth_prior import confidence_maps
from relightnerf.geometry.stereo import StereoView


@pytest.fixture(scope="module")
def views() -> list[StereoView]:
    return ball_views(waves, 64, 48)


def test_what_all_photos_found_is_sure(views: list[StereoView]) -> None:
    for confidence in confidence_maps(views, {view.camera.name: view.depth for view in views}):
        assert np.median(confidence) > 0.8 and ((confidence >= 0) & (confidence <= 1)).all()


def test_what_no_photo_found_is_unsure(views: list[StereoView]) -> None:
    agreed = {view.camera.name: np.where(np.arange(48)[:, None] < 24, 0.0, view.depth) for view in views}
    confidence = next(confidence_maps(views, agreed))
    assert confidence[:15].max() < 0.3 and np.median(confidence[36:]) > 0.6


def test_a_surface_that_lies_elsewhere_is_unsure(views: list[StereoView]) -> None:
    moved = [replace(view, depth=1.04 * view.depth) for view in views]
    for confidence in confidence_maps(moved, {view.camera.name: view.depth for view in views}):
        assert np.median(confidence) < 0.1


def test_views_that_took_no_part_are_judged_by_the_others(views: list[StereoView]) -> None:
    agreed = {view.camera.name: np.repeat(np.repeat(view.depth, 2, 0), 2, 1) for view in views[1:]}
    assert np.median(next(confidence_maps(views, agreed))) > 0.7
