#!/usr/bin/env bash
# Writes scripts/requirements.lock anew from scripts/requirements.in: the newest versions that pip finds for the Python of .venv.
# Afterwards: scripts/setup.sh, make test, and a line in CHANGELOG.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
report=$(mktemp)
trap 'rm -f "$report"' EXIT
.venv/bin/python -m pip install --dry-run --ignore-installed --quiet --only-binary :all: --report "$report" -r scripts/requirements.in
.venv/bin/python - "$report" > scripts/requirements.lock.new <<'PY'
import json, sys

packages = {(p["metadata"]["name"], p["metadata"]["version"]) for p in json.load(open(sys.argv[1]))["install"]}
print("# Exact versions of everything in .venv, for CPython 3.11 to 3.13 on x86-64 Linux. Made by scripts/lock.sh from requirements.in.")
for name, version in sorted(packages, key=lambda p: p[0].lower()):
    print(f"{name}=={version}")
PY
mv scripts/requirements.lock.new scripts/requirements.lock
