#!/usr/bin/env bash
# Makes .venv ready: system libraries, a virtual environment, this package with its dependencies. Ready in an instant
# when nothing has changed since the last time.
#
#   scripts/setup.sh [test|docs]      `test` also brings what the tests need, Chromium too; `docs` the site's tools
#
# PYTHON=/path/to/python chooses the interpreter of a new .venv.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="$root/.venv"
stamp="$venv/.relightnerf"
log="$venv/setup.log"
extra="${1:-}"
room_needed_gb=9

# library file → Debian package, for what the wheels of Open3D, PyTorch and OpenCV expect of the system
libraries=(
  libusb-1.0.so.0=libusb-1.0-0
  libGL.so.1=libgl1
  libEGL.so.1=libegl1
  libX11.so.6=libx11-6
  libgomp.so.1=libgomp1
)

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null
}

find_python() {
  local candidate
  if [[ -n "${PYTHON:-}" ]]; then
    is_supported "$PYTHON" || die "PYTHON=$PYTHON is not Python 3.10, 3.11 or 3.12. Give the path of one that is."
    command -v "$PYTHON"
    return
  fi
  for candidate in python3.11 python3.12 python3.10 python3 python; do
    if is_supported "$candidate"; then
      command -v "$candidate"
      return
    fi
  done
  die "no Python 3.10, 3.11 or 3.12 found. Install one (Debian, Ubuntu: apt-get install python3.11) or set PYTHON to it."
}

has_library() {
  local listed
  listed="$({ ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null)"
  [[ "$listed" == *"$1 "* ]]
}

# Prints the Debian packages that are missing; the first argument is the interpreter of a venv to be made, or nothing.
missing_packages() {
  local python="$1" entry
  if [[ "$(uname -s)" == Linux ]]; then
    for entry in "${libraries[@]}"; do
      has_library "${entry%%=*}" || printf '%s\n' "${entry#*=}"
    done
  fi
  if [[ -n "$python" ]] && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
  fi
}

install_packages() {
  local command="apt-get update && apt-get install -y --no-install-recommends $*"
  if ! command -v apt-get >/dev/null; then
    die "the system lacks these libraries, by Debian's names: $*. Install them with your system's package manager."
  fi
  if [[ "$(id -u)" != 0 ]]; then
    die "the system lacks some libraries. As root, run: $command"
  fi
  echo "installing system libraries: $*"
  if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } \
    >/tmp/relightnerf-apt.log 2>&1; then
    die "apt-get could not install $* (see /tmp/relightnerf-apt.log). Check the network, then start again."
  fi
}

# Tests of pages run in the system's own browser, and are skipped where there is none.
get_browser() {
  local name why="as root, run: apt-get install chromium"
  for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null && return
  done
  if [[ "$(id -u)" == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing Chromium for the tests of pages"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
      >/tmp/relightnerf-apt.log 2>&1 && return
    why="apt-get could not install it, see /tmp/relightnerf-apt.log"
  fi
  echo "no Chromium: tests of pages will be skipped ($why)"
}

venv_works() {
  [[ -x "$venv/bin/python" ]] && is_supported "$venv/bin/python" && "$venv/bin/python" -c 'import pip' 2>/dev/null
}

check_room() {
  local free_kb
  free_kb="$(df -Pk "$root" | awk 'NR == 2 {print $4}')"
  if ((free_kb < room_needed_gb * 1024 * 1024)); then
    die "$root: $((free_kb / 1024 / 1024)) GB free, the packages need $room_needed_gb. Make room, then start again."
  fi
}

fingerprint() {
  {
    "$venv/bin/python" --version
    echo "$root"
    cat "$root/pyproject.toml" "$root/constraints.txt" "$root/relightnerf/__init__.py" # holds the version
  } | cksum
}

# `test` brings what `docs` brings, and both what is brought without.
is_installed() {
  local made_for
  [[ -f "$stamp" ]] || return 1
  made_for="$(<"$stamp")"
  [[ "$made_for" == "$1 test" || "$made_for" == "$1 $extra" || (-z "$extra" && "$made_for" == "$1 docs") ]]
}

# uv is much faster than pip, but not to be had for every system.
get_uv() {
  [[ -x "$venv/bin/uv" ]] && return
  "$venv/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt uv >>"$log" 2>&1 && return
  if grep -qiE 'connection|name resolution|failed to resolve|unreachable|timed out|proxyerror' "$log"; then
    die "the Python package index cannot be reached (see $log). Check the network, then start again."
  fi
  return 1
}

install_project() {
  local requirement=".${extra:+[$extra]}"
  local options=(-q -c constraints.txt -e "$requirement")
  if get_uv; then
    "$venv/bin/uv" pip install --python "$venv/bin/python" "${options[@]}" >>"$log" 2>&1
  else
    "$venv/bin/python" -m pip install --disable-pip-version-check "${options[@]}" >>"$log" 2>&1
  fi
}

main() {
  local python="" packages print
  [[ "$extra" =~ ^(test|docs)?$ ]] || die "scripts/setup.sh: unknown argument '$extra'. Give 'test', 'docs' or nothing."
  cd "$root"
  venv_works || python="$(find_python)"
  mapfile -t packages < <(missing_packages "$python")
  [[ ${#packages[@]} == 0 ]] || install_packages "${packages[@]}"
  [[ "$extra" != test ]] || get_browser
  if [[ -n "$python" ]]; then
    check_room
    "$python" -m venv --clear "$venv" || die "$venv: cannot be made with $python. See the lines above."
  fi
  print="$(fingerprint)"
  if is_installed "$print"; then
    return
  fi
  echo "installing Python packages into .venv (one to three minutes, 8 GB; what happens: .venv/setup.log)"
  rm -f "$stamp" "$log"
  if ! install_project; then
    tail -n 15 "$log" >&2
    die "the Python packages could not be installed (see $log). Check the network and the free space, then start again."
  fi
  echo "$print $extra" >"$stamp"
}

main
