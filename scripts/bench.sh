#!/usr/bin/env bash
# Builds, runs every Google Benchmark program (fovea_bench_*) and writes build/bench.json in Google Benchmark's own format.
# Arguments go to the programs (for example: scripts/bench.sh --benchmark_filter=render).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build.sh
mapfile -t programs < <(find build/release -type f -executable -name 'fovea_bench_*' | sort)
if [ ${#programs[@]} -eq 0 ]; then
  printf 'bench: no fovea_bench_* program in build/release; was it configured with FOVEA_BUILD_BENCHMARKS=ON?\n' >&2
  exit 2
fi
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
for program in "${programs[@]}"; do
  printf '\n== %s\n' "${program##*/}"
  "$program" --benchmark_out="$parts/${program##*/}.json" --benchmark_out_format=json "$@"
done
.venv/bin/python - "$parts" build/bench.json <<'PY'
import json, os, pathlib, sys

merged = None
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    text = path.read_text()
    part = json.loads(text) if text.strip() else {"benchmarks": []}  # empty where a filter left nothing
    if merged is None or "context" not in merged:
        part["benchmarks"] = (merged or {"benchmarks": []})["benchmarks"] + part["benchmarks"]
        merged = part
    else:
        merged["benchmarks"] += part["benchmarks"]
out = pathlib.Path(sys.argv[2])
temporary = out.with_suffix(".tmp")
temporary.write_text(json.dumps(merged, indent=2) + "\n")
os.replace(temporary, out)
print(f"\n{len(merged['benchmarks'])} results in {out}")
PY
