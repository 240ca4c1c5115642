#!/usr/bin/env bash
# pycolmap 4.2.1, seen 30 November 2026 (3.13.0 and 4.0.4 do the same).
#
# One would expect: importing a library leaves the program's signal handlers alone; signal.getsignal tells the truth.
# What happens: "import pycolmap" installs the failure handler of its logging library for SIGTERM too (not for SIGINT).
# A Python handler set before the import is lost without a word, signal.getsignal still names it, and on SIGTERM the
# program prints a native stack trace headed "Aborted" and ends. Set after the import, the handler works. Python's
# own default (no handler) becomes that trace as well.
# Why it matters: SIGTERM is how a container, a batch queue or a preempted cloud machine asks a training to save and
# stop. A trainer that sets its handler first and imports pycolmap later (as lazily importing data parsers do) loses its last
# checkpoint, and the log looks like a crash of native code. Import pycolmap first, or set the handler again after it.
set -euo pipefail
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
python3 -m venv "$T/venv"
"$T/venv/bin/pip" install -q pycolmap==4.2.1 numpy==2.4.6 >"$T/pip.log" 2>&1 || { cat "$T/pip.log"; exit 2; }
cd "$T"
cat > t.py <<'PY'
import os, signal, subprocess, sys, time
if len(sys.argv) > 1:                      # the program under test: it only sends a signal to itself
    def handler(number, frame):
        print("handler ran", flush=True)
        sys.exit(7)
    order, number = sys.argv[1], getattr(signal, sys.argv[2])
    if order == "import first":
        import pycolmap
    signal.signal(number, handler)
    if order == "import last":
        import pycolmap
    print("registered:", signal.getsignal(number) is handler, flush=True)
    os.kill(os.getpid(), number)
    time.sleep(2)
    sys.exit(9)
from importlib.metadata import version
print("pycolmap", version("pycolmap"))
for order, number, ran in (("no import", "SIGTERM", True), ("import first", "SIGTERM", True), ("import last", "SIGTERM", False), ("import last", "SIGINT", True)):
    r = subprocess.run([sys.executable, __file__, order, number], capture_output=True, text=True, timeout=120)
    print(f"  {order:12s} {number}: handler ran: {'handler ran' in r.stdout}; exit {r.returncode}; native trace: {'received by PID' in r.stderr}")
    assert "registered: True" in r.stdout
    assert ("handler ran" in r.stdout) == ran and r.returncode == (7 if ran else -signal.SIGTERM)
    assert ("received by PID" in r.stderr) == (not ran)
print("as described: the import takes SIGTERM")
PY
"$T/venv/bin/python" t.py
