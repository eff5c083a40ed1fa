#!/usr/bin/env bash
# What a model card of a reader shows, measured with fovea-run alone: measure_reader.sh KIND MODEL OUT [SECONDS]
# KIND is latin (16x compressor), latin-64x or chinese; TEXT names the held-out text. Runs are in the order of their weight; what has not ended after SECONDS (default: all the time in
# the world) is left out and named. Pages are kept as text alone. The tables: .venv/bin/python scripts/reader_card.py OUT
# Environment: TEXT, FONTS (comma-separated families), HELD_OUT (families that the reader has not met), DEVICE (cuda), BATCH, PAGES, FOVEA_RUN, FOVEA_DEEPSEEK_TOKENIZER.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[ $# -ge 3 ] || { sed -n '2,5s/^# //p' "${BASH_SOURCE[0]}"; exit 2; }
kind=$1 model=$2 out=$3 end=$(( $(date +%s) + ${4:-1000000} ))
run=${FOVEA_RUN:-.venv/bin/fovea-run} device=${DEVICE:-cuda} pages=${PAGES:-8} batch=${BATCH:-128}
: "${TEXT:?must name a text that the reader was not trained on}"
latin="DejaVu Sans Mono,DejaVu Sans,DejaVu Serif,Liberation Mono,Liberation Sans,Liberation Serif,Noto Sans,Noto Serif"
han="Noto Sans CJK SC,Noto Serif CJK SC,WenQuanYi Micro Hei,AR PL UMing CN,AR PL UKai CN,LXGW WenKai"
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

measure() {  # NAME KIND_OF_TEXT BUDGET RATIOS FONTS [PAGES]
  local left=$(( end - $(date +%s) )) from code
  [ "$left" -gt 5 ] || { echo "$1: no time left"; return; }
  from=$(date +%s)
  timeout -s INT -k 15 "$left" "$run" curve text="$TEXT" model="$model" device="$device" batch="$batch" pages="${6:-$pages}" font="$5" text_kind="$2" budget="$3" ratio="$4" \
    out="$work/$1" > "$work/$1.log" 2>&1
  code=$?
  [ $code -eq 0 ] || tr '\r' '\n' < "$work/$1.log" | tail -n 3
  [ -f "$work/$1/results.jsonl" ] || { echo "$1: nothing was read (exit code $code)"; return; }
  echo "$1: $(wc -l < "$work/$1/results.jsonl") pages in $(( $(date +%s) - from )) s, exit code $code"
  mkdir -p "$out/$1"
  for file in summary.csv results.jsonl manifest.json config.json; do [ ! -f "$work/$1/$file" ] || cp "$work/$1/$file" "$out/$1/"; done
  [ "$2" != prose ] || (cd "$work/$1" && find pages -name '*.txt' | sort | tar czf pages.tgz -T -; cd - > /dev/null; cp "$work/$1/pages.tgz" "$out/$1/")
}

case $kind in
  latin) fonts=${FONTS:-$latin}
    measure prose-100 prose 100 2.5,5,7.5,10,12.5,15,20,25 "$fonts"
    measure shuffled-100 shuffled-words 100 5,10,15,20 "$fonts"
    measure letters-100 random-letters 100 5,10 "$fonts"
    measure words-100 random-words 100 5,10,15,20 "$fonts"
    measure prose-64 prose 64 5,10,15,20 "$fonts"
    measure prose-256 prose 256 5,10 "$fonts" 4 ;;
  latin-64x) fonts=${FONTS:-$latin}
    measure prose-100 prose 100 5,10,20,30,40 "$fonts"
    measure shuffled-100 shuffled-words 100 5,10,20,30,40 "$fonts"
    measure letters-100 random-letters 100 5,10,20 "$fonts"
    measure held-out-100 prose 100 5,10,20,40 "${HELD_OUT:-Roboto,EB Garamond}"
    measure prose-36 prose 36 5,10,20,30,40 "$fonts"
    measure words-100 random-words 100 5,10,20,40 "$fonts"
    measure prose-25 prose 25 10,20,40 "$fonts"
    measure shuffled-36 shuffled-words 36 10,20,40 "$fonts" ;;
  chinese) fonts=${FONTS:-$han}
    measure prose-100 prose 100 2.5,5,7.5,10,12.5,15,20 "$fonts"
    measure shuffled-100 shuffled-words 100 5,10,15,20 "$fonts"
    measure prose-64 prose 64 5,10,15,20 "$fonts"
    measure prose-256 prose 256 5,10 "$fonts" 4 ;;
  *) echo "KIND must be latin, latin-64x or chinese, got '$kind'"; exit 2 ;;
esac
