#!/usr/bin/env bash
# opencv-python-headless 4.14.0.94 and 5.0.0.93, seen 30 November 2026.
#
# One would expect: OpenCV's remap with INTER_LINEAR rounds the position to 1/32 pixel (as it always did), or, with the
# rewritten 5.0, is exact; the number of channels of the image has nothing to do with it.
# What happens in 5.0: exact for float32 images with 1, 3 or 4 channels, still rounded to 1/32 pixel for 2 channels (and
# for float64). The same image remapped as 3 channels and as 2 + 1 channels does not agree: error 0 against 0.015
# pixel. cv2.undistort still rounds for every image. In 4.14 everything rounds.
# INTER_CUBIC moves a plain ramp by up to 0.048 pixel in 5.0 (0.057 in 4.14): its kernel does not keep straight lines.
# Why it matters: 2-channel maps are flow, uv, and the x and y of normals; on 5.0 they are warped by another rule than the
# picture they belong to. Code tuned on one channel count is not proof for another, and steps of 1/32 pixel make the
# gradient of a warped depth or flow map a staircase.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
for v in 4.14.0.94 5.0.0.93; do
  "$T/venv/bin/pip" install -q --no-deps --target "$T/$v" opencv-python-headless==$v >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
done
cd "$T"
cat > t.py <<'PY'
import sys, numpy as np, cv2
print("OpenCV", cv2.__version__)
ramp = np.tile(np.arange(64, dtype=np.float32), (64, 1))          # value = x, so the result is the position used
xs = np.linspace(30, 31, 101, dtype=np.float32)[None]
ys = np.full_like(xs, 30)
err = {}
for dt in (np.float32, np.float64):
    for ch in (1, 2, 3, 4):
        im = ramp.astype(dt) if ch == 1 else np.dstack([ramp.astype(dt)] * ch)
        got = cv2.remap(im, xs, ys, cv2.INTER_LINEAR).reshape(101, -1)[:, 0]
        err[dt.__name__, ch] = float(np.abs(got - xs[0]).max())
        print(f"  linear {dt.__name__} {ch} channels: {len(np.unique(got.round(4))):3d} different values, largest error {err[dt.__name__, ch]:.4f} px")
cubic = float(np.abs(cv2.remap(ramp, xs, ys, cv2.INTER_CUBIC)[0] - xs[0]).max())
K = np.array([[60, 0, 31.5], [0, 60, 31.5], [0, 0, 1.0]]); D = np.array([0.05, 0, 0, 0, 0.0])
y, x = np.mgrid[:64, :64]; X, Y = (x - 31.5) / 60, (y - 31.5) / 60
und = float(np.abs(cv2.undistort(ramp, K, D) - (60 * X * (1 + 0.05 * (X * X + Y * Y)) + 31.5))[4:-4, 4:-4].max())
print(f"  cubic float32: largest error {cubic:.4f} px;   undistort float32: {und:.4f} px")
five = cv2.__version__.startswith("5")
for (dt, ch), e in err.items():
    exact = five and dt == "float32" and ch != 2
    assert (e < 1e-4) if exact else (0.0149 < e < 0.0157), (dt, ch, e)
assert abs(cubic - (0.0481 if five else 0.0569)) < 5e-4 and 0.015 < und < 0.016
PY
for v in 4.14.0.94 5.0.0.93; do PYTHONPATH="$T/$v" "$T/venv/bin/python" t.py; done
echo "as described: in 5.0 the channel count decides"
