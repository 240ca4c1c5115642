#!/usr/bin/env bash
# Installs what the tests need, then checks style, types, imports (every package from below only) and behaviour.
#
#   scripts/test.sh [pytest's arguments]
#
# A process for each core, up to four, takes a file of tests at a time; -n 0 runs all in one, for debuggers.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
"$root/scripts/setup.sh" test
cd "$root"
unset PYTHONDONTWRITEBYTECODE # the tests' child processes start three times faster when libraries stay compiled
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
.venv/bin/lint-imports --no-logo --no-cache
export OMP_WAIT_POLICY=passive # processes that share the cores must not keep them busy with waiting
.venv/bin/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile "$@"
