#!/usr/bin/env bash
# Installs what is missing: system packages (scripts/apt.txt) and .venv with pinned Python packages (scripts/requirements.lock).
# With nothing missing it does nothing, in well under a second. FOVEA_PYTHON=/path/to/python3 chooses the interpreter of .venv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '== %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 2; }

# ---- system packages
missing_packages() { # lines of apt.txt of which no alternative is installed
  local installed line name
  installed=$'\n'$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii *//p')$'\n'
  while read -r line; do
    case $line in '' | '#'*) continue ;; esac
    for name in ${line//|/ }; do
      case $installed in *$'\n'"$name"$'\n'*) continue 2 ;; esac
    done
    printf '%s\n' "$line"
  done < scripts/apt.txt
}

install_packages() {
  local as_root=() names=() line name
  if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null || die "these packages are missing and there is no sudo; as root: apt-get install ${*//|*/}"
    as_root=(sudo)
  fi
  say "installing system packages: ${*//|*/}"
  "${as_root[@]}" apt-get update -qq -o Acquire::Retries=3 || say "apt-get update failed; going on with the lists at hand"
  for line in "$@"; do
    name=${line%%|*}
    for candidate in ${line//|/ }; do
      if apt-cache show "$candidate" > /dev/null 2>&1; then name=$candidate; break; fi
    done
    names+=("$name")
  done
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${names[@]}" > /dev/null ||
    die "apt-get could not install: ${names[*]}"
}

if command -v dpkg-query > /dev/null && command -v apt-get > /dev/null; then
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -gt 0 ]; then install_packages "${missing[@]}"; fi
elif [ ! -e .venv/.fovea-lock ]; then
  say "no apt-get here: see scripts/apt.txt for the libraries that must be installed"
fi

# ---- Python
usable_python() { # version in the lock's range, venv with pip, headers to build an extension
  [ -x "$(command -v "$1")" ] && "$1" -I -c '
import os, sys, sysconfig
import ensurepip, venv
header = any(os.path.exists(os.path.join(d or "", "Python.h")) for d in (sysconfig.get_path("include"), sysconfig.get_config_var("INCLUDEPY")))
sys.exit(not (header and (3, 11) <= sys.version_info[:2] <= (3, 13)))' 2> /dev/null
}

lock=$(sha256sum < scripts/requirements.lock | cut -d ' ' -f 1)
if [ "$(cat .venv/.fovea-lock 2> /dev/null)" = "$lock" ] && [ -x .venv/bin/python ]; then exit 0; fi

if [ -e .venv ] && ! usable_python .venv/bin/python; then
  say ".venv does not run or lacks headers: making it anew"
  rm -rf .venv
fi
if [ ! -e .venv ]; then
  python=
  # the system's first: apt has just brought its headers
  for candidate in ${FOVEA_PYTHON:+"$FOVEA_PYTHON"} /usr/bin/python3 python3 python3.12 python3.11 python3.13; do
    if usable_python "$candidate"; then python=$candidate; break; fi
    if [ "$candidate" = "${FOVEA_PYTHON:-}" ]; then die "FOVEA_PYTHON=$FOVEA_PYTHON is not a Python 3.11 to 3.13 with venv and headers"; fi
  done
  [ -n "$python" ] || die "no Python 3.11 to 3.13 with venv and headers found; install python3-venv and python3-dev, or set FOVEA_PYTHON"
  say "making .venv with $(command -v "$python") ($("$python" -V))"
  "$python" -m venv .venv || { rm -rf .venv; die "$python -m venv failed"; }
fi
say "installing $(grep -c == scripts/requirements.lock) pinned Python packages (about 3 GB to load, a few minutes)"
PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 .venv/bin/python -m pip install \
  --no-deps --only-binary :all: --progress-bar off --quiet -r scripts/requirements.lock ||
  die "pip could not install scripts/requirements.lock (see above); run it again when the network is back"
printf '%s\n' "$lock" > .venv/.fovea-lock
