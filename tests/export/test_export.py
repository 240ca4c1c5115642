"""`relightnerf export`: files of a fitted scene that look like the pictures that `render` makes of it."""

from pathlib import Path

import numpy as np
import open3d as o3d
import pytest
from ply_pictures import mesh_picture
from splat_pictures import splat_picture

from relightnerf.errors import InputError
from relightnerf.evaluation.metrics import psnr
from relightnerf.field.loading import load_renderer
from relightnerf.io.gaussians import load_gaussians
from relightnerf.lights import Lighting, direction_from_angles
from relightnerf.pipeline.export import Export
from relightnerf.scene import Scene


@pytest.fixture(scope="module")
def truth(tiny_scene: Scene) -> list[np.ndarray]:
    """The field's own picture from the first camera, under a light and under the capture's own."""
    field = load_renderer(tiny_scene, "cpu")
    seen = field.features(tiny_scene.cameras()[0])
    light = Lighting.directional(direction_from_angles(225.0, 40.0, "world", tiny_scene.world_up))
    return [field.relight(seen, light), field.relight(seen)]


def test_the_mesh_looks_like_the_field(tiny_scene: Scene, truth: list[np.ndarray], tmp_path: Path) -> None:
    # a light that was learned in 30 steps looks a little different from each view; the capture's own does not
    for light, same, other, bar in ((("225,40",), *truth, 22.0), ((), *truth[::-1], 26.0)):
        path = tmp_path / f"{len(light)}.ply"
        Export(tiny_scene.root, path, "mesh", "cpu", light=light).run()
        mesh = o3d.io.read_triangle_mesh(str(path))
        assert len(mesh.triangles) == len(o3d.io.read_triangle_mesh(str(tiny_scene.mesh_path)).triangles)
        picture, known = mesh_picture(mesh, tiny_scene.cameras()[0])
        assert known.mean() > 0.2
        assert psnr(picture, same, known) > max(bar, psnr(picture, other, known))
    header = path.read_bytes()[:600]
    assert b"format binary_little_endian 1.0" in header and b"property uchar red" in header


def test_the_splats_begin_with_the_mesh_and_go_on_beyond_it(tiny_scene: Scene, tmp_path: Path) -> None:
    for kind in ("splat", "mesh"):
        Export(tiny_scene.root, tmp_path / f"{kind}.ply", kind, "cpu", light=("45,40",)).run()
    mesh, splats = o3d.io.read_triangle_mesh(str(tmp_path / "mesh.ply")), load_gaussians(tmp_path / "splat.ply")
    vertices = np.asarray(mesh.vertices)
    np.testing.assert_allclose(splats.means[: len(vertices)], vertices, atol=1e-5)
    np.testing.assert_allclose(splats.colors[: len(vertices)], np.asarray(mesh.vertex_colors), atol=0.6 / 255.0)
    assert len(splats.means) > len(vertices) + 100
    camera = tiny_scene.cameras()[0]
    _, opaque = splat_picture(splats, camera)
    _, known = mesh_picture(mesh, camera)
    assert (~known).sum() > 20
    assert opaque[~known].mean() > 0.8


def test_a_file_that_is_there_is_kept_and_others_beside_it_too(
    tiny_scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    export = Export(tiny_scene.root, tmp_path / "a.ply", "mesh", "cpu")
    export.run()
    first = (tmp_path / "a.ply").stat().st_mtime_ns
    export.run()
    assert (tmp_path / "a.ply").stat().st_mtime_ns == first
    assert "up to date" in capsys.readouterr().out
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.ply.json", "a.ply", "mine.txt"]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"light": ("45,40",), "light_frame": "camera"}, "--light-frame camera"),
        ({"light": ("45,140",)}, "--light 45,140"),
        ({"output": Path("a.obj")}, "a.obj: not a .ply"),
    ],
)
def test_flags_that_do_not_go_together_are_named(tmp_path: Path, flags: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Export(tmp_path, **flags).run()
