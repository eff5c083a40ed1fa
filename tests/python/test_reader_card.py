"""The tables of a model card out of run folders, by hand-made numbers."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tarfile
from pathlib import Path

from conftest import ROOT

COLUMNS = ["budget", "ratio_asked", "num_pages", "font", "precision", "precision_low", "precision_high", "char_edit_distance", "loop_rate", "text_kind"]


def write_run(folder: Path, kind: str, fonts: dict[str, float], *, ratio: float = 10, complete: bool = True) -> None:
    """A run of one page a font whose second word is misread."""
    (folder / "pages").mkdir(parents=True)
    middle = sorted(fonts.values())[len(fonts) // 2]
    rows = [{"budget": 100, "ratio_asked": ratio, "num_pages": 1, "font": font, "precision": p, "precision_low": p - 0.01, "precision_high": p + 0.01, "char_edit_distance": 1 - p,
             "loop_rate": float(p < 0.9), "text_kind": kind} for font, p in [*fonts.items(), ("median", middle)]]  # fmt: skip
    if complete:
        with (folder / "summary.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
    lines = []
    for i in range(len(fonts)):
        (folder / "pages" / f"{i:03d}.txt").write_text("One 22", encoding="utf-8")
        (folder / "pages" / f"{i:03d}.hyp.txt").write_text("One 23", encoding="utf-8")
        lines.append(json.dumps({"page": f"{i:03d}", "budget": 100, "ratio_asked": ratio, "font_size_px": 11 + i, "num_text_tokens": 3, "num_chars": 6, "text_kind": kind}) + "\n")
    (folder / "results.jsonl").write_text("".join(lines), encoding="utf-8")


def card(folder: Path) -> str:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/reader_card.py"), str(folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_tables_of_a_card(tmp_path: Path) -> None:
    write_run(tmp_path / "prose-100", "prose", {"A": 0.99, "B": 0.85, "C": 0.97})
    write_run(tmp_path / "shuffled-100", "shuffled-words", {"A": 0.91, "B": 0.93, "C": 0.95})
    write_run(tmp_path / "held-out-100", "prose", {"D": 0.5, "E": 0.6, "F": 0.7})
    write_run(tmp_path / "words-100", "random-words", {"A": 0.5}, complete=False)
    plain = card(tmp_path)
    rows = [line for line in plain.splitlines() if line.startswith("| 10x")]
    assert rows == ["| 10x | **97.0 %** (96.0-98.0) | 0.0300 | B 85.0 %, 0.1500 | 1 of 3 | 60.0 %, 0.4000 | 93.0 %, 0.0700 |"]
    assert "| held-out fonts, median | shuffled words, median |" in plain
    assert "| A | 99.0 %, 0.0100 |" in plain and "| D |" not in plain
    assert "| digits | 0.5000 | 6 |" in plain and "| upper-case A-Z | 1.0000 | 3 |" in plain  # of the prose in trained fonts alone
    assert "left out: words-100: ended before its summary, 1 pages" in plain
    # Pages may come as an archive.
    with tarfile.open(tmp_path / "prose-100" / "pages.tgz", "w:gz") as archive:
        archive.add(tmp_path / "prose-100" / "pages", "pages")
    for file in (tmp_path / "prose-100" / "pages").iterdir():
        file.unlink()
    (tmp_path / "prose-100" / "pages").rmdir()
    assert card(tmp_path) == plain


def test_a_folder_without_runs_is_named(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts/reader_card.py"), str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "must hold run folders" in done.stderr
