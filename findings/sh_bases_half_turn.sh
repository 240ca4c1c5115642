#!/usr/bin/env bash
# sphericart 2.0.4 and Dr.Jit 1.5.0 (drjit.sh_eval), seen 30 November 2026.
#
# One would expect: "real spherical harmonics, orthonormal, ordered by l and m from -l to l" to be one basis, so that
# coefficients made with one library can be read with the other.
# What happens: names, order and size agree, and the signs of every odd m differ (sphericart leaves out the
# Condon-Shortley sign, Dr.Jit keeps it; the usual Gaussian-splat code is with Dr.Jit). That is exactly a half turn about z:
# a light fitted with one and evaluated by the other comes from (-x, -y, z) instead of (x, y, z).
# Why it matters: nothing looks broken. Brightness, height above the horizon and softness stay exactly right, only the
# azimuth is off by 180 degrees, so shadows fall toward the light. A test with a light on the z axis, an energy check
# or a sum of squares passes.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q sphericart==2.0.4 drjit==1.5.0 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, sphericart, drjit as dr
from drjit.scalar import Array3f
print("sphericart", version("sphericart"), " drjit", dr.__version__)
L = 4
rng = np.random.default_rng(0)
d = rng.normal(size=(4000, 3)); d /= np.linalg.norm(d, axis=1, keepdims=True)
s = np.asarray(sphericart.SphericalHarmonics(L).compute(d))
g = np.array([dr.sh_eval(Array3f(*map(float, x)), L) for x in d])
ratio = np.median(s / g, axis=0)
m = np.concatenate([np.arange(-l, l + 1) for l in range(L + 1)])
print("  m        :", *[f"{k:+d}" for k in m])
print("  sign     :", *[f"{r:+.0f}" for r in ratio])
assert np.allclose(s, g * np.where(m % 2, -1, 1), atol=2e-5)
light = np.array([0.6, 0.48, 0.64])                     # a light, as coefficients made with sphericart
c = np.asarray(sphericart.SphericalHarmonics(L).compute(light[None]))[0]
same, other = d[(s @ c).argmax()], d[(g @ c).argmax()]
print("  light toward", light, " peak read by sphericart", same.round(2), " by Dr.Jit", other.round(2))
assert same @ light > 0.99 and other @ (light * [-1, -1, 1]) > 0.99
dc = [0.28209479, *(-0.48860251 * d[0, 1], 0.48860251 * d[0, 2], -0.48860251 * d[0, 0])]   # the splat code's first four
assert np.allclose(g[0, :4], dc, atol=1e-5)
print("as described: a half turn about z")
PY
