#!/usr/bin/env bash
# libigl 2.6.3 (PyPI "libigl", function igl.ambient_occlusion), seen 30 November 2026.
#
# One would expect: ambient occlusion as shading uses it: one minus the share of a uniform sky's light that reaches the
# point, so directions count by the cosine to the normal.
# What happens: all directions of the hemisphere count the same. For a point on the ground amid a round wall that rises
# to the angle a, the light lost is sin(a)^2, and igl returns sin(a): 0.50 instead of 0.25 for a 30 degree wall, 0.26
# instead of 0.07 for 15 degrees. No argument changes it.
# Why it matters: used as the ambient shading of a relit scene, an open place amid low things comes out too dark by up
# to a quarter of the whole sky's light (at 30 degrees; 0.21 at 45, 0.19 at 15), and such places are most of a
# table-top scene. It also returns occlusion, not openness.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q libigl==2.6.3 scipy==1.17.1 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, igl
print("libigl", version("libigl"))
n = 256
ph = np.linspace(0, 2 * np.pi, n, endpoint=False)
i = np.arange(n); j = (i + 1) % n
F = np.concatenate([np.c_[i, j, j + n], np.c_[i, j + n, i + n]])
P, N = np.array([[0, 0, 0.0]]), np.array([[0, 0, 1.0]])
for deg in (15, 30, 45, 60):
    a = np.radians(deg)
    V = np.concatenate([np.c_[np.cos(ph), np.sin(ph), 0 * ph - 0.01], np.c_[np.cos(ph), np.sin(ph), 0 * ph + np.tan(a)]])
    s = float(np.ravel(igl.ambient_occlusion(V, F, P, N, 100000))[0])
    print(f"  wall up to {deg} deg: igl {s:.3f}   sin(a) {np.sin(a):.3f}   light really lost, sin(a)^2 {np.sin(a) ** 2:.3f}")
    assert abs(s - np.sin(a)) < 0.01
print("as described: uniform, not cosine-weighted")
PY
