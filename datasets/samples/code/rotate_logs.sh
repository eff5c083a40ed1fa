#!/bin/sh
# Keeps the last N copies of every log in a folder: app.log -> app.log.1.gz -> app.log.2.gz ...
set -eu

usage() {
  echo "usage: $0 [-n copies] [-s min_bytes] folder" >&2
  exit 64
}

copies=7
min_bytes=65536
while getopts n:s:h option; do
  case "$option" in
    n) copies=$OPTARG ;;
    s) min_bytes=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] && [ -d "$1" ] || usage

lock="$1/.rotate.lock"
if ! mkdir "$lock" 2>/dev/null; then
  echo "$0: another rotation is under way in $1" >&2
  exit 75
fi
trap 'rmdir "$lock"' EXIT INT TERM

for log in "$1"/*.log; do
  [ -f "$log" ] || continue
  size=$(wc -c < "$log")
  if [ "$size" -lt "$min_bytes" ]; then
    continue
  fi
  rm -f "$log.$copies.gz"
  i=$copies
  while [ "$i" -gt 1 ]; do
    before=$((i - 1))
    [ -f "$log.$before.gz" ] && mv "$log.$before.gz" "$log.$i.gz"
    i=$before
  done
  # Copy and cut, so that a program which holds the file open writes on into the same one.
  gzip -c "$log" > "$log.1.gz.part" && mv "$log.1.gz.part" "$log.1.gz"
  : > "$log"
  printf '%s: %s bytes kept in %s\n' "$(date -u +%FT%TZ)" "$size" "$log.1.gz"
done
