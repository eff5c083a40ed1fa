#!/usr/bin/env python3
"""Asks a reader for every character that its tokenizer has as one token, each as often as any other.

every_character.py MODEL --font "Noto Sans CJK SC" --size-px 20 --times 2 [--side-px 640] [--only han] [--device cuda]

Pages of these characters in random order, nothing to guess from. Prints how many are read right by the edit script between page
and reading, font by font and type by type, the characters that were never read right, and what is read in their place.
"""

from __future__ import annotations

import argparse
import collections
import random
import sys
import unicodedata

import fovea


def characters_of(tokenizer: fovea.Tokenizer, only: str) -> list[str]:
    out = []
    for code in (*range(0x21, 0x3000), *range(0x3001, 0xD800), *range(0xF900, 0x10000), *range(0x20000, 0x32000)):
        c = chr(code)
        han = "\u3400" <= c <= "\u9fff" or c == "\u3007" or c >= "\U00020000"
        if unicodedata.category(c)[0] in "LNPS" and (only == "all" or (only == "han") == han) and len(tokenizer.encode(c, match_added_tokens=False)) == 1:
            out.append(c)
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model folder")
    parser.add_argument("--font", nargs="+", required=True)
    parser.add_argument("--size-px", nargs="+", type=float, default=[20.0], help="type sizes")
    parser.add_argument("--times", type=int, default=1, help="how often each character is asked for, a font and size")
    parser.add_argument("--side-px", type=int, default=640)
    parser.add_argument("--only", choices=["all", "han", "other"], default="han")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    reader = fovea.reader(args.model, device=args.device)
    characters = characters_of(reader.tokenizer, args.only)
    print(f"{args.model}: {len(characters)} characters")
    right: collections.Counter[str] = collections.Counter()
    asked: collections.Counter[str] = collections.Counter()
    instead: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for font in args.font:
        for size in args.size_px:
            order = characters * args.times
            random.Random(args.seed).shuffle(order)
            pages, rest = [], "".join(order)
            while rest:
                page = fovea.render(rest, width_px=args.side_px, height_px=args.side_px, font=font, font_size_px=size)
                shown = len(page.text)
                if shown == 0:
                    raise SystemExit(f"every_character: {size} px {font} does not fit on {args.side_px} px")
                pages.append(page)
                rest = rest[shown:]
            here_right = here = tokens = 0
            for begin in range(0, len(pages), args.batch):
                batch = pages[begin : begin + args.batch]
                vectors = reader.encode(batch)
                tokens += sum(v.num_vision_tokens for v in vectors)
                for page, reading in zip(batch, reader.decode(vectors), strict=True):
                    reference, hypothesis = fovea.normalize_space(page.text), fovea.normalize_space(reading.text)
                    script = fovea.score(reference, reading.text).script
                    for kind, at, read, length in script:
                        if kind == "insert":
                            continue
                        for i in range(length):
                            c = reference[at + i]
                            asked[c] += 1
                            here += 1
                            right[c] += kind == "match"
                            here_right += kind == "match"
                            if kind == "substitute":
                                instead[c][hypothesis[read + i]] += 1
                if sys.stderr.isatty():
                    print(f"\r{font}, {size:g} px: {begin + len(batch)} of {len(pages)} pages", end="", file=sys.stderr)
            print(f"{font}, {size:g} px: {len(pages)} pages, {here / tokens:.1f} characters a vision token, {100 * here_right / max(1, here):.2f} % read right")
    never = [c for c in characters if asked[c] and not right[c]]
    always = sum(right[c] == asked[c] for c in characters if asked[c])
    print(f"always right {always}, at least once {len(characters) - len(never)}, never {len(never)}: {''.join(never[:200])}")
    worst = sorted((c for c in characters if right[c] < asked[c] and instead[c]), key=lambda c: (right[c] / asked[c], c))[:40]
    print("read in their place: " + ", ".join(f"{c} as {instead[c].most_common(1)[0][0]} ({asked[c] - right[c]}/{asked[c]})" for c in worst))
    return 0


if __name__ == "__main__":
    sys.exit(main())
