"""Vision tokens stored in fewer bits: what the shipped reader still reads, and what a character costs.

    python experiments/results/token-precision/run.py [--pages 4] [--out experiments/results/token-precision]

Pages are those of `fovea curve` on the sample that the reader never trained on; they are encoded once, their tokens stored in each form and read back by the decoder.
Goes on where it was: finished (ratio, form) rows of table.csv are kept.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

import fovea
from fovea.figures import to_csv, write_atomic
from fovea.metrics import bootstrap_mean
from fovea.result_figures import precision_against_bits

ROOT = Path(__file__).resolve().parents[3]
FORMS = ["float32", "float16", "int8", "int4", "binary"]
COLUMNS = ["ratio", "form", "num_pages", "num_chars", "bits_a_token", "bits_a_character", "relative_error", "precision", "precision_low", "precision_high", "char_edit_distance"]


def passages(ratios: list[float], pages: int) -> dict[float, list[fovea.Page]]:
    """Full pages of 100 tokens at each ratio, in the largest type that fits."""
    tokenizer = fovea.deepseek_tokenizer()
    text = " ".join((ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8").split())
    words = text.split(" ")
    renderer = fovea.Renderer()
    out: dict[float, list[fovea.Page]] = {}
    for ratio in ratios:
        out[ratio] = []
        for i in range(pages):
            begin = i * len(words) // (pages + 1)
            count = 1
            while tokenizer.count_tokens(" ".join(words[begin : begin + count + 1])) <= 100 * ratio:
                count += 1
            piece = " ".join(words[begin : begin + count])
            style = fovea.Style(width_px=640, height_px=640, font="DejaVu Sans Mono", font_size_px=12)
            style.font_size_px = renderer.fit_font_size(piece, style, 3, 64, 0.25)
            out[ratio].append(renderer.render(piece, style))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--ratio", type=float, nargs="+", default=[5, 10, 15, 20])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    table = args.out / "table.csv"
    rows: list[dict[str, object]] = []
    if table.exists():
        with table.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    done = {(float(row["ratio"]), row["form"]) for row in rows if int(row["num_pages"]) == args.pages}
    rows = [row for row in rows if int(row["num_pages"]) == args.pages]
    for ratio, pages in passages(args.ratio, args.pages).items():
        if all((ratio, form) in done for form in FORMS):
            continue
        tokens = fovea.encode(pages)
        for form in FORMS:
            if (ratio, form) in done:
                continue
            stored = [t.quantize(form) for t in tokens]
            readings = fovea.decode([q.tokens for q in stored])
            scores = [fovea.score(page.text, reading) for page, reading in zip(pages, readings, strict=True)]
            low, high = bootstrap_mean([s.precision for s in scores])
            num_chars = sum(s.num_ref_chars for s in scores)
            positions = sum(t.num_decoder_positions for t in tokens)
            bits_a_token = 8 * sum(q.num_bytes for q in stored) / positions  # separators are stored like tokens; each costs the same
            rows.append({
                "ratio": ratio, "form": form, "num_pages": len(pages), "num_chars": num_chars, "bits_a_token": round(bits_a_token, 2),
                "bits_a_character": round(bits_a_token * 100 * len(pages) / num_chars, 3), "relative_error": round(float(np.mean([q.relative_error for q in stored])), 6),
                "precision": round(float(np.mean([s.precision for s in scores])), 5), "precision_low": round(low, 5), "precision_high": round(high, 5),
                "char_edit_distance": round(float(np.mean([s.char_edit_distance for s in scores])), 5),
            })
            write_atomic(table, to_csv(rows))
            print(" ".join(f"{key}={rows[-1][key]}" for key in COLUMNS), file=sys.stderr, flush=True)
    drawing = precision_against_bits(rows)
    for kind in ("svg", "png"):
        drawing.savefig(args.out / f"figure.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else None)


if __name__ == "__main__":
    main()
