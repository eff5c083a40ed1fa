#!/usr/bin/env python3
"""Share of a page's characters that were read right, by class of character and ratio: character_classes.py RUN...

RUN is a folder of `fovea curve`. A character counts as right where the edit script matches it. Prints a Markdown table.
"""
import collections
import json
import pathlib
import sys

import fovea

CLASSES = ["lower-case a-z", "upper-case A-Z", "digits", "ASCII marks", "typographic quotes and dashes", "Han characters", "wide marks", "letters beyond ASCII", "other"]


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
    if "\u3400" <= c <= "\u9fff" or c >= "\U00020000":
        return CLASSES[5]
    if "\u3000" <= c <= "\u303f" or "\uff00" <= c <= "\uffef":
        return CLASSES[6]
    return CLASSES[7] if c.isalpha() else CLASSES[8]


def table(runs: list[pathlib.Path]) -> str:
    """The Markdown table of several run folders together (pages/NNN.txt and NNN.hyp.txt beside results.jsonl)."""
    right: dict = collections.defaultdict(collections.Counter)
    seen: dict = collections.defaultdict(collections.Counter)
    for folder in runs:
        for line in (folder / "results.jsonl").read_text(encoding="utf-8").splitlines():
            page = json.loads(line)
            stem = folder / "pages" / f"{int(page['page']):03d}"
            reference = fovea.normalize_space(stem.with_suffix(".txt").read_text(encoding="utf-8"))
            hypothesis = stem.parent.joinpath(stem.name + ".hyp.txt").read_text(encoding="utf-8")
            for kind, begin, _, length in fovea.score(reference, hypothesis).script:
                if kind == "insert":
                    continue
                for c in reference[begin : begin + length]:
                    if c != " ":
                        seen[page["ratio_asked"]][class_of(c)] += 1
                        right[page["ratio_asked"]][class_of(c)] += kind == "match"
    ratios = sorted(seen)
    lines = ["| class | " + " | ".join(f"{r:g}x" for r in ratios) + " | characters |", "|---" * (len(ratios) + 2) + "|"]
    for name in CLASSES:
        total = sum(seen[r][name] for r in ratios)
        if total:
            cells = [f"{right[r][name] / seen[r][name]:.4f}" if seen[r][name] else "-" for r in ratios]
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {total} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table([pathlib.Path(run) for run in sys.argv[1:]]), end="")
