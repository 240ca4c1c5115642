#!/usr/bin/env bash
# Builds the documentation site into build/site; any warning is an error. No network is needed once all is installed.
#
#   scripts/docs.sh [mkdocs' arguments, e.g. serve in place of build]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" docs
cd "$root"
export NO_MKDOCS_2_WARNING=1 # a notice about other software, printed to every build
.venv/bin/python -m mkdocs "${@:-build}"
echo "the site: $root/build/site/index.html"
