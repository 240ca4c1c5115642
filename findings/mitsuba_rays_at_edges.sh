#!/usr/bin/env bash
# Mitsuba 3.9.1 (scalar_rgb) against trimesh 5.2.0 with embreex 4.4.0.post1, seen 30 November 2026. The flag came with
# mitsuba3 pull request 1300.
#
# One would expect: a ray from inside a closed mesh hits it, wherever it is aimed: Mitsuba traces with Embree, and
# Embree has watertight intersection. trimesh + embreex do hit with every ray.
# What happens: of the rays from inside a closed icosphere that are aimed at its vertices, Mitsuba loses about 14 %,
# and about 7 % of those aimed at the middles of its edges; none of 20,000 random rays. Embree is used in its fast mode;
# the scene flag embree_use_robust_intersections=True, which defaults to off, brings the loss to (almost) none.
# Why it matters: random rays hide it, and the usual way to ask "is this vertex lit / seen?" aims at vertices: light
# leaks of that size at exactly the points a per-vertex bake stores.
# The exact counts depend on the processor's vector width, so ranges are asserted.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q mitsuba==3.9.1 trimesh==5.2.0 embreex==4.4.0.post1 scipy==1.17.1 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
import numpy as np, mitsuba as mi, trimesh
from trimesh.ray.ray_pyembree import RayMeshIntersector
mi.set_variant("scalar_rgb")
print("mitsuba", mi.__version__, " trimesh", trimesh.__version__)
m = trimesh.creation.icosphere(subdivisions=4)
assert m.is_watertight
m.export("s.ply")
V, E = np.array(m.vertices), np.array(m.edges_unique)
o = np.array([0.1, 0.2, -0.05])
d = np.random.default_rng(1).normal(size=(20000, 3))
targets = {"vertices": V - o, "middles of edges": (V[E[:, 0]] + V[E[:, 1]]) / 2 - o, "random": d}
scenes = {k: mi.load_dict({"type": "scene", "a": {"type": "ply", "filename": "s.ply"}, **kw})
          for k, kw in {"default": {}, "robust": {"embree_use_robust_intersections": True}}.items()}
lost = {}
for name, dirs in targets.items():
    dirs = dirs / np.linalg.norm(dirs, axis=1, keepdims=True)
    for k, sc in scenes.items():
        lost[name, k] = sum(not sc.ray_test(mi.Ray3f(mi.Point3f(o), mi.Vector3f(x))) for x in dirs) / len(dirs)
    lost[name, "trimesh"] = 1 - RayMeshIntersector(m).intersects_any(np.tile(o, (len(dirs), 1)), dirs).mean()
    print(f"  {len(dirs):6d} rays to {name:17s} lost: Mitsuba {lost[name, 'default']:.2%}, robust flag {lost[name, 'robust']:.3%}, trimesh/embreex {lost[name, 'trimesh']:.2%}")
assert 0.05 < lost["vertices", "default"] < 0.3 and 0.02 < lost["middles of edges", "default"] < 0.2
assert lost["random", "default"] < 1e-3
assert all(lost[n, "robust"] < 2e-3 and lost[n, "trimesh"] == 0 for n in targets)
print("as described")
PY
