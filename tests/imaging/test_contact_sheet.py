import numpy as np
import pytest

from relightnerf.imaging.contact_sheet import contact_sheet, with_inset


def test_every_picture_is_on_the_sheet_unchanged_and_in_order() -> None:
    pictures = [np.full((30, 40, 3), 40 * i, dtype=np.uint8) for i in range(1, 6)]
    sheet = contact_sheet(pictures, [f"light {i}" for i in range(5)], columns=3)
    values = [int(sheet[row * 50 + 25, column * 44 + 24, 0]) for row in range(2) for column in range(3)]
    assert values == [40, 80, 120, 160, 200, 24]
    assert sheet.shape == (104, 136, 3)
    assert sheet.dtype == np.uint8


def test_labels_are_written_above_their_pictures() -> None:
    picture = np.zeros((8, 64, 3), dtype=np.uint8)
    named, blank = (contact_sheet([picture], [label], columns=4) for label in ("left", ""))
    assert (named != blank).any(axis=(1, 2)).nonzero()[0].max() < 4 + 16


def test_pictures_of_several_sizes_share_a_grid() -> None:
    small, large = np.full((10, 10, 3), 100, np.uint8), np.full((20, 30, 3), 200, np.uint8)
    assert contact_sheet([small, large], ["a", "b"], columns=2).shape == (20 + 16 + 8, 2 * 30 + 12, 3)


def test_pictures_without_their_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="1 pictures with 0 labels"):
        contact_sheet([np.zeros((4, 4, 3), np.uint8)], [], columns=1)


def test_insets_lie_at_the_lower_right_of_their_pictures_and_nothing_else_changes() -> None:
    pictures = [np.full((20, 30, 3), 100, np.uint8), np.full((12, 18, 3), 150, np.uint8)]
    insets = [None, np.full((5, 6, 3), 250, np.uint8)]
    plain, marked = (contact_sheet(pictures, ["a", "b"], 2, insets=given) for given in (None, insets))
    changed = (plain != marked).any(-1)
    rows, columns = np.nonzero(changed)
    left, top = 4 + 30 + 4, 4 + 16
    assert (rows.min(), rows.max() + 1) == (top + 12 - 5, top + 12)
    assert (columns.min(), columns.max() + 1) == (left + 18 - 6, left + 18)
    assert changed.sum() == 30 and (marked[changed] == 250).all()
    assert (pictures[1] == 150).all()


def test_an_inset_larger_than_its_picture_is_cut_off() -> None:
    inset = np.arange(6 * 6 * 3, dtype=np.uint8).reshape(6, 6, 3)
    np.testing.assert_array_equal(with_inset(np.zeros((4, 5, 3), np.uint8), inset), inset[:4, :5])


def test_insets_are_as_many_as_pictures() -> None:
    with pytest.raises(ValueError, match="zip"):
        contact_sheet([np.zeros((4, 4, 3), np.uint8)], ["a"], 1, insets=[None, None])
