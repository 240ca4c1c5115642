#!/usr/bin/env bash
# OpenEXR 3.5.3 (its own Python module), seen 30 November 2026. Asked for upstream in 2024 (openexr issue 1942), still so.
#
# One would expect: a compression is lossy or not for the whole file; DWAA/DWAB is called lossy, so either every
# channel is changed a little, or none.
# What happens: with DWAA the *name* of the channel decides. The same float depth map comes back bit-exact under the
# names "Z", "A", "depth" or "depth.V", and with errors of 0.07 (on depths of about 5 to 12) under the names "Y" or
# "depth.R". Of a normal map stored as normal.X, normal.Y, normal.Z only the y component is damaged, because a name
# that ends in "Y" is taken for luminance; the same normals under R, G, B are damaged in all three.
# Why it matters: tools that write one grey channel often call it "Y" or "R", those that write depth say "Z", and the
# x/y/z naming of normals looks safe, so a capture stored with DWAA can hold one damaged component and two exact ones.
# Ground truth that is not a picture (depth, normals, positions, ids) belongs into ZIP, whatever its name.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q OpenEXR==3.5.3 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
"$T/venv/bin/python" - <<'PY'
from importlib.metadata import version
import numpy as np, OpenEXR
print("OpenEXR", version("OpenEXR"))
rng = np.random.default_rng(0)
y, x = np.mgrid[:64, :64].astype(np.float32)
depth = (5 + np.sin(x / 7) + 0.1 * y + rng.normal(0, 0.01, (64, 64))).astype(np.float32)
normal = np.dstack([np.sin(x / 9), np.cos(y / 5), 0.3 + 0 * x]).astype(np.float32)
normal /= np.linalg.norm(normal, axis=2, keepdims=True)

def roundtrip(channels, compression):
    arrays = {k: np.ascontiguousarray(v) for k, v in channels.items()}
    with OpenEXR.File({"compression": compression, "type": OpenEXR.scanlineimage}, dict(arrays)) as f:
        f.write("t.exr")
    with OpenEXR.File("t.exr", separate_channels=True) as f:
        return {k: float(np.abs(f.channels()[k].pixels - arrays[k]).max()) for k in arrays}

names = {k: depth for k in ("Z", "A", "depth", "depth.V", "Y", "depth.R")}
names |= {"normal." + k: normal[..., i] for i, k in enumerate("XYZ")}
names |= {"n." + k: normal[..., i] for i, k in enumerate("RGB")}
zip_ = roundtrip(names, OpenEXR.ZIP_COMPRESSION)
dwa = roundtrip(names, OpenEXR.DWAA_COMPRESSION)
for k in names:
    print(f"  {k:9s} largest error: ZIP {zip_[k]:.5f}   DWAA {dwa[k]:.5f}")
assert all(v == 0 for v in zip_.values())
for k in ("Z", "A", "depth", "depth.V", "normal.X", "normal.Z"):
    assert dwa[k] == 0, k
for k in ("Y", "depth.R"):
    assert 0.05 < dwa[k] < 0.1, k
for k in ("normal.Y", "n.R", "n.G", "n.B"):
    assert 0.005 < dwa[k] < 0.03, k
print("as described: the name decides what DWAA damages")
PY
