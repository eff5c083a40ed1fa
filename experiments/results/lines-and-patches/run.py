"""Lines of type and rows of patches: pages in smaller and smaller type, and which of their lines the shipped readers lose.

    python experiments/results/lines-and-patches/run.py [--font "Noto Sans" "DejaVu Serif"] [--out experiments/results/lines-and-patches]

As many characters on every page of a reader, few enough that no page is full: only the type changes. Text: the sample that the readers never trained on. A line counts as lost where fewer
than a quarter of its words are read. Goes on where it was: rows of table.csv that are there are kept.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import platform
import sys
from pathlib import Path

import numpy as np

import fovea
from fovea.api import git_revision
from fovea.figures import to_csv, write_atomic
from fovea.metrics import words_right_by_line
from fovea.result_figures import lines_lost

ROOT = Path(__file__).resolve().parents[3]
KEY = ["model", "font", "font_size_px", "passage"]
COLUMNS = [*KEY, "side_px", "num_chars", "num_lines", "pitch_px", "lines_lost", "words_right", "precision", "char_edit_distance", "stop_reason"]
PAGES = {"reader-tiny": (640, 4000), "reader-64x": (1280, 6000)}  # side in px, characters
SIZES_PX = [14.0, 13.0, 12.0, 11.5, 11.0, 10.5, 10.0, 9.5]


def passage(text: str, index: int, num_chars: int) -> str:
    begin = text.index(" ", index * len(text) // 8) + 1
    return text[begin : text.rindex(" ", begin, begin + num_chars + 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--font", nargs="+", default=["Noto Sans", "DejaVu Serif", "Liberation Sans"])
    parser.add_argument("--pages", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    args = parser.parse_args()
    table = args.out / "table.csv"
    rows: list[dict[str, object]] = []
    if table.exists():
        with table.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    done = {tuple(str(row[name]) for name in KEY) for row in rows}
    text = " ".join((ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8").split())
    renderer = fovea.Renderer()
    readers = {name: fovea.reader(ROOT / "models" / name) for name in PAGES}
    for name, font, size, i in itertools.product(PAGES, args.font, SIZES_PX, range(args.pages)):
        key = {"model": name, "font": font, "font_size_px": size, "passage": i}
        if tuple(str(value) for value in key.values()) in done:
            continue
        side, num_chars = PAGES[name]
        page = renderer.render(passage(text, i, num_chars), fovea.Style(width_px=side, height_px=side, font=font, font_size_px=size))
        reading = readers[name].decode(readers[name].encode([page]))[0]
        right = words_right_by_line(page, reading.text)
        tops = np.asarray(page.lines)[:, 0]
        score = fovea.score(page.text, reading.text)
        rows.append({
            **key, "side_px": side, "num_chars": len(page.text), "num_lines": len(tops), "pitch_px": round(float((tops[-1] - tops[0]) / (len(tops) - 1)), 3), "lines_lost": int(np.sum(right < 0.25)),
            "words_right": round(float(np.nanmean(right)), 4), "precision": round(score.precision, 4), "char_edit_distance": round(score.char_edit_distance, 4), "stop_reason": str(reading.stop_reason),
        })  # fmt: skip
        write_atomic(table, to_csv(rows))
        print(" ".join(f"{name}={rows[-1][name]}" for name in COLUMNS), file=sys.stderr, flush=True)
    manifest = {"command": f"python experiments/results/lines-and-patches/run.py --pages {args.pages}", "git_revision": git_revision(), "models": [f"models/{name}" for name in PAGES],
                "text": "datasets/samples/en_the_man_who_was_thursday.txt", "fonts": args.font, "hardware": platform.machine(), "python": platform.python_version()}  # fmt: skip
    (args.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    drawing = lines_lost(rows)
    for kind in ("svg", "png"):
        drawing.savefig(args.out / f"figure.{kind}", dpi=110, metadata={"Date": None} if kind == "svg" else None)


if __name__ == "__main__":
    main()
