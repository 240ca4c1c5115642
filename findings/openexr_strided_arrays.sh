#!/usr/bin/env bash
# OpenEXR 3.5.3 (its own Python module), seen 30 November 2026. Reported upstream in 2024 (openexr issue 1929), still so.
#
# One would expect: {"R": img[..., 0], "G": img[..., 1], "B": img[..., 2]} writes the three colours of an image; a crop
# or a transposed view is written as it looks in numpy, or is refused with an error.
# What happens: strides are ignored without a word. Every channel is read as if its memory were packed, so "R" gets the
# first third of the interleaved image, R G B R G B..., stretched over the whole picture; a crop gets pixels from
# outside of the crop. The file is valid and its values look like radiance. (float64 arrays, by contrast, are refused.)
# The interleaved (height, width, 3) form under one name "RGB" is right, if the array is C-contiguous.
# Why it matters: the channel-by-channel form is the one every example of the old module used, and a crop or a flip
# before saving is what every data pipeline does. np.ascontiguousarray on each channel is needed.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q OpenEXR==3.5.3 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, OpenEXR
print("OpenEXR", version("OpenEXR"))
img = np.random.default_rng(0).random((12, 8, 3)).astype(np.float32)   # a valid picture, all values in 0..1

def write_read(channels):
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels) as f:
        f.write("t.exr")
    with OpenEXR.File("t.exr", separate_channels=True) as f:
        return np.dstack([f.channels()[c].pixels for c in "RGB"])

def report(name, got, want):
    print(f"  {name:38s} largest error {np.abs(got - want).max():.3f}")
    return np.abs(got - want).max()

assert report("(h, w, 3), contiguous", write_read({"RGB": img}), img) == 0
split = write_read({c: img[..., i] for i, c in enumerate("RGB")})
assert report("R, G, B as slices of the image", split, img) > 0.5
# what is in "R" is the interleaved memory from the start: r g b r g b ...
assert np.array_equal(split[..., 0].ravel(), img.ravel()[: 12 * 8])
copies = write_read({c: np.ascontiguousarray(img[..., i]) for i, c in enumerate("RGB")})
assert report("the same slices, made contiguous", copies, img) == 0
crop = img[2:8, 2:6]
assert report("a crop of (h, w, 3)", write_read({"RGB": crop}), crop) > 0.5
turned = img.transpose(1, 0, 2)
assert report("a transposed view", write_read({"RGB": turned}), turned) > 0.5
print("as described: strides are ignored silently")
PY
