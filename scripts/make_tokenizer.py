#!/usr/bin/env python3
"""Make a reader's byte-level BPE and write tokenizer.json.

python scripts/make_tokenizer.py --text en.txt.xz --max-chars 60000000 --mixed mixed.txt.xz --out models/reader-tiny/tokenizer.json
python scripts/make_tokenizer.py --text corpus/chinese.txt --characters 6050 --out models/reader-zh/tokenizer.json

With --characters N a token is one character: N Han characters, the 3,755 of the first level of GB 2312-80 and the commonest others of
the text (those outside GB 2312-80 count a tenth: traditional forms and rare names do not push out what a page of today may hold), and every other sign that stands in it at least
--min-count times; ASCII is single bytes anyway. Merges stay inside a character, so whatever is not among them falls back to
bytes. Without it the vocabulary is trained:

Text is cleaned as datasets::read_text does (and lines lose their indentation): blank lines vanish, other newlines stay (a
token of their own), white space becomes a space. Every letter and sign of REQUIRED must come out as one token, else the program fails.
"""
from __future__ import annotations

import argparse
import collections
import json
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


def byte_symbols() -> list[str]:
    """The character that stands for each byte in byte-level vocabularies (GPT-2's: printable ones stand for themselves)."""
    own = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255]
    other = iter(range(256, 512))
    return [chr(b) if b in own else chr(next(other)) for b in range(256)]


def is_han(c: str) -> bool:
    return "\u3400" <= c <= "\u9fff" or c == "\u3007" or "\U00020000" <= c <= "\U0003ffff"


def in_gb2312(c: str) -> bool:
    try:
        c.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return True


def gb2312_first_level() -> str:
    """Rows 16 to 55: the characters in common use, as the standard has them."""
    return bytes(b for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF) if not (high == 0xD7 and low > 0xF9) for b in (high, low)).decode("gb2312")


def character_list(counts: collections.Counter[str], num_han: int, min_count: int) -> list[str]:
    """The Han characters by their (weighted) frequency, then the other signs; ASCII and white space are single bytes."""
    common = set(gb2312_first_level())
    han = sorted((c for c in common | set(counts) if is_han(c)), key=lambda c: (c not in common, -counts[c] * (1.0 if in_gb2312(c) else 0.1), c))
    other = sorted((c for c, n in counts.items() if n >= min_count and not is_han(c) and ord(c) > 127 and not c.isspace()
                    and unicodedata.category(c)[0] in "LNPS" and unicodedata.category(c) != "Lm"), key=lambda c: (-counts[c], c))
    if len(han) < num_han:
        raise SystemExit(f"make_tokenizer: the text has {len(han)} Han characters, {num_han} are asked for")
    return han[:num_han] + other


def character_tokenizer(characters: list[str]):
    """One token a character: its bytes are merged from the left, first those that many characters begin with."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    symbol = byte_symbols()
    spelled = ["".join(symbol[b] for b in c.encode("utf-8")) for c in characters]
    vocab = {token: i for i, token in enumerate(SPECIAL + sorted(symbol))}
    merges: list[tuple[str, str]] = []
    for length in range(2, 5):  # beginnings of two bytes, then of three, then of four
        for word in spelled:
            if len(word) >= length and word[:length] not in vocab:
                vocab[word[:length]] = len(vocab)
                merges.append((word[:length - 1], word[length - 1]))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\n|."), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def make_of_characters(args) -> int:
    counts: collections.Counter[str] = collections.Counter()
    for path in args.text:
        for block in pieces(path):
            counts.update(clean(block))
    characters = character_list(counts, args.characters, args.min_count)
    tokenizer = character_tokenizer(characters)
    for c in characters:
        ids = tokenizer.encode(c).ids
        assert len(ids) == 1 and tokenizer.decode(ids) == c, c
    args.out.parent.mkdir(parents=True, exist_ok=True)
    # Without indentation, and in UTF-8 as it is: half the size.
    args.out.write_text(json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":")), encoding="utf-8")
    han = characters[:args.characters]
    known = set(characters) | set(map(chr, range(128)))
    print(f"{args.out}: {tokenizer.get_vocab_size()} entries, {len(han)} Han characters ({sum(map(in_gb2312, han))} of GB 2312; the last stands {counts[han[-1]]} times in the text), "
          f"{len(characters) - len(han)} other signs; {100 * sum(n for c, n in counts.items() if c in known) / counts.total():.3f} % of the text are single tokens")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="UTF-8 text, plain or .xz")
    parser.add_argument("--mixed", type=Path, nargs="*", default=[], help="text of which only mostly-Latin lines are used")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--max-chars", type=int, default=60_000_000, help="of each --text file, from its beginning")
    parser.add_argument("--characters", type=int, default=0, help="one token a character: this many Han characters")
    parser.add_argument("--min-count", type=int, default=150, help="with --characters: other signs that stand so often in the text")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.characters > 0:
        return make_of_characters(args)

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
