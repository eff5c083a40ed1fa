#!/usr/bin/env python3
"""Unpacks training text and keeps what a reader of Latin script can use.

    make_corpus.py --english en.txt.xz --mixed mixed.txt.xz --out DIR

Writes DIR/english.txt (as it is) and DIR/latin.txt (the documents of --mixed in which at least 95 % of the letters are
Latin) and prints the SHA-256 of both, to be named in a training config. Documents are separated by form feed lines.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--english", required=True, help="English prose, .txt or .xz")
    parser.add_argument("--mixed", required=True, help="several languages, .txt or .xz")
    parser.add_argument("--out", required=True, help="folder to write to")
    args = parser.parse_args()
    out = pathlib.Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    documents = read(args.mixed).split("\n\f\n")
    texts = {"english.txt": read(args.english), "latin.txt": "\n\f\n".join(d for d in documents if is_latin(d))}
    for name, text in texts.items():
        data = text.encode("utf-8")
        (out / name).write_bytes(data)
        print(f"{hashlib.sha256(data).hexdigest()}  {out / name}  {len(text)} characters")


if __name__ == "__main__":
    main()
