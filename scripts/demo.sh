#!/usr/bin/env bash
# The main job: compression curves of the shipped reader at 100 vision tokens a page, of prose and of shuffled words. Further
# arguments go to both `fovea curve` calls (for example: scripts/demo.sh --font "DejaVu Sans").
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh --target fovea-run fovea_python # what the demo runs; tests and benchmarks are built by theirs
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # waiting threads leave the cores to whoever works, other programs included
for kind in prose shuffled-words; do
  rm -rf "runs/demo/$kind" # nothing from an earlier run
  printf '\n== %s\n' "$kind"
  .venv/bin/fovea curve \
    --text datasets/samples/en_the_man_who_was_thursday.txt \
    --text datasets/samples/en_state_of_the_union_1953.txt \
    --budget 100 --ratio 5,10,15,20 --pages 4 --text-kind "$kind" --out "runs/demo/$kind" "$@"
done
printf '\nTables and figures:\n'
for kind in prose shuffled-words; do
  printf '  %-15s runs/demo/%s/summary.csv  runs/demo/%s/curve.png\n' "$kind" "$kind" "$kind"
done
