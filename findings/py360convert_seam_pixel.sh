#!/usr/bin/env bash
# py360convert 1.0.4, seen 30 November 2026.
#
# One would expect: panorama -> cube -> panorama (e2c, then c2e) blurs a little and leaves everything in its place.
# What happens: it shifts, more with every trip. When it writes a panorama, the first and the last column are both
# taken to be the direction of the seam, and the edge pixels of cube faces to lie on the edges of the cube; when it
# reads, it uses pixel centres. One trip stretches the panorama by one pixel about its middle (64 x 128, faces of 512
# pixels: left -0.2, right +0.3, the two sides of the seam -0.4 and +0.5), after five the two sides of the seam are 4.5
# pixels apart. Small faces add a shift of everything: +0.65 pixel a trip for 128 x 256 by faces of 64 pixels. A
# perspective view (e2p) has the centres of its outer pixels on the nominal field of view: 45.0 degrees where a pinhole
# camera of 90 degrees and 256 pixels has 44.9; there is no option.
# Why it matters: light probes are small. On a 16 x 32 probe half a pixel is 5.6 degrees of light direction, and a
# camera of focal length w / (2 tan(fov / 2)) does not fit the views that e2p cuts.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q py360convert==1.0.4 opencv-python-headless==5.0.0.93 scipy==1.17.1 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, py360convert as p
print("py360convert", version("py360convert"))
def directions(H, W):      # a panorama whose pixels hold their own direction (right, up, front) at the pixel centre
    U, V = np.meshgrid(((np.arange(W) + 0.5) / W - 0.5) * 2 * np.pi, (np.arange(H) + 0.5) / H * np.pi)
    return np.dstack([np.sin(V) * np.sin(U), np.cos(V), np.sin(V) * np.cos(U)]).astype(np.float32), U
def trips(H, W, face, n):
    D, U = directions(H, W)
    r = D
    for k in range(1, n + 1):
        r = p.c2e(p.e2c(r, face_w=face), H, W).astype(np.float32)
        du = np.angle(np.exp(1j * (np.arctan2(r[..., 0], r[..., 2]) - U)))[H // 2] / (2 * np.pi) * W
        at = {n: float(np.median(du[c - 6:c + 6])) for n, c in (("left", W // 4), ("front", W // 2), ("right", 3 * W // 4))}
        at |= {"first columns": float(np.median(du[2:10])), "last columns": float(np.median(du[-10:-2]))}
        print(f"  {H} x {W}, faces {face}: trip {k}, shift on the equator in pixels:", {n: round(v, 2) for n, v in at.items()})
        yield k, at
for k, at in trips(64, 128, 512, 5):
    assert abs(at["front"]) < 0.06 * k and abs(at["right"] - at["left"] - 0.51 * k) < 0.06 * k
    assert abs(at["last columns"] - at["first columns"] - 0.9 * k) < 0.1 * k
for k, at in trips(128, 256, 64, 1):
    assert abs(at["front"] - 0.65) < 0.08
big, _ = directions(512, 1024)
v = p.e2p(big, fov_deg=(90, 90), u_deg=0, v_deg=0, out_hw=(256, 256))[128]
edge = np.degrees(np.arctan2(v[-1, 0], v[-1, 2]))
print(f"  e2p, 90 degrees, 256 pixels: centre of the last pixel at {edge:.3f} degrees; a pinhole camera has it at {np.degrees(np.arctan(255 / 256)):.3f}")
assert abs(edge - 45) < 0.03
print("as described")
PY
