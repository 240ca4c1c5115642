#!/usr/bin/env bash
# opencv-python-headless 5.0.0.93 against scikit-image 0.26.0, seen 30 November 2026.
#
# One would expect: cvtColor on float32 images does the formula without limits, as it does for XYZ, YCrCb and HSV, and
# as its documentation says for Lab (only 8- and 16-bit images are scaled); for linear input there is even a code of
# its own, COLOR_LRGB2Lab.
# What happens: for Lab and Luv every value is clipped to 0..1 first, for linear input too: the radiance (4, 2, 1), warm
# light, becomes L 100, a 0, b 0, pure white, and comes back as (1, 1, 1). XYZ, YCrCb and HSV give it back. Even inside
# 0..1 the result comes from an interpolated table: off by up to 0.2 in L and 0.6 in a and b.
# Why it matters: "scale L in linear Lab" is a usual way to relight or to match exposure without changing the colour.
# On HDR it silently turns every highlight white, and a difference of 0.6 in a or b is near what a colour-error
# measure such as Delta E is asked to resolve.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q opencv-python-headless==5.0.0.93 scikit-image==0.26.0 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
import numpy as np, cv2, skimage
from skimage import color
print("OpenCV", cv2.__version__, " scikit-image", skimage.__version__)
hdr = np.array([[[4, 2, 1]]], np.float32)
for name, inv, clips in (("LRGB2Lab", "Lab2LRGB", True), ("RGB2Lab", "Lab2RGB", True), ("LRGB2Luv", "Luv2LRGB", True),
                         ("RGB2XYZ", "XYZ2RGB", False), ("RGB2YCrCb", "YCrCb2RGB", False), ("RGB2HSV", "HSV2RGB", False)):
    mid = cv2.cvtColor(hdr, getattr(cv2, "COLOR_" + name))
    back = cv2.cvtColor(mid, getattr(cv2, "COLOR_" + inv))[0, 0]
    print(f"  (4, 2, 1) by {name:9s} -> {mid[0, 0].round(2)} -> {back.round(2)}")
    assert np.allclose(back, 1 if clips else hdr[0, 0], atol=2e-3)
    if name == "LRGB2Lab":
        assert np.allclose(mid[0, 0], [100, 0, 0], atol=0.01)
M = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
xyz = hdr @ M.T
print("  the formula:", color.xyz2lab(xyz)[0, 0].round(1))
assert color.xyz2lab(xyz)[0, 0, 0] > 130
im = np.random.default_rng(0).random((256, 256, 3)).astype(np.float32)
e = np.abs(cv2.cvtColor(im, cv2.COLOR_RGB2Lab) - color.rgb2lab(im)).max((0, 1))
print("  within 0..1, largest difference to the formula in L, a, b:", e.round(3))
assert 0.1 < e[0] < 0.4 and 0.3 < e[1] < 1 and 0.2 < e[2] < 1
print("as described")
PY
