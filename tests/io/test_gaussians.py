"""Files of 3D Gaussians: what is written is read, in the layout and the units that splat viewers expect."""

from pathlib import Path

import numpy as np
import pytest
from splat_pictures import splat_picture

from relightnerf.cameras import Camera
from relightnerf.errors import InputError
from relightnerf.export.surface import flat_gaussians
from relightnerf.io.gaussians import Gaussians, joined, load_gaussians, save_gaussians
from relightnerf.io.ply import read_vertices, write_vertices


def _some(count: int = 7) -> Gaussians:
    random = np.random.default_rng(3)
    turns = random.normal(size=(count, 4))
    return Gaussians(
        random.normal(size=(count, 3)),
        random.random((count, 3)) + 0.01,
        turns / np.linalg.norm(turns, axis=-1, keepdims=True),
        random.random(count) * 0.9 + 0.05,
        random.random((count, 3)),
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    gaussians = _some()
    save_gaussians(tmp_path / "a.ply", gaussians)
    read = load_gaussians(tmp_path / "a.ply")
    for name in ("means", "scales", "rotations", "opacities", "colors"):
        np.testing.assert_allclose(getattr(read, name), getattr(gaussians, name), rtol=1e-5, atol=1e-6)


def test_the_file_is_laid_out_as_viewers_expect(tmp_path: Path) -> None:
    one = Gaussians(
        np.array([[1.0, 2.0, 3.0]]),
        np.exp([[1.0, 2.0, 3.0]]),
        np.array([[1.0, 0.0, 0.0, 0.0]]),
        np.array([0.5]),
        np.array([[0.5, 0.5 + 0.28209479177387814, 0.5]]),
    )
    save_gaussians(tmp_path / "a.ply", one)
    header, values = (tmp_path / "a.ply").read_bytes().split(b"end_header\n")
    names = ["x", "y", "z", "nx", "ny", "nz", *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(45))]
    names += ["opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]
    expected = ["ply", "format binary_little_endian 1.0", "element vertex 1", *(f"property float {n}" for n in names)]
    assert header.decode().splitlines() == expected
    row = dict(zip(names, np.frombuffer(values, "<f4"), strict=True))
    assert [row[n] for n in ("x", "y", "z", "scale_0", "scale_1", "scale_2")] == pytest.approx([1, 2, 3, 1, 2, 3])
    assert [row[f"f_dc_{i}"] for i in range(3)] == pytest.approx([0, 1, 0], abs=1e-6)
    assert [row[n] for n in ("opacity", "rot_0", "rot_1", "rot_2", "rot_3")] == pytest.approx([0, 1, 0, 0, 0])


def test_sets_are_joined_in_order() -> None:
    both = joined([_some(2), _some(3)])
    np.testing.assert_array_equal(both.means, np.concatenate([_some(2).means, _some(3).means]))
    assert len(both.opacities) == 5


def test_another_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 0\nproperty float x\nend_header\n")
    with pytest.raises(InputError, match=r"a\.ply: not a file of 3D Gaussians \(it has no y\)"):
        load_gaussians(tmp_path / "a.ply")
    with pytest.raises(InputError, match=r"absent\.ply: no such file"):
        load_gaussians(tmp_path / "absent.ply")


def test_files_without_normals_and_higher_coefficients_are_read(tmp_path: Path) -> None:
    save_gaussians(tmp_path / "a.ply", _some())
    table = read_vertices(tmp_path / "a.ply")
    kept = [name for name in table.dtype.names or () if not name.startswith(("n", "f_rest"))]
    write_vertices(tmp_path / "b.ply", table[kept])
    for name in ("means", "scales", "rotations", "opacities", "colors"):
        read = [getattr(load_gaussians(tmp_path / file), name) for file in ("a.ply", "b.ply")]
        np.testing.assert_array_equal(*read)


def test_a_flat_gaussian_is_wide_across_its_normal_and_thin_along_it() -> None:
    normals = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, -3.0, -4.0]])
    flat = flat_gaussians(np.zeros((3, 3)), normals, np.ones(3), np.ones((3, 3)))
    for normal, scale, (w, *v) in zip(normals / [[1.0], [1.0], [5.0]], flat.scales, flat.rotations, strict=True):
        # the own z axis, turned by the quaternion: 2 v (v . z) + (w^2 - v . v) z + 2 w (v x z)
        axis = np.array([0.0, 0.0, 1.0])
        turned = 2 * np.dot(v, axis) * np.array(v) + (w * w - np.dot(v, v)) * axis + 2 * w * np.cross(v, axis)
        assert abs(turned @ normal) == pytest.approx(1.0)
        assert scale[2] < 0.5 * scale[0] == 0.5 * scale[1]


def test_a_gaussian_is_seen_where_it_is_with_its_colour_and_size() -> None:
    # 2 units in front: 0.1 units are 0.1 * 40 / 2 = 2 pixels; viewers add 0.3 to the variance
    camera = Camera("c", np.eye(4), np.array([40.0, 40.0, 16.0, 12.0]), 32, 24)
    ball = Gaussians(
        np.array([[0.225, 0.125, -2.0]]),
        np.full((1, 3), 0.1),
        np.eye(4)[:1],
        np.array([0.8]),
        np.array([[0.9, 0.5, 0.1]]),
    )
    picture, opaque = splat_picture(ball, camera)
    # at x = 16 + 40 * 0.225 / 2 = 20.5, y = 12 - 40 * 0.125 / 2 = 9.5: the middle of column 20, row 9
    np.testing.assert_allclose(picture[9, 20], 0.8 * np.array([0.9, 0.5, 0.1]))
    assert opaque[9, 23] == pytest.approx(0.8 * np.exp(-0.5 * 9.0 / 4.3), rel=0.02)
