"""How many directions the shipped reader's vision tokens need: tokens of held-out pages are projected on the leading principal components of other pages' tokens and read back.

    python experiments/results/token-width/pca.py [--pages 4] [--ratio 10 20] [--out experiments/results/token-width]

Nothing is trained: reader-tiny reads 100 tokens of width 512 as before, of which only the projection is left. Goes on where it was: finished rows of pca.csv are kept.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import torch

import fovea
from fovea.figures import to_csv, write_atomic
from fovea.metrics import bootstrap_mean

ROOT = Path(__file__).resolve().parents[3]
WIDTHS = [512, 384, 256, 192, 128, 64]
COLUMNS = ["ratio", "width", "num_pages", "num_chars", "bits_a_character", "variance_kept", "precision", "precision_low", "precision_high", "char_edit_distance", "char_edit_distance_low", "char_edit_distance_high"]


def pages_of(sample: str, ratio: float, count: int) -> list[Any]:
    """Full pages of 100 tokens, in the largest type that fits."""
    tokenizer, renderer = fovea.deepseek_tokenizer(), fovea.Renderer()
    words = " ".join((ROOT / "datasets/samples" / sample).read_text(encoding="utf-8").split()).split(" ")
    out = []
    for i in range(count):
        begin, length = i * len(words) // (count + 1), 1
        while begin + length < len(words) and tokenizer.count_tokens(" ".join(words[begin : begin + length + 1])) <= 100 * ratio:
            length += 1
        text = " ".join(words[begin : begin + length])
        style = fovea.Style(width_px=640, height_px=640, font="DejaVu Sans Mono", font_size_px=12)
        style.font_size_px = renderer.fit_font_size(text, style, 3, 64, 0.25)
        out.append(renderer.render(text, style))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=4)
    parser.add_argument("--ratio", type=float, nargs="+", default=[10, 20])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    table = args.out / "pca.csv"
    rows: list[dict[str, Any]] = []
    if table.exists():
        with table.open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row["num_pages"]) == args.pages]
    done = {(float(row["ratio"]), int(row["width"])) for row in rows}
    seen = torch.cat([t.tensor for ratio in (5, 10, 20) for t in fovea.encode(pages_of("en_state_of_the_union_1953.txt", ratio, 6))])
    centre = seen.mean(0)
    values, directions = torch.linalg.eigh(torch.cov((seen - centre).T))
    values, directions = values.flip(0), directions.flip(1)
    for ratio in args.ratio:
        pages = pages_of("en_the_man_who_was_thursday.txt", ratio, args.pages)
        encoded = fovea.encode(pages)
        for width in WIDTHS:
            if (ratio, width) in done:
                continue
            basis = directions[:, :width]
            tokens = [fovea.VisionTokens((t.tensor - centre) @ basis @ basis.T + centre, t.rows, t.columns, t.model) for t in encoded]
            scores = [fovea.score(page.text, reading) for page, reading in zip(pages, fovea.decode(tokens, max_new_tokens=int(300 * ratio)), strict=True)]
            num_chars = sum(score.num_ref_chars for score in scores)
            row: dict[str, Any] = {"ratio": ratio, "width": width, "num_pages": args.pages, "num_chars": num_chars, "bits_a_character": round(16 * width * 100 * len(pages) / num_chars, 3),
                                   "variance_kept": round(float(values[:width].sum() / values.sum()), 5)}
            for name in ("precision", "char_edit_distance"):
                numbers = [getattr(score, name) for score in scores]
                low, high = bootstrap_mean(numbers)
                row |= {name: round(float(np.mean(numbers)), 5), f"{name}_low": round(low, 5), f"{name}_high": round(high, 5)}
            rows.append(row)
            write_atomic(table, to_csv(rows))
            print(" ".join(f"{key}={row[key]}" for key in COLUMNS), flush=True)


if __name__ == "__main__":
    main()
