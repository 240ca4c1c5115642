#!/usr/bin/env bash
# Installs what the tests need, then checks style, types and behaviour.
#
#   scripts/test.sh [pytest's arguments]
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" test
cd "$root"
unset PYTHONDONTWRITEBYTECODE # the tests' child processes start three times faster when libraries stay compiled
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
