#!/usr/bin/env python3
"""Unpacks training text and keeps what a reader can use.

    make_corpus.py --english en.txt.xz --mixed mixed.txt.xz --out DIR
    make_corpus.py --chinese zh.txt.xz --out DIR

Writes DIR/english.txt (as it is), DIR/latin.txt (the documents of --mixed in which at least 95 % of the letters are
Latin) and DIR/chinese.txt (--chinese without the lines in traditional characters: those of whose Han characters more than
8 % are outside GB 2312-80) and prints the SHA-256 of each, to be named in a training config. Documents are separated by form feed lines.
Put your own text in their place by giving other files.
"""
import argparse
import hashlib
import lzma
import pathlib
import unicodedata


def read(path: str) -> str:
    opener = lzma.open if path.endswith(".xz") else open
    with opener(path, "rt", encoding="utf-8", newline="\n") as file:
        return file.read()


def is_latin(document: str) -> bool:
    letters = [c for c in document[:20000] if c.isalpha()]
    if len(letters) < 50:
        return False
    latin = sum(1 for c in letters if c < "\u0250" or unicodedata.name(c, "").startswith("LATIN"))
    return latin >= 0.95 * len(letters)


def is_simplified(line: str) -> bool:
    han = "".join(c for c in line if "\u4e00" <= c <= "\u9fff")
    return len(han.encode("gb2312", errors="ignore")) >= 2 * 0.92 * len(han)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--english", help="English prose, .txt or .xz")
    parser.add_argument("--mixed", help="several languages, .txt or .xz")
    parser.add_argument("--chinese", help="simplified Chinese, .txt or .xz")
    parser.add_argument("--out", required=True, help="folder to write to")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    texts = {}
    if args.english:
        texts["english.txt"] = read(args.english)
    if args.mixed:
        texts["latin.txt"] = "\n\f\n".join(d for d in read(args.mixed).split("\n\f\n") if is_latin(d))
    if args.chinese:
        texts["chinese.txt"] = "\n".join(line for line in read(args.chinese).split("\n") if is_simplified(line))
    if not texts:
        parser.error("name at least one of --english, --mixed and --chinese")
    for name, text in texts.items():
        data = text.encode("utf-8")
        (out / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {out / name}  {len(text)} characters")


if __name__ == "__main__":
    main()
