from pathlib import Path

import pytest

from relightnerf.errors import InputError
from relightnerf.io.files import atomic_path, file_digest, is_temporary, list_files, read_json, temporaries, write_json


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.bin"
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert not path.exists()
        assert is_temporary(temporary)
        assert temporary.suffix == ".bin"
        assert temporaries(path) == [temporary]
    assert path.read_bytes() == b"half"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})
    with pytest.raises(TypeError):
        write_json(path, {"new": object()})
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert read_json(path) == {"old": 1}
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"{", "not valid JSON"), (b"[1]", "a JSON object"), (b"\xff\xfe", "JSON")],
)
def test_what_is_no_json_object_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said) as error:
        read_json(path)
    assert str(path) in str(error.value)


def test_a_folder_in_place_of_a_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        read_json(tmp_path)


def test_digest_depends_on_the_bytes_only(tmp_path: Path) -> None:
    for name, content in (("a", b"x" * 3_000_000), ("b", b"x" * 3_000_000), ("c", b"x" * 2_999_999)):
        (tmp_path / name).write_bytes(content)
    a, b, c = (file_digest(tmp_path / name) for name in "abc")
    assert a == b != c
    assert len(a) == 32


def test_listing_is_sorted_and_leaves_out_hidden_files_and_manifests(tmp_path: Path) -> None:
    for name in ("b/2.txt", "b/1.txt", "a.txt", ".hidden", "b/manifest.json", "b/.partial-1-x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_files([tmp_path]) == [tmp_path / n for n in ("a.txt", "b/1.txt", "b/2.txt")]
    assert list_files([tmp_path / "a.txt", tmp_path / "absent"]) == [tmp_path / "a.txt"]
