#!/usr/bin/env bash
# Mitsuba 3.9.1, imagecodecs 2026.3.6, three.js 0.187.0 against OpenCV 5.0.0.93, seen 30 November 2026.
#
# One would expect: the second pixel format of Radiance pictures, FORMAT=32-bit_rle_xyze (CIE XYZ with a shared exponent,
# what Radiance's ra_xyze writes), is either turned to RGB or refused.
# What happens: Mitsuba, imagecodecs and three.js's HDRLoader accept the file and hand over X, Y, Z as if they were
# R, G, B. OpenCV refuses it. Nothing in the result tells.
# Why it matters: a neutral sky of D65 white comes out as (0.95, 1.00, 1.09), which passes for a slightly cool light; a
# saturated red light (RGB 1, 0, 0) comes out as (0.41, 0.21, 0.02), a dim brown one. Read the FORMAT line yourself.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q mitsuba==3.9.1 imagecodecs==2026.3.6 opencv-python-headless==5.0.0.93 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
npm init -y >npm.log 2>&1 && npm install --silent --no-audit --no-fund three@0.187.0 >>npm.log 2>&1 || { cat npm.log; exit 2; }
cat > read.mjs <<'JS'
import fs from 'fs'; import { FloatType } from 'three'; import { HDRLoader } from 'three/addons/loaders/HDRLoader.js';
const b = fs.readFileSync('xyze.hdr'); const l = new HDRLoader(); l.setDataType(FloatType);
const r = l.parse(b.buffer.slice(b.byteOffset, b.byteOffset + b.length));
console.log(JSON.stringify([Array.from(r.data.slice(0, 3)), Array.from(r.data.slice(4, 7))]));
JS
"$T/venv/bin/python" - <<'PY'
import json, subprocess
import numpy as np, cv2, imagecodecs, mitsuba as mi
mi.set_variant("scalar_rgb")
print("mitsuba", mi.__version__, " imagecodecs", imagecodecs.__version__, " OpenCV", cv2.__version__)
M = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
rgb = np.array([[1, 1, 1], [1, 0, 0.0]])                       # a white and a red pixel, alternating
xyz = np.tile((rgb @ M.T)[None], (4, 4, 1))
mant, exp = np.frexp(xyz.max(2))
data = np.dstack([np.floor(xyz * (mant * 256 / xyz.max(2))[..., None]), exp + 128]).astype(np.uint8)
head = "#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 4 +X 8\n"
open("xyze.hdr", "wb").write(head.encode() + data.tobytes())
open("rgbe.hdr", "wb").write(head.replace("xyze", "rgbe").encode() + data.tobytes())
got = {"Mitsuba": np.array(mi.Bitmap("xyze.hdr").convert(component_format=mi.Struct.Type.Float32))[0, :2],
       "imagecodecs": imagecodecs.rgbe_decode(open("xyze.hdr", "rb").read())[0, :2],
       "three.js": np.array(json.loads(subprocess.check_output(["node", "read.mjs"], text=True)))}
for k, v in got.items():
    print(f"  {k:12s} white -> {v[0].round(2)}   red -> {v[1].round(2)}")
    assert np.allclose(v, xyz[0, :2], atol=0.01) and not np.allclose(v, rgb, atol=0.05)
refused = cv2.imread("xyze.hdr", cv2.IMREAD_UNCHANGED)
assert refused is None and cv2.imread("rgbe.hdr", cv2.IMREAD_UNCHANGED) is not None
print("  OpenCV       refuses it (and reads the same bytes with the other FORMAT line)")
print("as described")
PY
