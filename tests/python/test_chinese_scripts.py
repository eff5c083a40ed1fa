"""Corpus and tokenizer of the Chinese reader: what is kept, what is a token."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "datasets" / "samples" / "zh_xu_xiake_travels.txt"


def run(script: str, *arguments: object) -> str:
    done = subprocess.run([sys.executable, ROOT / "scripts" / script, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_lines_in_traditional_characters_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "zh.txt"
    source.write_text("人生而自由，在尊严和权利上一律平等。\n\f\n人人生而自由，在尊嚴和權利上一律平等。\nplain ASCII stays\n“引号”——也留下\n", encoding="utf-8")
    printed = run("make_corpus.py", "--chinese", source, "--out", tmp_path / "out")
    kept = (tmp_path / "out" / "chinese.txt").read_text(encoding="utf-8")
    assert kept == "人生而自由，在尊严和权利上一律平等。\n\f\nplain ASCII stays\n“引号”——也留下\n"
    assert "chinese.txt" in printed and "english.txt" not in printed


def test_a_token_is_one_character(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    text = SAMPLE.read_text(encoding="utf-8")
    out = tmp_path / "tokenizer.json"
    printed = run("make_tokenizer.py", "--text", SAMPLE, "--characters", 3800, "--min-count", 5, "--out", out)
    assert "3800 Han characters" in printed
    tokenizer = tokenizers.Tokenizer.from_file(str(out))
    piece = text[:3000]
    ids = tokenizer.encode(piece).ids
    assert tokenizer.decode(ids) == piece
    commonest = max(set(text), key=text.count)
    assert len(tokenizer.encode(commonest * 7).ids) == 7  # no merge over a character's end
    assert len(tokenizer.encode("龘").ids) in (2, 3)  # bytes, or a beginning that others share and a byte
    assert [tokenizer.id_to_token(i) for i in range(3)] == ["<|begin|>", "<|end|>", "<|pad|>"]


def test_too_few_characters_are_said(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "make_tokenizer.py", "--text", SAMPLE, "--characters", "90000", "--out", tmp_path / "t.json"], capture_output=True, text=True)
    assert done.returncode != 0 and "90000 are asked for" in done.stderr


def test_the_shipped_tokenizer_knows_what_the_card_says() -> None:
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer.from_file(str(ROOT / "models" / "reader-zh" / "tokenizer.json"))
    single = [c for c in map(chr, range(0x4E00, 0xA000)) if len(tokenizer.encode(c).ids) == 1]
    assert len(single) >= 6000
    gb2312_level_1 = bytes(b for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF) if not (high == 0xD7 and low > 0xF9) for b in (high, low)).decode("gb2312")
    assert len(gb2312_level_1) == 3755 and set(gb2312_level_1) <= set(single)  # the standard's commoner half
