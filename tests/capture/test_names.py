"""View names are unique and never contain what separates them from the light's name."""

from pathlib import PurePosixPath

import pytest

from relightnerf.capture._names import evenly_chosen, natural_key, safe_name, view_names


@pytest.mark.parametrize(
    ("text", "name"),
    [("IMG_0001", "IMG_0001"), ("a__b", "a_b"), ("_a_", "a"), (".hidden", "hidden"), ("photo (1)", "photo_1"),
     ("a/b", "a_b"), ("___", "view"), ("été.1", "été.1")],
)  # fmt: skip
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_names_are_unique() -> None:
    paths = ["train/r_0.png", "test/r_0.png", "a b.png", "a_b.png", "A_B.jpg", "x/a_b.png", "one.png"]
    names = view_names([PurePosixPath(path) for path in paths])
    assert len({name.lower() for name in names}) == len(paths)
    assert names[:2] == ["train_r_0", "test_r_0"]
    assert names[-1] == "one"


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["f_10", "f_2", "e"], key=natural_key) == ["e", "f_2", "f_10"]


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (10, 10), (10, 12), (7, 6), (100, 33), (5, None)])
def test_evenly_chosen(count: int, wanted: int | None) -> None:
    chosen = evenly_chosen(count, wanted)
    assert len(chosen) == min(count, wanted or count)
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    steps = {b - a for a, b in zip(chosen, chosen[1:], strict=False)}
    assert max(steps) - min(steps) <= 1
