#!/usr/bin/env bash
# Mitsuba 3.9.1 (scalar_rgb), seen 30 November 2026.
#
# One would expect: row r of an H-row lat-long map stands for the band of directions around (r + 0.5) * 180 / H degrees
# from the pole, as its column c does around (c + 0.5) * 360 / W, so a lit row sends the power of its own band.
# What happens: columns are so, rows are not. Row r is put at r * 180 / (H - 1) degrees: the first row *is* the pole.
# A map with only its first row lit sends about 0.38 of the power of that band (H = 16), and 0.35 for any larger H; the
# second row 0.76 (later 0.67); in between, every light sits up to half a row too near to its pole.
# If all other rows are exactly zero, the rendered scene is even black: the row has no weight in the light sampling.
# Why it matters: small light probes (16 x 32 is usual in relighting work) lose 62 % of a ceiling light: a white floor
# comes out at 0.38 of the brightness that the map's own pixels add up to, and a fit of such a probe against a renderer
# that uses pixel centres goes wrong at the zenith. Enlarging the map first (nearest neighbour, 16 times) brings the
# floor back to within 6 %.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q mitsuba==3.9.1 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
import numpy as np, mitsuba as mi
mi.set_variant("scalar_rgb")
print("mitsuba", mi.__version__)

def emitter(img):
    return mi.load_dict({"type": "envmap", "bitmap": mi.Bitmap(img.astype(np.float32))})

def look(e, theta, phi=0.3):          # radiance from the direction theta off the +y pole
    si = mi.SurfaceInteraction3f()
    si.wi = -mi.Vector3f(float(np.sin(theta) * np.cos(phi)), float(np.cos(theta)), float(np.sin(theta) * np.sin(phi)))
    return float(np.array(e.eval(si))[0])

H, W = 16, 32
ramp = np.repeat(np.arange(H)[:, None, None], W, 1) * np.ones(3)
e = emitter(ramp)
print("row seen at an angle from the pole (16 rows):")
for deg in (11.25, 22.5, 45, 90, 135):
    seen = look(e, np.radians(deg))
    print(f"  {deg:6.2f} deg: row {seen:.4f};  (H-1) rule {deg / 180 * (H - 1):.4f}, pixel centres {deg / 180 * H - 0.5:.4f}")
    assert abs(seen - deg / 180 * (H - 1)) < 1e-3
col = np.zeros((H, W, 3)); col[:, 5] = 1
e = emitter(col)
ph = np.linspace(0, 2 * np.pi, 1600, endpoint=False); v = []
for p in ph:
    si = mi.SurfaceInteraction3f(); si.wi = -mi.Vector3f(float(np.sin(p)), 0, float(-np.cos(p)))
    v.append(float(np.array(e.eval(si))[0]))
centre = np.angle((np.array(v) * np.exp(1j * ph)).sum()) / 2 / np.pi * W
print(f"column 5 is centred at u * W = {centre:.3f}")
assert abs(centre - 5.5) < 1e-2

def power(H, row, n):
    img = np.zeros((H, 2 * H, 3)); img[row] = 1
    e = emitter(img); t = (np.arange(n) + 0.5) / n * np.pi
    got = sum(look(e, x) * np.sin(x) for x in t) * np.pi / n * 2 * np.pi
    return got / (2 * np.pi * (np.cos(row * np.pi / H) - np.cos((row + 1) * np.pi / H)))
for H_, want in ((16, (0.380, 0.762)), (64, (0.345, 0.689))):
    got = [power(H_, r, 2000) for r in (0, 1)]
    print(f"power of a lit row / that of its band, {H_} rows: first {got[0]:.3f}, second {got[1]:.3f}, middle {power(H_, H_ // 2, 2000):.3f}")
    assert np.allclose(got, want, atol=0.01)

def floor(img):                       # radiance of a white diffuse floor, rendered
    scene = mi.load_dict({"type": "scene", "integrator": {"type": "direct"},
        "light": {"type": "envmap", "bitmap": mi.Bitmap(img.astype(np.float32))},
        "floor": {"type": "rectangle", "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], -90),
                  "bsdf": {"type": "diffuse", "reflectance": {"type": "rgb", "value": 1.0}}},
        "cam": {"type": "orthographic", "to_world": mi.ScalarTransform4f().look_at([0, 1, 0], [0, 0, 0], [0, 0, 1]) @ mi.ScalarTransform4f().scale([0.5, 0.5, 1]),
                "film": {"type": "hdrfilm", "width": 8, "height": 8, "rfilter": {"type": "box"}}, "sampler": {"type": "independent", "sample_count": 1024}}})
    return float(np.array(mi.render(scene, spp=1024, seed=1))[..., 0].mean())
black = np.zeros((16, 32, 3)); black[0] = 100
top = np.full((16, 32, 3), 1e-3); top[0] = 100
true = 100 * np.sin(np.pi / 16) ** 2 + 1e-3
a, b, c = floor(top), floor(np.kron(top, np.ones((16, 16, 1)))), floor(black)
print(f"white floor under a lit first row: pixels add up to {true:.3f}, Mitsuba {a:.3f} ({a / true:.2f}), map enlarged 16x first {b:.3f} ({b / true:.2f})")
print(f"the same with exact zeros in all other rows: {c:.3f}")
assert 0.34 < a / true < 0.42 and 0.93 < b / true < 0.97 and c == 0
print("as described: rows run from pole to pole, columns do not")
PY
