#!/usr/bin/env python3
"""Share of a page's characters that were read right, by class of character and ratio: character_classes.py RUN...

RUN is a folder of `fovea curve`. A character counts as right where the edit script matches it. Prints a Markdown table.
"""
import collections
import json
import pathlib
import sys

import fovea

CLASSES = ["lower-case a-z", "upper-case A-Z", "digits", "ASCII marks", "typographic quotes and dashes", "letters beyond ASCII", "other"]


def class_of(c: str) -> str:
    if "a" <= c <= "z":
        return CLASSES[0]
    if "A" <= c <= "Z":
        return CLASSES[1]
    if "0" <= c <= "9":
        return CLASSES[2]
    if "!" <= c <= "~":
        return CLASSES[3]
    if c in "\u2018\u2019\u201c\u201d\u201e\u2013\u2014\u2010\u2026":
        return CLASSES[4]
    return CLASSES[5] if c.isalpha() else CLASSES[6]


def main() -> None:
    right: dict = collections.defaultdict(collections.Counter)
    seen: dict = collections.defaultdict(collections.Counter)
    for run in sys.argv[1:]:
        folder = pathlib.Path(run)
        for line in (folder / "results.jsonl").read_text().splitlines():
            page = json.loads(line)
            stem = folder / "pages" / f"{int(page['page']):03d}"
            reference = " ".join(stem.with_suffix(".txt").read_text(encoding="utf-8").split())
            hypothesis = stem.parent.joinpath(stem.name + ".hyp.txt").read_text(encoding="utf-8")
            for kind, begin, _, length in fovea.score(reference, hypothesis).script:
                if kind == "insert":
                    continue
                for c in reference[begin : begin + length]:
                    if c != " ":
                        seen[page["ratio_asked"]][class_of(c)] += 1
                        right[page["ratio_asked"]][class_of(c)] += kind == "match"
    ratios = sorted(seen)
    print("| class | " + " | ".join(f"{r:g}x" for r in ratios) + " | characters |")
    print("|---" * (len(ratios) + 2) + "|")
    for name in CLASSES:
        total = sum(seen[r][name] for r in ratios)
        if total:
            cells = [f"{right[r][name] / seen[r][name]:.4f}" if seen[r][name] else "-" for r in ratios]
            print(f"| {name} | " + " | ".join(cells) + f" | {total} |")


if __name__ == "__main__":
    main()
