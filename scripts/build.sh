#!/usr/bin/env bash
# Sets up, builds build/release, and leaves the programs at .venv/bin/fovea and .venv/bin/fovea-run. Arguments go to
# `cmake --build` (for example: scripts/build.sh --target fovea_render).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p build
exec 9> build/.lock # one build at a time
if command -v flock > /dev/null; then flock 9; fi

scripts/setup.sh 9>&-

# ---- configure; ninja itself starts CMake again when a CMake file changed
if [ -e build/release/CMakeCache.txt ] &&
  { ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" build/release/CMakeCache.txt ||
    ! cmp -s .venv/.fovea-lock build/release/.fovea-lock; }; then
  printf '== build: the folder moved or the Python packages changed: configuring anew\n' >&2
  rm -rf build/release
fi
if [ ! -e build/release/build.ninja ]; then
  launcher=()
  if command -v ccache > /dev/null; then
    launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
  fi
  cmake --preset release "${launcher[@]}" 9>&-
  cp .venv/.fovea-lock build/release/.fovea-lock
fi

# ---- build: one job a core, and 2 GB of memory a job
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
jobs=$(nproc)
memory_gb=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
if [ "$jobs" -gt $((memory_gb / 2)) ]; then jobs=$((memory_gb / 2)); fi
if [ "$jobs" -lt 1 ]; then jobs=1; fi
cmake --build build/release --parallel "$jobs" "$@" 9>&-

# ---- make package and programs known to .venv
write_if_changed() { # path, text
  if [ "$(cat "$1" 2> /dev/null)" != "$2" ]; then printf '%s\n' "$2" > "$1"; fi
}
site=$(.venv/bin/python -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
write_if_changed "$site/fovea.pth" "$PWD/python"
# exec through sh: a "#!" line may hold neither blanks nor long paths
write_if_changed .venv/bin/fovea "#!/bin/sh
'''exec' \"$PWD/.venv/bin/python\" \"\$0\" \"\$@\"
' '''
import sys

from fovea.cli import main

sys.exit(main())"
chmod +x .venv/bin/fovea
if [ -e build/release/bin/fovea-run ]; then ln -sfn "$PWD/build/release/bin/fovea-run" .venv/bin/fovea-run; fi
