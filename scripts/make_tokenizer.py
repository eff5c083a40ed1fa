#!/usr/bin/env python3
"""Train the small reader's byte-level BPE and write tokenizer.json.

python scripts/make_tokenizer.py --text en.txt.xz --max-chars 60000000 --mixed mixed.txt.xz --out models/reader-tiny/tokenizer.json

Text is cleaned as datasets::read_text does (and lines lose their indentation): blank lines vanish, other newlines stay (a
token of their own), white space becomes a space. Every letter and sign of REQUIRED must come out as one token, else the program fails.
"""
from __future__ import annotations

import argparse
import lzma
import random
import re
import sys
import time
import unicodedata
from pathlib import Path

PATTERN = r" ?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]|\n|\s"
SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]
SIGNS = "‘’“”‚„‹›–—‐‑−…•€£§©®°±×÷†‡™¶′″₂₃←→↑↓≤≥≠≈∞√■●▪"
REQUIRED = "".join(c for c in map(chr, range(0xA1, 0x180)) if unicodedata.category(c) != "Cf") + "".join(
    c for c in SIGNS if not 0xA1 <= ord(c) < 0x180)
REPEATS = 3000  # of each required character standing alone: enough to be merged whatever the rest of the sample
SPACES = re.compile(r"[^\S\n]")


def pieces(path: Path, size: int = 1 << 20):
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8", newline=None) as file:
        while block := file.read(size):
            yield block + file.readline()


def clean(text: str) -> str:
    text = SPACES.sub(" ", text.replace("\ufeff", "").replace("\f", "\n"))
    return "\n".join(line for line in (line.strip() for line in text.split("\n")) if line) + "\n"


def mostly_latin(line: str) -> bool:
    letters = [c for c in line if c.isalpha()]
    latin = sum(c < "\u0250" or "\u1e00" <= c <= "\u1eff" for c in letters)
    return bool(letters) and latin >= 0.9 * len(letters)


def sample(args, counts: dict[str, int]):
    for path in args.text:
        left = args.max_chars
        for block in pieces(path):
            block = clean(block[:left])
            counts[path.name] = counts.get(path.name, 0) + len(block)
            yield block
            left -= len(block)
            if left <= 0:
                break
    for path in args.mixed:
        for block in pieces(path):
            block = "".join(line + "\n" for line in clean(block).split("\n") if mostly_latin(line))
            counts[path.name] = counts.get(path.name, 0) + len(block)
            yield block
    order = list(REQUIRED) * REPEATS
    random.Random(args.seed).shuffle(order)
    for begin in range(0, len(order), 10000):
        yield "\n".join(order[begin:begin + 10000]) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="UTF-8 text, plain or .xz")
    parser.add_argument("--mixed", type=Path, nargs="*", default=[], help="text of which only mostly-Latin lines are used")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--max-chars", type=int, default=60_000_000, help="of each --text file, from its beginning")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=args.vocab_size,
        special_tokens=SPECIAL,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    begin = time.time()
    counts: dict[str, int] = {}
    tokenizer.train_from_iterator(sample(args, counts), trainer)

    problems = [f"{c!r} (U+{ord(c):04X})" for c in REQUIRED if len(tokenizer.encode(c).ids) != 1]
    if problems:
        print(f"make_tokenizer: not a single token: {', '.join(problems)}", file=sys.stderr)
        return 1
    for i, token in enumerate(SPECIAL):
        assert tokenizer.token_to_id(token) == i
    assert tokenizer.get_vocab_size() == args.vocab_size, tokenizer.get_vocab_size()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out))
    used = ", ".join(f"{n:,} characters of {name}" for name, n in counts.items())
    print(f"{args.out}: {tokenizer.get_vocab_size()} entries from {used} in {time.time() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
