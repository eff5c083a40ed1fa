#!/usr/bin/env bash
# Builds, then runs every test: ctest (C++) and pytest (Python, structure, notebooks). Arguments go to pytest. Exit code 1 if
# either failed. No test needs a network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh
# several programs share the cores: waiting OpenMP threads must sleep, not spin
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-passive}
# The scorers' golden values are on data that may not be copied here: a checkout with ../shared has them, elsewhere those tests skip by name.
if [ -z "${FOVEA_BENCHMARKS:-}" ] && [ -d ../shared/benchmarks ]; then FOVEA_BENCHMARKS="$(cd ../shared/benchmarks && pwd)"; export FOVEA_BENCHMARKS; fi
failed=0
ctest --test-dir build/release --output-on-failure -j2 || failed=1
.venv/bin/python -m pytest tests -q "$@" || failed=1
exit $failed
