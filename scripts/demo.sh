#!/usr/bin/env bash
# Installs everything and relights the bundled demo capture, from its photos to renders, a video and a table.
#
#   scripts/demo.sh [flags of `relightnerf run`, e.g. --device cpu]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
scene="scenes/demo"

"$root/scripts/setup.sh"
cd "$root"
unset PYTHONDONTWRITEBYTECODE # the second command starts three times faster when libraries stay compiled
.venv/bin/relightnerf run --capture datasets/demo/capture --scene "$scene" --preset quick "$@"
.venv/bin/relightnerf evaluate --scene "$scene" --truth datasets/demo/truth
.venv/bin/relightnerf report --scene "$scene"

cat <<END

What the demo made, in $root:
  all of it on one page    $scene/report/index.html (open it in a browser)
  views under new lights   $scene/report/pictures/
  a light that moves       $scene/renders/light_sweep.mp4
  contact sheet            $scene/report/contact_sheet.png
  next to the truth        $scene/report/comparison.png
  the table                $scene/report/metrics.json
To look around in it, with sliders for the light:
  $root/.venv/bin/relightnerf view --scene $root/$scene
END
